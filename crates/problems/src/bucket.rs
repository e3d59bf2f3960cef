//! Which split a case or a rule may appear in: decided by a hash of it alone, so that none can be
//! in two splits, and no split's size, nor a seed, nor another rule moves one.

use groklab_domain::{Split, Value};

use crate::{family::Rule, python::literals};

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
pub(crate) fn canonical(rule: &Rule, args: &[Value]) -> String {
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
    let place = hash("groklab 2026 problem bucket", &[family, rule, canonical]) % SHARES_TOTAL;
    shared_out(place, &SHARES)
}

/// The only split in which the rule is asked, where rules are held out.
pub fn split_of_rule(family: &str, rule: &str) -> Split {
    let place = hash("groklab 2026 rule bucket", &[family, rule]) % SHARES_TOTAL;
    shared_out(place, &SHARES)
}

/// The only split in which a rule is asked that train may not ask: its place in the same order, but
/// for val, test and ood alone.
pub(crate) fn split_of_held_out(family: &str, rule: &str) -> Split {
    let evenly = [(Split::Val, 1), (Split::Test, 1), (Split::Ood, 1)];
    shared_out(
        hash("groklab 2026 held out rule bucket", &[family, rule]) % 3,
        &evenly,
    )
}

/// Where the rule stands among others that may be asked; another order for every seed.
pub(crate) fn place_of_rule(seed: u64, family: &str, rule: &str) -> u64 {
    hash(
        "groklab 2026 rule order",
        &[&seed.to_string(), family, rule],
    )
}

/// A number that belongs to the texts and to what it is wanted for.
pub(crate) fn hash(purpose: &str, parts: &[&str]) -> u64 {
    let mut hasher = blake3::Hasher::new_derive_key(purpose);
    for part in parts {
        // With their lengths, so that `a` and `bc` are not `ab` and `c`.
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    let bytes: [u8; 8] = hasher.finalize().as_bytes()[..8]
        .try_into()
        .expect("a blake3 hash has 32 bytes");
    // Of 2⁶⁴ values each remainder has its share to within one.
    u64::from_le_bytes(bytes)
}

fn shared_out(mut place: u64, shares: &[(Split, u64)]) -> Split {
    for (split, share) in shares {
        if place < *share {
            return *split;
        }
        place -= share;
    }
    unreachable!("the shares add up to their total")
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
}
