//! Numbers by chance, the same on every machine.

/// Splitmix64: enough to disturb a table, and the same on every machine.
pub struct Random(pub u64);

impl Random {
    pub fn normal(&mut self) -> f32 {
        // Twelve uniform numbers minus six: their deviation is 1.
        (0..12).map(|_| self.uniform()).sum::<f32>() - 6.0
    }

    pub fn uniform(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 40) as f32 / (1_u64 << 24) as f32
    }
}
