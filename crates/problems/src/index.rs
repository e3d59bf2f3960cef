//! A number taken apart digit by digit in mixed radix: different numbers below the product of the
//! radices take different paths. Rules choose their parameters with one, inputs their cases.

use num_bigint::BigUint;
use rand_chacha::{ChaCha8Rng, rand_core::Rng};

/// The index of a rule within its family, or of a case within its space.
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

    pub(crate) fn below(&self, size: &BigUint) -> bool {
        self.0 < *size
    }

    /// Less `size`, which it is not below.
    pub(crate) fn subtract(&mut self, size: &BigUint) {
        self.0 -= size;
    }

    /// Takes a digit below `size` and hands it back as an index of its own.
    pub(crate) fn split(&mut self, size: &BigUint) -> Self {
        let part = &self.0 % size;
        self.0 /= size;
        Self(part)
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

    /// Takes a digit that chooses `count` of `items`, in their order; there are
    /// [`Index::choices`] ways.
    pub fn choose<T: Copy>(&mut self, items: &[T], count: usize) -> Vec<T> {
        let mut number = self.take(Self::choices(items.len(), count));
        let (mut chosen, mut wanted) = (Vec::with_capacity(count), count);
        for (place, item) in items.iter().enumerate() {
            if wanted == 0 {
                break;
            }
            // The choices that have this item come first.
            let with = Self::choices(items.len() - place - 1, wanted - 1);
            if number < with {
                chosen.push(*item);
                wanted -= 1;
            } else {
                number -= with;
            }
        }
        chosen
    }

    /// Ways to choose `count` of `items`.
    pub const fn choices(items: usize, count: usize) -> u64 {
        if count > items {
            return 0;
        }
        let (mut ways, mut taken) = (1, 0);
        while taken < count {
            // Divides exactly: before it stands a product of that many numbers in a row.
            ways = ways * (items - taken) as u64 / (taken as u64 + 1);
            taken += 1;
        }
        ways
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

    #[test]
    fn different_indices_choose_differently() {
        let chosen: HashSet<_> = (0u32..35)
            .map(|i| Index::new(i).choose(&[1, 2, 3, 4, 5, 6, 7], 3))
            .collect();
        assert_eq!((chosen.len() as u64, 35), (Index::choices(7, 3), 35));
        assert!(chosen.iter().all(|items| items.len() == 3));
    }
}
