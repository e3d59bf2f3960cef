//! Attention within sequences that lie behind each other.

use tch::{Kind, Tensor};

use super::Heads;
use crate::model::Model;

/// Attention of `q [batch, heads, tokens, d]` over `k` and `v` `[batch, kv_heads, length, d]`;
/// without a mask it is causal, and `tokens` is `length`. Gives `[batch × tokens, heads × d]`.
pub(crate) fn attention(q: &Tensor, k: &Tensor, v: &Tensor, mask: Option<&Tensor>) -> Tensor {
    let (_, heads, _, width) = q.size4().expect("queries have four dimensions");
    let out = match mask {
        None => Tensor::scaled_dot_product_attention(q, k, v, mask, 0.0, true, None, true),
        Some(_) => {
            // With a mask no fused kernel of CUDA takes fewer heads of keys than of queries.
            let group = heads / k.size()[1];
            let (k, v) = (widened(k, group), widened(v, group));
            Tensor::scaled_dot_product_attention(q, &k, &v, mask, 0.0, false, None, false)
        }
    };
    out.transpose(1, 2).reshape([-1, heads * width])
}

fn widened(x: &Tensor, group: i64) -> Tensor {
    if group == 1 {
        return x.shallow_clone();
    }
    x.repeat_interleave_self_int(group, 1, None)
}

/// How the sequences of a pass lie behind each other.
pub(crate) enum Packed {
    /// One call a sequence: no padding, so it is the faster one on a CPU.
    Each(Vec<i64>),
    /// One call for all of them, each padded at its end to the longest. Causality hides the
    /// padding from the tokens before it.
    Padded(Padded),
}

pub(crate) struct Padded {
    /// The token at each place of the padded sequences.
    token_at: Tensor,
    /// The place of each token.
    place_of: Tensor,
    sequences: i64,
    longest: i64,
}

impl Packed {
    /// Sequences of `lengths` tokens, the way that suits the model's device.
    pub(crate) fn new(model: &Model, lengths: Vec<i64>) -> Self {
        if model.tactics.pads_sequences {
            Self::Padded(Padded::new(model, &lengths))
        } else {
            Self::Each(lengths)
        }
    }

    /// Attention within each sequence, `[tokens, heads × head_dim]`.
    pub(crate) fn attend(&self, heads: &Heads) -> Tensor {
        match self {
            Self::Each(lengths) => attend_each(heads, lengths),
            Self::Padded(padded) => padded.attend(heads),
        }
    }
}

fn attend_each(heads: &Heads, lengths: &[i64]) -> Tensor {
    let mut parts = Vec::with_capacity(lengths.len());
    let mut start = 0;
    for &length in lengths {
        let own = heads.with(heads.all().narrow(0, start, length).unsqueeze(0));
        parts.push(attend_batch(&own));
        start += length;
    }
    Tensor::cat(&parts, 0)
}

/// Causal attention for heads of `[batch, tokens, heads, head_dim]`.
fn attend_batch(heads: &Heads) -> Tensor {
    let (q, k, v) = (heads.q(), heads.k(), heads.v());
    attention(
        &q.transpose(1, 2),
        &k.transpose(1, 2),
        &v.transpose(1, 2),
        None,
    )
}

impl Padded {
    fn new(model: &Model, lengths: &[i64]) -> Self {
        let longest = lengths.iter().copied().max().unwrap_or(0);
        let tokens: i64 = lengths.iter().sum();
        let (mut token_at, mut place_of) = (Vec::new(), Vec::new());
        let mut start = 0;
        for (sequence, &length) in (0..).zip(lengths) {
            // Padding repeats the tokens that follow rather than one of them many times: in the
            // backward pass the gradients of a token's copies are added one after the other.
            token_at.extend((start..start + longest).map(|token| token % tokens));
            let first = sequence * longest;
            place_of.extend(first..first + length);
            start += length;
        }
        let device = model.placement.device;
        Self {
            token_at: Tensor::from_slice(&token_at).to_device(device),
            place_of: Tensor::from_slice(&place_of).to_device(device),
            sequences: lengths.len() as i64,
            longest,
        }
    }

    fn attend(&self, heads: &Heads) -> Tensor {
        let (_, all_heads, width) = heads.all().size3().expect("heads have three dimensions");
        let padded = heads.all().index_select(0, &self.token_at);
        let shape = [self.sequences, self.longest, all_heads, width];
        attend_batch(&heads.with(padded.view(shape))).index_select(0, &self.place_of)
    }
}

/// What the tokens of a batch may see: the query at `[row, token]` those keys of its row whose
/// number is at most `last_key [rows, tokens]`. Gives `[rows, 1, tokens, keys]`.
pub(crate) fn visible(last_key: &Tensor, keys: i64) -> Tensor {
    Tensor::arange(keys, (Kind::Int64, last_key.device()))
        .le_tensor(&last_key.unsqueeze(-1))
        .unsqueeze(1)
}
