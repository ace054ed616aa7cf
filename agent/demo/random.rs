//! Numbers that look like chance and are the same in every run.

/// SplitMix64: the same numbers on every machine and in every version, which is all it is for.
#[derive(Debug)]
pub(super) struct Random(u64);

impl Random {
    /// The numbers of that seed.
    pub(super) fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// A number in 0..1.
    pub(super) fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A number between the two, more often a low one.
    pub(super) fn low(&mut self, least: f64, most: f64) -> f64 {
        let unit = self.unit();
        least + (most - least) * unit * unit * unit
    }
}
