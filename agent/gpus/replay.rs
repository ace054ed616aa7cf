//! A card that plays a table of values in a loop, for the demo and for machines without a GPU.
//! The values are made up, in the shape that a real card shows: no recording of anybody's machine.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{Backend, CardError, GpuError, Gpus};
use crate::sample::GpuSample;

/// The demo's backend. Not in the table of the real ones.
pub const BACKEND: Backend = Backend {
    name: "demo",
    about: "a card that plays made-up values in a loop",
    open: |_| Ok(Arc::new(Replay::new())),
};

const MIB: u64 = 1 << 20;

/// From one frame to the next, in seconds.
const STEP: f64 = 4.0;

/// Joules "since the driver was loaded" at the start.
const ENERGY_BEFORE: f64 = 8.6e6;

const POWER_LIMIT: f64 = 350.0;

/// What the card shows for one step: busy in percent, memory in MiB, degrees Celsius, watts.
type Frame = (u8, u16, u8, u16);

const FRAMES: [Frame; 60] = [
    (92, 11912, 54, 281),
    (26, 11912, 52, 100),
    (93, 11912, 58, 284),
    (72, 11912, 60, 226),
    (93, 11912, 63, 284),
    (93, 11912, 66, 284),
    (95, 11912, 67, 289),
    (42, 11912, 62, 144),
    (0, 11912, 54, 28),
    (27, 11912, 52, 102),
    (86, 11912, 58, 264),
    (93, 11912, 62, 284),
    (93, 11912, 65, 284),
    (96, 11912, 67, 292),
    (93, 11912, 68, 284),
    (100, 11912, 62, 123),
    (100, 11912, 58, 123),
    (100, 11912, 56, 123),
    (100, 11912, 54, 123),
    (100, 11912, 53, 123),
    (93, 11912, 59, 284),
    (93, 11912, 63, 284),
    (93, 11912, 65, 284),
    (95, 11912, 67, 289),
    (98, 11912, 69, 298),
    (98, 11912, 70, 298),
    (98, 23176, 70, 298),
    (97, 23176, 71, 295),
    (90, 23176, 70, 276),
    (89, 23176, 70, 273),
    (80, 23176, 68, 248),
    (85, 23176, 68, 262),
    (54, 23176, 64, 176),
    (0, 23176, 56, 28),
    (34, 23176, 54, 122),
    (22, 23176, 51, 88),
    (0, 23176, 47, 28),
    (29, 23176, 48, 108),
    (93, 23176, 56, 284),
    (7, 23176, 51, 47),
    (0, 23176, 47, 28),
    (0, 23176, 44, 28),
    (0, 23176, 42, 28),
    (0, 11912, 41, 28),
    (0, 8012, 41, 28),
    (0, 8012, 40, 28),
    (0, 8012, 40, 28),
    (0, 8012, 40, 28),
    (0, 8012, 40, 28),
    (0, 8012, 40, 28),
    (0, 8012, 39, 28),
    (0, 8012, 39, 28),
    (0, 8012, 39, 28),
    (22, 8012, 42, 88),
    (74, 11912, 50, 232),
    (36, 11912, 50, 127),
    (56, 11912, 53, 182),
    (18, 11912, 50, 78),
    (0, 11912, 46, 28),
    (86, 11912, 54, 264),
];

/// A card that is not there.
#[derive(Debug)]
pub struct Replay {
    start: Instant,
}

impl Default for Replay {
    fn default() -> Self {
        Self::new()
    }
}

impl Replay {
    /// The card, at the first frame now.
    pub fn new() -> Replay {
        Replay { start: Instant::now() }
    }

    /// What the card shows that long after its start. Pure.
    pub fn at(elapsed: Duration) -> GpuSample {
        let seconds = elapsed.as_secs_f64();
        let round = STEP * FRAMES.len() as f64;
        let (rounds, rest) = ((seconds / round).floor(), seconds % round);
        let index = ((rest / STEP) as usize).min(FRAMES.len() - 1);
        let (busy, mib, celsius, watts) = FRAMES[index];
        let joules = |frames: &[Frame]| frames.iter().map(|frame| f64::from(frame.3) * STEP).sum::<f64>();
        let inside = f64::from(watts) * (rest - index as f64 * STEP).clamp(0.0, STEP);
        let energy = ENERGY_BEFORE + rounds * joules(&FRAMES) + joules(&FRAMES[..index]) + inside;
        let (total, used) = (24 * 1024 * MIB, u64::from(mib) * MIB);
        GpuSample {
            uuid: "GPU-demo-0".into(),
            index: Some(0),
            name: Some("24 GB card (demo)".into()),
            vendor: "demo".into(),
            driver: Some("demo".into()),
            utilization_ratio: Some(f64::from(busy) / 100.0),
            memory_total_bytes: Some(total),
            memory_used_bytes: Some(used),
            memory_free_bytes: Some(total - used),
            temperatures_celsius: [("die".to_owned(), f64::from(celsius))].into(),
            power_watts: Some(f64::from(watts)),
            power_limit_watts: Some(POWER_LIMIT),
            energy_joules: Some(energy),
            ..GpuSample::default()
        }
    }
}

impl Gpus for Replay {
    fn name(&self) -> &'static str {
        BACKEND.name
    }

    fn places(&self) -> Result<u32, GpuError> {
        Ok(1)
    }

    fn read(&self, _: u32) -> Result<GpuSample, CardError> {
        Ok(Replay::at(self.start.elapsed()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn energy_is_the_integral_of_power_over_the_end_of_the_loop() {
        let step = Duration::from_millis(500);
        let mut at = Duration::ZERO;
        while at < Duration::from_secs(600) {
            let (now, next) = (Replay::at(at), Replay::at(at + step));
            let grown = next.energy_joules.unwrap() - now.energy_joules.unwrap();
            assert!((grown - now.power_watts.unwrap() * 0.5).abs() < 1e-3, "at {at:?}: {grown} J");
            at += step;
        }
    }

    #[test]
    fn every_frame_is_a_card_that_could_be() {
        for (busy, mib, celsius, watts) in FRAMES {
            assert!(busy <= 100 && mib < 24 * 1024, "{busy} % {mib} MiB");
            assert!((25..90).contains(&celsius), "{celsius} degrees");
            assert!((15.0..=POWER_LIMIT).contains(&f64::from(watts)), "{watts} W");
        }
        assert_eq!(FRAMES.len() * 4, 240, "a round is a day of the demo");
    }
}
