//! How long work had to wait: `/proc/pressure`. Pure.

use crate::sample::{PressureSample, Resource};

/// What the file of that resource told. `None`: nothing that can be used.
pub(super) fn pressure(resource: Resource, text: &str) -> Option<PressureSample> {
    let line = |name: &str| {
        let mut words = text
            .lines()
            .map(str::split_whitespace)
            .find_map(|mut words| (words.next() == Some(name)).then_some(words))?;
        let (mut seconds, mut ratio) = (None, None);
        for (key, value) in words.by_ref().filter_map(|word| word.split_once('=')) {
            match key {
                "total" => seconds = value.parse::<u64>().ok().map(|micros| micros as f64 / 1e6),
                "avg60" => {
                    let percent = value.parse::<f64>().ok().filter(|percent| (0.0..=100.0).contains(percent));
                    ratio = percent.map(|percent| percent / 100.0);
                }
                _ => {}
            }
        }
        Some((seconds, ratio))
    };
    let (waiting_seconds, waiting_ratio) = line("some").unwrap_or_default();
    // Of a whole machine's processors "all wait" is not defined: the kernel writes zeros there.
    let stalled = line("full").filter(|_| resource != Resource::Cpu);
    let (stalled_seconds, stalled_ratio) = stalled.unwrap_or_default();
    let told = waiting_seconds.is_some() || stalled_seconds.is_some();
    told.then_some(PressureSample {
        resource,
        waiting_seconds,
        stalled_seconds,
        waiting_ratio,
        stalled_ratio,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "some avg10=2.34 avg60=50.00 avg300=1.64 total=182883901\n\
                        full avg10=2.32 avg60=2.28 avg300=1.43 total=59515690\n";

    #[test]
    fn waiting_and_stalled_are_seconds_and_a_part_of_the_last_minute() {
        let io = pressure(Resource::Io, FILE).unwrap();
        assert_eq!((io.waiting_seconds, io.waiting_ratio), (Some(182.883_901), Some(0.5)));
        assert_eq!(io.stalled_seconds, Some(59.515_69));
        assert_eq!(pressure(Resource::Cpu, FILE).unwrap().stalled_seconds, None, "not defined");
    }

    #[test]
    fn a_kernel_that_tells_one_line_tells_that_one() {
        let old = pressure(Resource::Memory, "some avg10=0.00 total=5\n").unwrap();
        assert_eq!((old.waiting_seconds, old.waiting_ratio, old.stalled_seconds), (Some(5e-6), None, None));
    }

    #[test]
    fn garbage_is_nothing() {
        for text in ["", "some", "some total=", "some total=-1", "full avg60=NaN", "so\u{e9}me total=1"] {
            assert_eq!(pressure(Resource::Io, text), None, "{text}");
        }
        let odd = pressure(Resource::Io, "some avg60=700 total=1").unwrap();
        assert_eq!(odd.waiting_ratio, None, "more than all is no part");
    }
}
