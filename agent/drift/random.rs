//! Random numbers that are the same each time, for the bootstrap and for permutations.

/// SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): small, and more than good enough to draw samples with.
///
/// Not from a library: what a report says must not change with a library's version.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// A sequence: the same seed gives the same one.
    pub const fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// The next 64 bits.
    pub const fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 up to and without 1.
    pub const fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// From 0 up to and without `end`; 0 where `end` is 0. The multiplication's bias is below 2^-32 for what fits memory.
    pub const fn below(&mut self, end: usize) -> usize {
        ((self.bits() as u128 * end as u128) >> 64) as usize
    }

    /// Puts `of` into a random order (Fisher and Yates).
    pub fn shuffle<T>(&mut self, of: &mut [T]) {
        for last in (1..of.len()).rev() {
            of.swap(last, self.below(last + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_is_that_of_the_reference_implementation() {
        let mut random = Random::new(1_234_567);
        let drawn: Vec<u64> = (0..3).map(|_| random.bits()).collect();
        assert_eq!(drawn, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn draws_are_even_and_within_their_bounds() {
        let mut random = Random::new(7);
        let mut seen = [0_u32; 6];
        (0..60_000).for_each(|_| seen[random.below(6)] += 1);
        assert!(seen.iter().all(|count| (9_500..10_500).contains(count)), "{seen:?}");
        assert!((0..1000).map(|_| random.unit()).all(|drawn| (0.0..1.0).contains(&drawn)));
        assert_eq!(random.below(0), 0);
    }

    #[test]
    fn a_shuffle_keeps_what_it_shuffles() {
        let mut cards: Vec<u8> = (0..52).collect();
        Random::new(3).shuffle(&mut cards);
        assert_ne!(cards, (0..52).collect::<Vec<u8>>());
        cards.sort_unstable();
        assert_eq!(cards, (0..52).collect::<Vec<u8>>());
    }
}
