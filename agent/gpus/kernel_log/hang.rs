//! What the drivers of AMD's and Intel's cards write to the kernel's log when work on a card hangs: they have no
//! numbers as NVIDIA's has. Pure.
//!
//! `amdgpu 0000:03:00.0: amdgpu: ring gfx_0.0.0 timeout, signaled seq=…`, `amdgpu 0000:03:00.0: amdgpu: GPU reset
//! begin!`, `i915 0000:00:02.0: [drm] GPU HANG: ecode 12:1:…`, `xe 0000:03:00.0: [drm] Tile0: GT0: Timedout job: …`.

use super::nvidia::clean;
use crate::gpus::pci;

/// The drivers, and what each says of work that hangs, or of a reset because of it.
const DRIVERS: [(&str, &[&str]); 3] = [
    ("amdgpu", &[" timeout, signaled seq", "GPU reset begin"]),
    ("i915", &["GPU HANG: ecode"]),
    ("xe", &["Timedout job", "Engine reset", "reset started", " as wedged"]),
];

/// Which card, and the message in a few harmless words. `None`: nothing of work that hangs.
pub(super) fn told(text: &str) -> Option<(String, String)> {
    let (driver, rest) = text.trim_start().split_once(' ')?;
    let (_, signs) = DRIVERS.iter().find(|(name, _)| *name == driver)?;
    let (place, message) = rest.split_once(": ")?;
    let place = pci::address(place)?;
    let message = message.strip_prefix("amdgpu: ").unwrap_or(message);
    signs.iter().any(|sign| message.contains(sign)).then(|| (place, clean(message, 120)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_that_hangs_is_told_by_each_driver() {
        for (text, place, message) in [
            (
                "amdgpu 0000:28:00.0: ring gfx_0.0.0 timeout, signaled seq=57638, emitted seq=57641",
                "0000:28:00.0",
                "ring gfx_0.0.0 timeout, signaled seq=57638, emitted seq=57641",
            ),
            ("amdgpu 0000:33:00.0: amdgpu: GPU reset begin!", "0000:33:00.0", "GPU reset begin!"),
            (
                "amdgpu 0000:28:00.0: GPU reset begin!. Source:  1",
                "0000:28:00.0",
                "GPU reset begin!. Source:  1",
            ),
            (
                "i915 0000:00:02.0: [drm] GPU HANG: ecode 12:1:0020fffe, in llama [1676]",
                "0000:00:02.0",
                "[drm] GPU HANG: ecode 12:1:0020fffe, in llama [1676]",
            ),
            (
                "i915 0000:00:02.0: GPU HANG: ecode 6:1:0xfffffffe, in a [2483], hang on rcs0",
                "0000:00:02.0",
                "GPU HANG: ecode 6:1:0xfffffffe, in a [2483], hang on rcs0",
            ),
            (
                "xe 0000:00:02.0: [drm] Tile0: GT0: reset started",
                "0000:00:02.0",
                "[drm] Tile0: GT0: reset started",
            ),
            (
                "xe 0000:03:00.0: [drm] *ERROR* CRITICAL: Xe has declared device 0000:03:00.0 as wedged.",
                "0000:03:00.0",
                "[drm] *ERROR* CRITICAL: Xe has declared device 0000:03:00.0 as wedged.",
            ),
        ] {
            assert_eq!(told(text), Some((place.into(), message.into())), "{text}");
        }
    }

    #[test]
    fn what_else_drivers_say_is_none() {
        for text in [
            "",
            "amdgpu",
            "amdgpu 0000:33:00.0: amdgpu: GPU reset succeeded, trying to resume",
            "amdgpu 0000:33:00.0: [drm] *ERROR* [CRTC:72:crtc-0] flip_done timed out",
            "[drm:amdgpu_job_timedout [amdgpu]] *ERROR* ring sdma0 timeout, signaled seq=121570",
            "amdgpu: GPU reset begin!",
            "i915 0000:00:02.0: [drm] GT0: GUC: SLPC enabled",
            "xe 0000:03:00.0: [drm] Tile0: GT0: reset done",
            "snd_hda_intel 0000:00:1f.3: GPU HANG: ecode",
        ] {
            assert_eq!(told(text), None, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_gives_an_answer(head in "((amdgpu|i915|xe) 0000:03:00.0: )?", text in "\\PC{0,300}", sign in "( as wedged|GPU HANG: ecode)?") {
            if let Some((_, message)) = told(&format!("{head}{text}{sign}")) {
                proptest::prop_assert!(message.len() <= 120 && message.is_ascii());
            }
        }
    }
}
