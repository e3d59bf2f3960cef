//! Which split a case may appear in: decided by a hash of the case alone, so that no case can be in
//! two splits and no split's size, nor an experiment's seed, moves a case.

use groklab_domain::{Split, Value};

use crate::{family::Rule, index::Index, problem::literals};

/// Shares of the hash space, in twentieths.
pub(crate) const SHARES: [(Split, u64); 4] = [
    (Split::Train, 11),
    (Split::Val, 3),
    (Split::Test, 3),
    (Split::Ood, 3),
];
pub(crate) const SHARES_TOTAL: u64 = 20;

/// The canonical form of a case's arguments: Python literals, separated by `, `. Where their order
/// does not matter they are sorted, so that one order cannot be in train and another in test.
pub(crate) fn canonical(rule: &dyn Rule, args: &[Value]) -> String {
    match args {
        args if !rule.commutes() => literals(args),
        // The list is the one argument, and its items are what may stand in any order.
        [Value::List(items)] => literals(&[Value::List(sorted(items))]),
        args => literals(&sorted(args)),
    }
}

/// Shorter literals first, so natural numbers by size.
fn sorted(values: &[Value]) -> Vec<Value> {
    let mut values = values.to_vec();
    values.sort_by_cached_key(|value| {
        let text = value.python();
        (text.len(), text)
    });
    values
}

/// The only split in which the case may appear. Ood cases have a bucket of their own, so they never
/// meet test cases either.
pub fn split_of(family: &str, rule: &str, canonical: &str) -> Split {
    // Neither the seed nor a size goes in, so a case stays in its split in every experiment.
    // Another context would move them all.
    let mut hasher = blake3::Hasher::new_derive_key("groklab 2026 problem bucket");
    for part in [family, rule, canonical] {
        // With their lengths, so that `a` and `bc` are not `ab` and `c`.
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    let bytes: [u8; 8] = hasher.finalize().as_bytes()[..8]
        .try_into()
        .expect("a blake3 hash has 32 bytes");
    // Of 2⁶⁴ values each remainder has its share to within one.
    let mut place = u64::from_le_bytes(bytes) % SHARES_TOTAL;
    for (split, share) in SHARES {
        if place < share {
            return split;
        }
        place -= share;
    }
    unreachable!("the shares add up to their total")
}

/// A fair coin that belongs to the text alone. Splits a space into cases kept for telling wrong
/// solutions apart and free ones.
pub(crate) fn coin(text: &str) -> bool {
    // Not the hash of `split_of`, so that every split has both kinds of cases.
    blake3::hash(text.as_bytes()).as_bytes()[0] & 1 == 1
}

/// The items in an order that belongs to the text alone.
pub(crate) fn shuffled<T>(text: &str, mut items: Vec<T>) -> Vec<T> {
    let bytes: [u8; 8] = blake3::hash(text.as_bytes()).as_bytes()[..8]
        .try_into()
        .expect("a blake3 hash has 32 bytes");
    let mut order = Index::new(u64::from_le_bytes(bytes));
    let mut out = Vec::with_capacity(items.len());
    while !items.is_empty() {
        let chosen = order.take(items.len() as u64);
        out.push(
            items.remove(usize::try_from(chosen).expect("a digit is below the number of items")),
        );
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_met() {
        assert_eq!(
            SHARES.iter().map(|(_, share)| share).sum::<u64>(),
            SHARES_TOTAL
        );
        let train = (0..10_000)
            .filter(|n| split_of("gcd", "op=gcd", &n.to_string()) == Split::Train)
            .count();
        assert!((5300..5700).contains(&train), "{train}");
    }

    #[test]
    fn every_order_has_its_turn() {
        let firsts = (0..600)
            .filter(|n| shuffled(&n.to_string(), vec![1, 2, 3])[0] == 1)
            .count();
        assert!((150..250).contains(&firsts), "{firsts}");
        assert_eq!(shuffled("a", vec![1, 2, 3]), shuffled("a", vec![1, 2, 3]));
    }
}
