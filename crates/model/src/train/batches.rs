//! Which examples share a step, and which part of a step is in memory at once. Pure; sequences are
//! packed, so nothing is lost by mixing lengths and no bucketing is needed.

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};

use super::Example;

/// Batches of indices into examples with `lengths` tokens: every epoch is a fresh shuffle, cut
/// where a batch would pass `batch_tokens`. An example longer than that is a batch of its own.
pub fn plan_batches(
    lengths: &[usize],
    batch_tokens: usize,
    epochs: u32,
    seed: u64,
) -> Vec<Vec<usize>> {
    let mut stream = ChaCha8Rng::seed_from_u64(seed);
    let mut batches = Vec::new();
    for _ in 0..epochs {
        let mut order: Vec<usize> = (0..lengths.len()).collect();
        for last in (1..order.len()).rev() {
            // A bias of length / 2^64 is of no account here.
            order.swap(last, (stream.next_u64() % (last as u64 + 1)) as usize);
        }
        batches.extend(cut(&order, batch_tokens, |index| lengths[index]));
    }
    batches
}

/// The parts of a step, longest examples first, so that the largest part shows at once whether
/// memory suffices.
pub(super) fn micro_batches(examples: &[Example], micro_batch_tokens: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..examples.len()).collect();
    order.sort_by_key(|&index| (usize::MAX - examples[index].tokens(), index));
    cut(&order, micro_batch_tokens, |index| examples[index].tokens())
}

fn cut(order: &[usize], limit: usize, length: impl Fn(usize) -> usize) -> Vec<Vec<usize>> {
    let mut parts: Vec<Vec<usize>> = Vec::new();
    let mut tokens = 0;
    for &index in order {
        tokens += length(index);
        match parts.last_mut() {
            Some(part) if tokens <= limit => part.push(index),
            _ => {
                tokens = length(index);
                parts.push(vec![index]);
            }
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_epoch_holds_every_example_once_within_the_limit() {
        let lengths: Vec<usize> = (0..50).map(|n| 10 + n % 7).collect();
        let batches = plan_batches(&lengths, 64, 2, 3);
        let mut seen = batches.concat();
        seen.sort_unstable();
        assert_eq!(seen, (0..50).flat_map(|n| [n, n]).collect::<Vec<_>>());
        assert!(
            batches
                .iter()
                .all(|batch| batch.iter().map(|&i| lengths[i]).sum::<usize>() <= 64)
        );
        assert_eq!(batches, plan_batches(&lengths, 64, 2, 3));
        assert_ne!(batches, plan_batches(&lengths, 64, 2, 4));
        assert_eq!(plan_batches(&[100], 10, 1, 0), [[0]]);
        assert!(plan_batches(&[], 10, 3, 0).is_empty());
    }
}
