//! Drawing a token per row from logits: greedy, or one uniform number per row and step from the row's own stream.

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};
use tch::{Device, Kind, Tensor};

use super::Sampling;

/// A row's own random numbers.
pub(super) struct Stream(ChaCha8Rng);

impl Stream {
    pub(super) fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// In [0, 1), with 53 bits.
    fn uniform(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// A drawn token; `logprob` is the model's at temperature 1 and not finite if the logits were not.
#[derive(Debug, Clone, Copy)]
pub(super) struct Drawn {
    pub id: i64,
    pub logprob: f64,
}

/// Draws one token per row of `logits [rows, vocab]` (float32).
pub(super) fn draw(logits: &Tensor, sampling: Sampling, streams: &mut [&mut Stream]) -> Vec<Drawn> {
    let ids = if sampling.temperature == 0.0 {
        integers(&logits.argmax(-1, false))
    } else {
        let (rows, vocab) = logits.size2().expect("logits have two dimensions");
        let shares = floats(&(logits / sampling.temperature).softmax(-1, Kind::Float));
        debug_assert_eq!(rows as usize, streams.len());
        shares.chunks_exact(vocab as usize).zip(streams).map(|(row, stream)| pick(row, sampling.top_p, stream.uniform()) as i64).collect()
    };
    let chosen = logits.gather(1, &Tensor::from_slice(&ids).to_device(logits.device()).unsqueeze(1), false).squeeze_dim(1);
    let logprobs = floats(&(chosen - logits.logsumexp([-1_i64].as_slice(), false)));
    ids.into_iter().zip(logprobs).map(|(id, logprob)| Drawn { id, logprob: logprob.into() }).collect()
}

/// The token whose interval of the cumulative probabilities, in the order of ids, contains `uniform`.
fn pick(shares: &[f32], top_p: f64, uniform: f64) -> usize {
    if top_p >= 1.0 {
        return walk(shares.iter().copied().enumerate(), uniform);
    }
    walk(nucleus(shares, top_p).into_iter().map(|id| (id, shares[id])), uniform)
}

/// The smallest set of tokens whose probabilities reach `top_p`, in the order of ids.
fn nucleus(shares: &[f32], top_p: f64) -> Vec<usize> {
    // Tokens below this floor together hold less than 1 - top_p, so the set is complete without them; half of it allows for rounding.
    let floor = (0.5 * (1.0 - top_p) / shares.len() as f64) as f32;
    let mut ids: Vec<usize> = (0..shares.len()).filter(|&id| shares[id] >= floor).collect();
    ids.sort_by(|&a, &b| shares[b].total_cmp(&shares[a]).then(a.cmp(&b)));
    let mut sum = 0.0;
    let enough = ids.iter().position(|&id| {
        sum += f64::from(shares[id]);
        sum >= top_p
    });
    ids.truncate(enough.map_or(ids.len(), |at| at + 1));
    ids.sort_unstable();
    ids
}

fn walk(shares: impl Iterator<Item = (usize, f32)> + Clone, uniform: f64) -> usize {
    let total: f64 = shares.clone().map(|(_, share)| f64::from(share)).sum();
    let (mut sum, mut last) = (0.0, 0);
    for (id, share) in shares.filter(|(_, share)| *share > 0.0) {
        sum += f64::from(share);
        last = id;
        if sum > uniform * total {
            break;
        }
    }
    last
}

pub(super) fn floats(tensor: &Tensor) -> Vec<f32> {
    let tensor = tensor.to_device(Device::Cpu).contiguous();
    let mut values = vec![0.0; tensor.numel()];
    tensor.copy_data(&mut values, tensor.numel());
    values
}

fn integers(tensor: &Tensor) -> Vec<i64> {
    let tensor = tensor.to_device(Device::Cpu).contiguous();
    let mut values = vec![0; tensor.numel()];
    tensor.copy_data(&mut values, tensor.numel());
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uniform_number_picks_its_interval() {
        let shares = [0.25, 0.0, 0.5, 0.25];
        let picks: Vec<usize> = [0.0, 0.24, 0.25, 0.74, 0.75, 0.9999999].iter().map(|&u| pick(&shares, 1.0, u)).collect();
        assert_eq!(picks, [0, 0, 2, 2, 3, 3]);
    }

    #[test]
    fn the_nucleus_is_the_smallest_set_that_reaches_top_p() {
        let shares = [0.1, 0.4, 0.2, 0.3];
        assert_eq!(nucleus(&shares, 0.4), [1]);
        assert_eq!(nucleus(&shares, 0.6), [1, 3]);
        assert_eq!(nucleus(&shares, 0.95), [0, 1, 2, 3]);
        assert_eq!((pick(&shares, 0.6, 0.5), pick(&shares, 0.6, 0.6)), (1, 3));
    }

    #[test]
    fn a_stream_repeats() {
        let numbers = |seed| {
            let mut s = Stream::new(seed);
            (0..4).map(|_| s.uniform()).collect::<Vec<_>>()
        };
        assert_eq!(numbers(5), numbers(5));
        assert_ne!(numbers(5), numbers(6));
        assert!(numbers(5).iter().all(|u| (0.0..1.0).contains(u)));
    }
}
