//! Drawing a token per row from logits: greedy, or one uniform number per row and step from the
//! row's own stream.

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};
use tch::{Kind, Tensor};

use super::Sampling;
use crate::tensors::doubles;

/// A row's own random numbers.
pub(super) struct Stream(ChaCha8Rng);

impl Stream {
    pub(super) fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// In [0, 1), with 53 bits.
    pub(super) fn uniform(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// A drawn token; `logprob` is the model's at temperature 1 and not finite if the logits were not.
#[derive(Debug, Clone, Copy)]
pub(super) struct Drawn {
    pub id: i64,
    pub logprob: f64,
}

/// Of a nucleus below 1, as many of the likeliest tokens are looked at first. Sorting a whole
/// vocabulary takes longer than the rest of a step.
const NUCLEUS_TOKENS: i64 = 1024;

/// Log-probabilities in bfloat16 that were computed twice are no farther apart than this.
const SAME_LOGPROBS: f64 = 0.5;

/// A token per row, chosen on the device from logits; nothing of it has been waited for.
pub(super) struct Choice {
    logprobs: Tensor,
    sampling: Sampling,
    uniforms: Tensor,
    /// Per row the id, its log-probability and, of a nucleus, whether enough tokens were looked at;
    /// float64, so that one download brings them all.
    columns: Tensor,
}

impl Choice {
    /// For rows of `logits [rows, vocab]` (float32) at `uniforms [rows]` (float64).
    pub(super) fn new(logits: Tensor, sampling: Sampling, uniforms: Tensor) -> Self {
        let logprobs = logits.log_softmax(-1, Kind::Float);
        let columns = columns(&logprobs, sampling, &uniforms, NUCLEUS_TOKENS);
        Self {
            logprobs,
            sampling,
            uniforms,
            columns,
        }
    }

    /// Whether both were chosen from the same distributions, up to rounding.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        let apart = (&self.logprobs - &other.logprobs).abs().max();
        // NaN is below nothing, so what was forgotten is like nothing.
        apart.double_value(&[]) < SAME_LOGPROBS
    }

    /// Makes it like no other, until it is computed again.
    pub(super) fn forget(&mut self) {
        let _ = self.logprobs.fill_(f64::NAN);
        let _ = self.columns.fill_(f64::NAN);
    }

    /// What was drawn for the first `rows`; those behind them only fill up the batch.
    pub(super) fn read(&self, rows: usize) -> Vec<Drawn> {
        read(&self.columns, rows).unwrap_or_else(|| {
            // So flat a distribution is rare: then every token is looked at.
            let vocab = self.logprobs.size()[1];
            let logprobs = self.logprobs.narrow(0, 0, rows as i64);
            let uniforms = self.uniforms.narrow(0, 0, rows as i64);
            let all = columns(&logprobs, self.sampling, &uniforms, vocab);
            read(&all, rows).expect("all tokens are enough")
        })
    }
}

/// The columns of a [`Choice`]; of a nucleus, the likeliest `tokens` are looked at.
fn columns(logprobs: &Tensor, sampling: Sampling, uniforms: &Tensor, tokens: i64) -> Tensor {
    let mut enough = None;
    let picked = if sampling.temperature == 0.0 {
        logprobs.argmax(-1, false)
    } else {
        // Log-probabilities serve as well as logits: taking the same off all of them changes no
        // softmax.
        let mut shares = (logprobs / sampling.temperature).softmax(-1, Kind::Float);
        if sampling.top_p < 1.0 {
            let (kept, reaches) = nucleus_rows(&shares, sampling.top_p, tokens);
            (shares, enough) = (kept, Some(reaches));
        }
        pick_rows(&shares, uniforms)
    };
    let ids = picked.unsqueeze(1);
    let chosen = logprobs.gather(1, &ids, false);
    let mut columns = vec![ids.to_kind(Kind::Double), chosen.to_kind(Kind::Double)];
    columns.extend(enough.map(|enough| enough.to_kind(Kind::Double)));
    Tensor::cat(&columns, 1)
}

/// The first `rows`; none where the nucleus of one has more tokens than were looked at.
fn read(columns: &Tensor, rows: usize) -> Option<Vec<Drawn>> {
    let width = columns.size()[1] as usize;
    let mut drawn = Vec::with_capacity(rows);
    for row in doubles(columns).chunks_exact(width).take(rows) {
        if row.get(2).is_some_and(|&enough| enough == 0.0) {
            return None;
        }
        drawn.push(Drawn {
            id: row[0] as i64,
            logprob: row[1],
        });
    }
    Some(drawn)
}

/// What [`pick`] does, for rows of `shares [rows, vocab]` and their `uniforms [rows]`: first the
/// block of the vocabulary, then the token within it, so that most of the shares are read once.
fn pick_rows(shares: &Tensor, uniforms: &Tensor) -> Tensor {
    let (vocab, block_tokens) = (shares.size()[1], BLOCK as i64);
    let sums = row_block_sums(shares);
    let blocks = sums.size()[1];
    // In float64: float32 would round these sums by more than the share of an unlikely token.
    let ends = sums.cumsum(1, Kind::Double);
    let wanted = uniforms.unsqueeze(1) * ALMOST_ALL * ends.narrow(1, blocks - 1, 1);
    let block = count_until(&ends, &wanted).clamp_max(blocks - 1);
    let before = (&ends - &sums).gather(1, &block, false);
    let first = block * block_tokens;
    let places = &first + Tensor::arange(block_tokens, (Kind::Int64, shares.device()));
    // The last block may reach beyond the vocabulary.
    let inside = places.lt(vocab).to_kind(Kind::Double);
    let own = shares.gather(1, &places.clamp_max(vocab - 1), false) * inside;
    let own_ends = own.cumsum(1, Kind::Double);
    // Sums within a block and over blocks are rounded apart: the token has to be within this one.
    let most = own_ends.narrow(1, block_tokens - 1, 1) * ALMOST_ALL;
    let rest = (wanted - before).clamp_min(0.0).minimum(&most);
    let at = count_until(&own_ends, &rest).clamp_max(block_tokens - 1);
    (first + at).clamp_max(vocab - 1).squeeze_dim(1)
}

/// A little less than the whole, whatever is rounded: the last token need not have a share.
const ALMOST_ALL: f64 = 1.0 - f64::EPSILON;

/// How many of the rising `ends [rows, n]` are at most `wanted [rows, 1]`, `[rows, 1]`.
fn count_until(ends: &Tensor, wanted: &Tensor) -> Tensor {
    let passed = ends.le_tensor(wanted);
    passed.sum_dim_intlist([-1_i64].as_slice(), true, Kind::Int64)
}

/// The sums of blocks of every row's shares, `[rows, blocks]`, float64.
fn row_block_sums(shares: &Tensor) -> Tensor {
    let (rows, vocab) = shares.size2().expect("shares are a matrix");
    let whole = vocab / BLOCK as i64;
    let within = whole * BLOCK as i64;
    let last = [-1_i64].as_slice();
    let mut sums = Vec::new();
    if whole > 0 {
        let blocks = shares
            .narrow(1, 0, within)
            .view([rows, whole, BLOCK as i64]);
        sums.push(blocks.sum_dim_intlist(last, false, Kind::Double));
    }
    if within < vocab {
        let rest = shares.narrow(1, within, vocab - within);
        sums.push(rest.sum_dim_intlist(last, true, Kind::Double));
    }
    Tensor::cat(&sums, 1)
}

/// The shares of the smallest sets of tokens that reach `top_p` of all, zeros for the other tokens;
/// and whether the likeliest `tokens`, which alone are looked at, reach it, `[rows, 1]`.
fn nucleus_rows(shares: &Tensor, top_p: f64, tokens: i64) -> (Tensor, Tensor) {
    let (sorted, order) = if tokens < shares.size()[1] {
        shares.topk(tokens, -1, true, true)
    } else {
        shares.sort_stable(true, -1, true)
    };
    let sums = sorted.cumsum(-1, Kind::Double);
    let total = shares.sum_dim_intlist([-1_i64].as_slice(), true, Kind::Double);
    let wanted = total * top_p;
    // Kept while those before it fall short: the token that reaches the share is the last one.
    let kept = &sorted * (&sums - &sorted).lt_tensor(&wanted).to_kind(Kind::Float);
    let reaches = if tokens < shares.size()[1] {
        sums.narrow(1, tokens - 1, 1).ge_tensor(&wanted)
    } else {
        wanted.ones_like()
    };
    (shares.zeros_like().scatter(-1, &order, &kept), reaches)
}

/// Draws one token from a row of logits on the CPU. `scratch` is room to work in.
#[cfg(target_arch = "x86_64")]
pub(super) fn draw_row(
    simd: super::native::Simd,
    logits: &[f32],
    sampling: Sampling,
    stream: &mut Stream,
    scratch: &mut Vec<f32>,
) -> Drawn {
    use super::native::ops;
    let most = ops::most(simd, logits);
    let id = if sampling.temperature == 0.0 {
        logits.iter().position(|&v| v == most).unwrap_or(0)
    } else {
        scratch.resize(logits.len(), 0.0);
        ops::shares(simd, logits, most, sampling.temperature as f32, scratch);
        pick(scratch, sampling.top_p, stream.uniform())
    };
    Drawn {
        id: id as i64,
        logprob: f64::from(logits[id] - most) - ops::sum_of_exp(simd, logits, most).ln(),
    }
}

/// The token whose interval of the cumulative `shares` (probabilities up to a factor), in the order
/// of ids, contains `uniform`.
fn pick(shares: &[f32], top_p: f64, uniform: f64) -> usize {
    if top_p >= 1.0 {
        return walk(shares, uniform);
    }
    let ids = nucleus(shares, top_p);
    let kept: Vec<f32> = ids.iter().map(|&id| shares[id]).collect();
    ids[walk(&kept, uniform)]
}

/// The smallest set of tokens whose shares reach `top_p` of all, in the order of ids; of equal ones
/// the first.
fn nucleus(shares: &[f32], top_p: f64) -> Vec<usize> {
    let total: f64 = block_sums(shares).sum();
    // Few tokens hold nearly everything: those below a floor need not be sorted if the others
    // suffice.
    let above = |floor: f64| {
        (0..shares.len())
            .filter(|&id| f64::from(shares[id]) >= floor * total)
            .collect::<Vec<usize>>()
    };
    let suffice =
        |ids: &[usize]| ids.iter().map(|&id| f64::from(shares[id])).sum::<f64>() >= top_p * total;
    let mut ids = [1e-3, 1e-5]
        .into_iter()
        .map(above)
        .find(|ids| suffice(ids))
        .unwrap_or_else(|| above(0.0));
    ids.sort_unstable_by(|&a, &b| shares[b].total_cmp(&shares[a]).then(a.cmp(&b)));
    let mut sum = 0.0;
    let enough = ids.iter().position(|&id| {
        sum += f64::from(shares[id]);
        sum >= top_p * total
    });
    ids.truncate(enough.map_or(ids.len(), |at| at + 1));
    ids.sort_unstable();
    ids
}

const BLOCK: usize = 256;

/// The sums of blocks of shares, each in sixteen lanes.
fn block_sums(shares: &[f32]) -> impl Iterator<Item = f64> {
    shares.chunks(BLOCK).map(|block| {
        let mut lanes = [0.0_f32; 16];
        let chunks = block.chunks_exact(16);
        let rest: f64 = chunks
            .remainder()
            .iter()
            .map(|&share| f64::from(share))
            .sum();
        chunks.for_each(|chunk| {
            lanes
                .iter_mut()
                .zip(chunk)
                .for_each(|(sum, share)| *sum += share)
        });
        lanes.iter().map(|&sum| f64::from(sum)).sum::<f64>() + rest
    })
}

fn walk(shares: &[f32], uniform: f64) -> usize {
    let wanted = uniform * block_sums(shares).sum::<f64>();
    let (mut before, mut last) = (0.0, 0);
    for (index, block_sum) in block_sums(shares).enumerate() {
        if before + block_sum > wanted {
            let mut sum = before;
            for (id, &share) in shares
                .iter()
                .enumerate()
                .skip(index * BLOCK)
                .take(BLOCK)
                .filter(|(_, share)| **share > 0.0)
            {
                sum += f64::from(share);
                last = id;
                if sum > wanted {
                    return id;
                }
            }
        }
        // Also after a search within it: added one by one its shares may fall short of its sum.
        before += block_sum;
    }
    // Rounding may leave the very end of the interval to nobody: the last token that has a share
    // takes it.
    shares
        .iter()
        .rposition(|&share| share > 0.0)
        .unwrap_or(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensors::integers;

    #[test]
    fn a_uniform_number_picks_its_interval() {
        let shares = [0.25, 0.0, 0.5, 0.25];
        let picks: Vec<usize> = [0.0, 0.24, 0.25, 0.74, 0.75, 0.9999999]
            .iter()
            .map(|&u| pick(&shares, 1.0, u))
            .collect();
        assert_eq!(picks, [0, 0, 2, 2, 3, 3]);
        let many: Vec<f32> = (0..1000).map(|n| (n % 7) as f32).collect();
        let total: f32 = many.iter().sum();
        for step in 0..997 {
            let uniform = f64::from(step) / 997.0;
            let mut left = uniform * f64::from(total);
            let plain = many.iter().position(|&share| {
                left -= f64::from(share);
                left < 0.0
            });
            assert_eq!(Some(pick(&many, 1.0, uniform)), plain, "{uniform}");
        }
    }

    #[test]
    fn the_nucleus_is_the_smallest_set_that_reaches_top_p() {
        let shares = [0.1, 0.4, 0.2, 0.3];
        assert_eq!(nucleus(&shares, 0.39), [1]);
        assert_eq!(nucleus(&shares, 0.6), [1, 3]);
        let tiny: Vec<f32> = (0..100_000)
            .map(|n| if n == 77 { 0.5 } else { 5e-6 })
            .collect();
        assert_eq!(
            (nucleus(&tiny, 0.4), nucleus(&tiny, 0.75).len()),
            (vec![77], 50_001)
        );
        assert_eq!(nucleus(&shares, 0.95), [0, 1, 2, 3]);
        assert_eq!((pick(&shares, 0.6, 0.5), pick(&shares, 0.6, 0.6)), (1, 3));
    }

    fn picked_rows(shares: &Tensor, top_p: f64, uniforms: &[f64]) -> Tensor {
        let kept = if top_p < 1.0 {
            nucleus_rows(shares, top_p, NUCLEUS_TOKENS).0
        } else {
            shares.shallow_clone()
        };
        pick_rows(&kept, &Tensor::from_slice(uniforms))
    }

    #[test]
    fn a_nucleus_is_found_among_the_likeliest_or_among_all() {
        // Half of the distribution is flat, over more tokens than are looked at first.
        let mut values = vec![1e-4_f32; 5000];
        values[0] = 0.5;
        let shares = Tensor::from_slice(&values).view([1, 5000]);
        for (top_p, few_suffice) in [(0.4, true), (0.55, true), (0.9, false)] {
            let (_, reaches) = nucleus_rows(&shares, top_p, NUCLEUS_TOKENS);
            assert_eq!(reaches.int64_value(&[0, 0]) == 1, few_suffice, "{top_p}");
            let logits = shares.log();
            for uniform in [0.0, 0.3, 0.7, 0.99] {
                let sampling = Sampling {
                    temperature: 1.0,
                    top_p,
                    max_new_tokens: 1,
                };
                let uniforms = Tensor::from_slice(&[uniform]);
                let drawn = Choice::new(logits.shallow_clone(), sampling, uniforms).read(1);
                let here = pick(&values, top_p, uniform) as i64;
                // Of equally likely tokens at the edge of the nucleus, any may be in it.
                let likely = values[drawn[0].id as usize];
                assert_eq!(likely, values[here as usize], "{top_p} {uniform}");
            }
        }
    }

    #[test]
    fn rows_on_a_device_are_drawn_like_one_here() {
        let mut stream = Stream::new(9);
        for top_p in [1.0, 0.9, 0.3] {
            let uniforms: Vec<f64> = (0..200).map(|_| stream.uniform()).collect();
            let rows: Vec<Vec<f32>> = uniforms
                .iter()
                .map(|_| {
                    (0..300)
                        .map(|_| (stream.uniform() * 12.0).exp() as f32 / 1e7)
                        .collect()
                })
                .collect();
            let shares = Tensor::from_slice(&rows.concat()).view([200, 300]);
            let drawn = integers(&picked_rows(&shares, top_p, &uniforms));
            let here: Vec<i64> = rows
                .iter()
                .zip(&uniforms)
                .map(|(row, &uniform)| pick(row, top_p, uniform) as i64)
                .collect();
            assert_eq!(drawn, here, "{top_p}");
        }
        // The end of the interval belongs to the last token with a share; nothing is drawn that has
        // none.
        let shares = Tensor::from_slice(&[0.0_f32, 0.5, 0.0, 0.5, 0.0]).view([1, 5]);
        let of = |uniform: f64| integers(&picked_rows(&shares, 1.0, &[uniform]))[0];
        assert_eq!(
            (of(0.0), of(0.499), of(0.501), of(1.0 - f64::EPSILON / 2.0)),
            (1, 1, 3, 3)
        );
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
