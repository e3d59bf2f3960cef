//! Attention of one decode step on one CPU thread, float32: row by row over exactly the tokens that the row has, without masks or padding,
//! the queries of a group reading each key once. What a row gets does not depend on the others.

use tch::{Device, Kind, Tensor};

use crate::config::Config;

/// A layer's part of a step, all contiguous float32.
pub(super) struct Heads<'a> {
    /// `[heads + kv_heads, head_dim, rows]`, rotated.
    pub qk: &'a Tensor,
    /// `[kv_heads, head_dim, rows]`
    pub v: &'a Tensor,
    /// `[slots, kv_heads, capacity, head_dim]`: the step's keys and values are written behind each row's own.
    pub k_cache: &'a Tensor,
    pub v_cache: &'a Tensor,
    /// Tokens of each row in the cache.
    pub lengths: &'a [i64],
}

/// Elements of a vector; sums are kept in as many parts.
const PARTS: usize = 16;

/// Writes the new keys and values and attends, `[heads × head_dim, rows]`; `None`, with nothing written, where this machine or these
/// tensors ask for libtorch.
pub(super) fn run(heads: &Heads<'_>, config: &Config) -> Option<Tensor> {
    let tensors = [heads.qk, heads.v, heads.k_cache, heads.v_cache];
    let fits = |tensor: &&Tensor| tensor.device() == Device::Cpu && tensor.kind() == Kind::Float && tensor.is_contiguous();
    let width = config.head_dim as usize;
    if !tensors.iter().all(fits) || !width.is_multiple_of(PARTS) {
        return None;
    }
    let rows = heads.lengths.len();
    let out = Tensor::empty([config.q_size(), rows as i64], (Kind::Float, Device::Cpu));
    // SAFETY: the tensors are contiguous, live through the call, and `out` and the caches belong to this call alone: a lane owns its cache.
    let mut work = unsafe {
        Work {
            qk: std::slice::from_raw_parts(heads.qk.data_ptr().cast(), heads.qk.numel()),
            v: std::slice::from_raw_parts(heads.v.data_ptr().cast(), heads.v.numel()),
            k_cache: std::slice::from_raw_parts_mut(heads.k_cache.data_ptr().cast(), heads.k_cache.numel()),
            v_cache: std::slice::from_raw_parts_mut(heads.v_cache.data_ptr().cast(), heads.v_cache.numel()),
            out: std::slice::from_raw_parts_mut(out.data_ptr().cast(), out.numel()),
            lengths: heads.lengths,
            heads: config.heads as usize,
            kv_heads: config.kv_heads as usize,
            capacity: heads.k_cache.size()[2] as usize,
            width,
        }
    };
    dispatch(&mut work).then_some(out)
}

struct Work<'a> {
    qk: &'a [f32],
    v: &'a [f32],
    k_cache: &'a mut [f32],
    v_cache: &'a mut [f32],
    out: &'a mut [f32],
    lengths: &'a [i64],
    heads: usize,
    kv_heads: usize,
    capacity: usize,
    width: usize,
}

#[cfg(target_arch = "x86_64")]
fn dispatch(work: &mut Work<'_>) -> bool {
    #[target_feature(enable = "avx512f")]
    fn avx512(work: &mut Work<'_>) {
        work.attend();
    }
    #[target_feature(enable = "avx2,fma")]
    fn avx2(work: &mut Work<'_>) {
        work.attend();
    }
    if is_x86_feature_detected!("avx512f") {
        // SAFETY: the processor has the instructions.
        unsafe { avx512(work) };
    } else if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
        // SAFETY: the processor has the instructions.
        unsafe { avx2(work) };
    } else {
        return false;
    }
    true
}

#[cfg(not(target_arch = "x86_64"))]
fn dispatch(_work: &mut Work<'_>) -> bool {
    false
}

/// What one key/value head of one row needs beside the cache.
struct Scratch {
    /// `[group, width]`
    queries: Vec<f32>,
    /// `[group, capacity]`
    shares: Vec<f32>,
    /// `[group, width]`
    sums: Vec<f32>,
}

impl Work<'_> {
    #[inline(always)]
    fn attend(&mut self) {
        let group = self.heads / self.kv_heads;
        let mut scratch = Scratch {
            queries: vec![0.0; group * self.width],
            shares: vec![0.0; group * self.capacity],
            sums: vec![0.0; group * self.width],
        };
        for row in 0..self.lengths.len() {
            for kv_head in 0..self.kv_heads {
                self.attend_head(row, kv_head, &mut scratch);
            }
        }
    }

    /// The queries of one group over the keys and values of one row.
    #[inline(always)]
    fn attend_head(&mut self, row: usize, kv_head: usize, scratch: &mut Scratch) {
        let (width, rows, capacity) = (self.width, self.lengths.len(), self.capacity);
        let (before, group) = (self.lengths[row] as usize, self.heads / self.kv_heads);
        let line = (row * self.kv_heads + kv_head) * capacity * width;
        let keys = &mut self.k_cache[line..line + (before + 1) * width];
        let values = &mut self.v_cache[line..line + (before + 1) * width];
        gather(&mut keys[before * width..], &self.qk[(self.heads + kv_head) * width * rows..], (row, rows));
        gather(&mut values[before * width..], &self.v[kv_head * width * rows..], (row, rows));
        let first = kv_head * group * width;
        gather(&mut scratch.queries, &self.qk[first * rows..], (row, rows));
        let scale = (width as f32).powf(-0.5);
        scratch.queries.iter_mut().for_each(|q| *q *= scale);
        for (token, key) in keys.chunks_exact(width).enumerate() {
            for (query, shares) in scratch.queries.chunks_exact(width).zip(scratch.shares.chunks_exact_mut(capacity)) {
                shares[token] = dot(query, key);
            }
        }
        scratch.shares.chunks_exact_mut(capacity).for_each(|shares| softmax(&mut shares[..=before]));
        scratch.sums.fill(0.0);
        for (token, value) in values.chunks_exact(width).enumerate() {
            for (sums, shares) in scratch.sums.chunks_exact_mut(width).zip(scratch.shares.chunks_exact(capacity)) {
                add_scaled(sums, shares[token], value);
            }
        }
        for (sum, out) in scratch.sums.iter().zip(self.out[first * rows..].chunks_exact_mut(rows)) {
            out[row] = *sum;
        }
    }
}

/// Column `row` of `from [.., rows]`.
#[inline(always)]
fn gather(to: &mut [f32], from: &[f32], (row, rows): (usize, usize)) {
    for (to, from) in to.iter_mut().zip(from.chunks_exact(rows)) {
        *to = from[row];
    }
}

#[inline(always)]
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0_f32; PARTS];
    for (a, b) in a.as_chunks::<PARTS>().0.iter().zip(b.as_chunks::<PARTS>().0) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum = a.mul_add(*b, *sum);
        }
    }
    let mut half = PARTS;
    while half > 1 {
        half /= 2;
        for part in 0..half {
            sums[part] += sums[part + half];
        }
    }
    sums[0]
}

#[inline(always)]
fn add_scaled(sums: &mut [f32], share: f32, value: &[f32]) {
    for (sums, value) in sums.as_chunks_mut::<PARTS>().0.iter_mut().zip(value.as_chunks::<PARTS>().0) {
        for (sum, value) in sums.iter_mut().zip(value) {
            *sum = share.mul_add(*value, *sum);
        }
    }
}

#[inline(always)]
fn softmax(scores: &mut [f32]) {
    let most = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for score in &mut *scores {
        *score = (*score - most).exp();
        sum += *score;
    }
    // A row that is not a number stays one, so that the caller sees it.
    let scale = 1.0 / sum;
    scores.iter_mut().for_each(|score| *score *= scale);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_attend_to_exactly_their_tokens() {
        let (heads, kv_heads, width, capacity) = (4_i64, 2_i64, 16_i64, 6_i64);
        let json = serde_json::json!({
            "model_type": "llama", "vocab_size": 8, "hidden_size": heads * width, "intermediate_size": 8, "num_hidden_layers": 1,
            "num_attention_heads": heads, "num_key_value_heads": kv_heads, "max_position_embeddings": 32,
        });
        let config = Config::from_json(&json).unwrap();
        tch::manual_seed(1);
        let random = |shape: &[i64]| Tensor::randn(shape, (Kind::Float, Device::Cpu));
        let lengths = [0, 5, 2];
        let (qk, v) = (random(&[heads + kv_heads, width, 3]), random(&[kv_heads, width, 3]));
        // What lies behind a row's end must not matter.
        let (k_cache, v_cache) = (random(&[3, kv_heads, capacity, width]), random(&[3, kv_heads, capacity, width]));
        let Some(out) = run(&Heads { qk: &qk, v: &v, k_cache: &k_cache, v_cache: &v_cache, lengths: &lengths }, &config) else { return };
        for (row, length) in lengths.iter().enumerate() {
            let row = row as i64;
            let cached = |cache: &Tensor| cache.get(row).narrow(1, 0, length + 1).repeat_interleave_self_int(heads / kv_heads, 0, None);
            let q = qk.narrow(0, 0, heads).select(2, row).unsqueeze(1);
            let shares = (q.bmm(&cached(&k_cache).transpose(1, 2)) * (width as f64).powf(-0.5)).softmax(-1, Kind::Float);
            let expected = shares.bmm(&cached(&v_cache)).view([heads * width]);
            assert!((out.select(1, row) - expected).abs().max().double_value(&[]) < 1e-5, "row {row}");
            let written = k_cache.get(row).select(1, *length);
            assert!(written.equal(&qk.narrow(0, heads, kv_heads).select(2, row)), "the key of row {row} is kept");
        }
    }
}
