//! Uniform draws for resampling: SplitMix64 (Steele, Lea and Flood 2014). Not for sampling tokens,
//! not for secrets.

/// A stream of draws that depends on its seed alone.
#[derive(Debug, Clone)]
pub struct Draws(u64);

impl Draws {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// 64 uniform bits.
    pub fn bits(&mut self) -> u64 {
        // The golden ratio's increment and the mixing steps of the reference implementation: other
        // constants would make other figures of the same data.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Uniform in `0..bound`, by multiply and shift: the bias is below `bound` / 2⁶⁴. `bound` must
    /// not be 0.
    pub fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.bits()) * bound as u128) >> 64) as usize
    }

    /// Uniform in [0, 1).
    pub fn unit(&mut self) -> f64 {
        // An f64 holds 53 bits exactly; with more, rounding could give 1.
        (self.bits() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A standard normal draw, by Box and Muller.
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_are_uniform_enough() {
        let mut draws = Draws::new(1);
        let mut counts = [0u32; 7];
        (0..70_000).for_each(|_| counts[draws.below(7)] += 1);
        let chi_squared: f64 = counts
            .iter()
            .map(|&c| (f64::from(c) - 10_000.0).powi(2) / 10_000.0)
            .sum();
        assert!(chi_squared < 22.5, "{counts:?}"); // p = 0.001 at 6 degrees of freedom
        let mean = (0..10_000).map(|_| draws.unit()).sum::<f64>() / 10_000.0;
        assert!((mean - 0.5).abs() < 0.015, "{mean}");
    }
}
