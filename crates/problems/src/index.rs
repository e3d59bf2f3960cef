//! A case's number, taken apart digit by digit in mixed radix: different numbers below the product
//! of the radices take different paths.

use num_bigint::BigUint;
use rand_chacha::{ChaCha8Rng, rand_core::Rng};

/// The index of a case within its space.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index(BigUint);

impl Index {
    pub fn new(index: impl Into<BigUint>) -> Self {
        Self(index.into())
    }

    /// A uniform index below `size`, which is at least 1; 64 spare bits keep the bias below 2⁻⁶⁴.
    pub(crate) fn random(size: &BigUint, rng: &mut ChaCha8Rng) -> Self {
        let words = size.bits() / 64 + 2;
        let random = (0..words).fold(BigUint::ZERO, |acc, _| (acc << 64u32) + rng.next_u64());
        Self(random % size)
    }

    /// Takes the next digit: a number below `radix`, which is at least 1.
    pub fn take(&mut self, radix: u64) -> u64 {
        let digit = &self.0 % radix;
        self.0 /= radix;
        digit
            .try_into()
            .expect("a remainder is below its 64-bit divisor")
    }

    /// Takes a digit that chooses one of `items`, which is not empty.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        let chosen = self.take(items.len() as u64);
        &items[usize::try_from(chosen).expect("a digit is below the length of a slice")]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn different_indices_take_different_paths() {
        let paths: HashSet<_> = (0u32..60)
            .map(|i| {
                let mut index = Index::new(i);
                (index.take(3), index.take(4), index.take(5))
            })
            .collect();
        assert_eq!(paths.len(), 60);
    }
}
