//! Which split a case may appear in: decided by a hash of the case alone, so that no case can be in two splits and no split's size,
//! nor an experiment's seed, moves a case.

use groklab_domain::{Split, Value};

/// Shares of the hash space, in twentieths.
pub(crate) const SHARES: [(Split, u64); 4] = [(Split::Train, 11), (Split::Val, 3), (Split::Test, 3), (Split::Ood, 3)];
pub(crate) const SHARES_TOTAL: u64 = 20;

/// The canonical form of a case's arguments: Python literals, separated by `, `.
pub(crate) fn canonical(args: &[Value]) -> String {
    args.iter().map(Value::python).collect::<Vec<_>>().join(", ")
}

/// The only split in which the case may appear. Ood cases have a bucket of their own, so they never meet test cases either.
pub fn split_of(family: &str, rule: &str, canonical: &str) -> Split {
    let mut hasher = blake3::Hasher::new_derive_key("groklab 2026 problem bucket");
    for part in [family, rule, canonical] {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    let bytes: [u8; 8] = hasher.finalize().as_bytes()[..8].try_into().expect("a blake3 hash has 32 bytes");
    let mut place = u64::from_le_bytes(bytes) % SHARES_TOTAL;
    for (split, share) in SHARES {
        if place < share {
            return split;
        }
        place -= share;
    }
    unreachable!("the shares add up to their total")
}

/// A fair coin that belongs to the text alone. Splits a space into cases kept for telling wrong solutions apart and free ones.
pub(crate) fn coin(text: &str) -> bool {
    blake3::hash(text.as_bytes()).as_bytes()[0] & 1 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_met() {
        assert_eq!(SHARES.iter().map(|(_, share)| share).sum::<u64>(), SHARES_TOTAL);
        let train = (0..10_000).filter(|n| split_of("gcd", "op=gcd", &n.to_string()) == Split::Train).count();
        assert!((5300..5700).contains(&train), "{train}");
    }
}
