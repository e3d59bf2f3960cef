//! One step of decoding: a token per row in, logits out. Activations are kept transposed, `[features, rows]`, because products with the
//! weight on the left are the faster ones on a CPU with many rows.

use tch::{Kind, Tensor};

use super::cache::Cache;
use crate::{
    config::Config,
    forward::weights::Weights,
    model::{Fused, Model},
};

/// The rows of a step: the token each appends, and how many tokens of it are cached.
pub(super) struct Step<'a> {
    pub ids: &'a [i64],
    pub lengths: &'a [i64],
}

/// What all layers of a step share.
struct Shared {
    /// `[rows]`
    rows: Tensor,
    /// `[rows]`: where the new key goes.
    positions: Tensor,
    /// `[head_dim / 2, rows]`
    cos: Tensor,
    sin: Tensor,
    /// `[rows, 1, longest]`: minus infinity behind a row's end; `None` where all rows are equally long.
    mask: Option<Tensor>,
    longest: i64,
}

/// Appends the tokens of `step` to the rows in `cache` and gives the logits behind them, `[rows, vocab]`, float32.
pub(super) fn run(weights: Weights<'_>, cache: &mut Cache, step: &Step<'_>) -> Tensor {
    let model = weights.model;
    let shared = Shared::new(model, step);
    let ids = Tensor::from_slice(step.ids).to_device(model.placement.device);
    let mut x = model
        .embedding
        .index_select(0, &ids)
        .transpose(0, 1)
        .contiguous();
    for (index, layer) in model.layers.iter().enumerate() {
        let normed = norm(&model.config, &x, &layer.attention_norm);
        let qkv = weights.project_columns(index, Fused::Qkv, &normed);
        let attended = attend(model, index, cache, &shared, &qkv);
        x += weights.project_columns(index, Fused::Out, &attended);
        let normed = norm(&model.config, &x, &layer.mlp_norm);
        let gate_up = weights
            .project_columns(index, Fused::GateUp, &normed)
            .chunk(2, 0);
        x += weights.project_columns(index, Fused::Down, &(gate_up[0].silu() * &gate_up[1]));
    }
    let normed = norm(&model.config, &x, &model.final_norm);
    model
        .head
        .mm(&normed)
        .transpose(0, 1)
        .to_kind(Kind::Float)
        .contiguous()
}

impl Shared {
    fn new(model: &Model, step: &Step<'_>) -> Self {
        let placement = model.placement;
        let positions = Tensor::from_slice(step.lengths).to_device(placement.device);
        let rotation = |table: &Tensor| {
            table
                .index_select(0, &positions)
                .transpose(0, 1)
                .to_kind(placement.kind)
                .contiguous()
        };
        let longest = step.lengths.iter().max().map_or(1, |length| length + 1);
        let ragged = step.lengths.iter().any(|length| length + 1 != longest);
        let mask = ragged.then(|| {
            let behind = Tensor::arange(longest, (Kind::Int64, placement.device))
                .unsqueeze(0)
                .gt_tensor(&positions.unsqueeze(1));
            let zeros = Tensor::zeros(
                [step.ids.len() as i64, longest],
                (placement.kind, placement.device),
            );
            zeros.masked_fill(&behind, f64::NEG_INFINITY).unsqueeze(1)
        });
        let rows = Tensor::arange(step.ids.len() as i64, (Kind::Int64, placement.device));
        Self {
            rows,
            cos: rotation(&model.cos),
            sin: rotation(&model.sin),
            positions,
            mask,
            longest,
        }
    }
}

/// RMS norm over the features of `x [features, rows]`.
fn norm(config: &Config, x: &Tensor, weight: &Tensor) -> Tensor {
    let wide = x.to_kind(Kind::Float);
    let scale = (wide.square().mean_dim([0_i64].as_slice(), true, None) + config.norm_eps).rsqrt();
    (wide * scale).to_kind(x.kind()) * weight.unsqueeze(1)
}

/// Writes the new keys and values of a layer and attends: `qkv [q + k + v, rows]` to `[heads × head_dim, rows]`.
fn attend(model: &Model, index: usize, cache: &mut Cache, shared: &Shared, qkv: &Tensor) -> Tensor {
    let config = &model.config;
    let (rows, width) = (qkv.size()[1], config.head_dim);
    let turned = config.heads + config.kv_heads;
    let qk = rotate(
        &head_norms(
            model,
            index,
            &qkv.narrow(0, 0, turned * width).view([turned, width, rows]),
        ),
        shared,
    );
    let v = qkv
        .narrow(0, turned * width, config.kv_size())
        .view([config.kv_heads, width, rows]);
    let (k_cache, v_cache) = &mut cache.layers[index];
    let at = [Some(&shared.rows), None, Some(&shared.positions)];
    let _ = k_cache.index_put_(
        &at,
        &qk.narrow(0, config.heads, config.kv_heads)
            .permute([2, 0, 1]),
        false,
    );
    let _ = v_cache.index_put_(&at, &v.permute([2, 0, 1]), false);
    let group = config.heads / config.kv_heads;
    let q = (qk.narrow(0, 0, config.heads).permute([2, 0, 1]) * (width as f64).powf(-0.5))
        .reshape([rows * config.kv_heads, group, width]);
    let visible = |tensor: &Tensor| {
        tensor
            .narrow(0, 0, rows)
            .narrow(2, 0, shared.longest)
            .reshape([rows * config.kv_heads, shared.longest, width])
    };
    let scores =
        q.bmm(&visible(k_cache).transpose(1, 2))
            .view([rows, config.heads, shared.longest]);
    let scores = if let Some(mask) = &shared.mask {
        scores + mask
    } else {
        scores
    };
    let share = scores
        .softmax(-1, None)
        .view([rows * config.kv_heads, group, shared.longest]);
    share
        .bmm(&visible(v_cache))
        .view([rows, config.heads * width])
        .transpose(0, 1)
        .contiguous()
}

/// The per-head norms of qwen3; `qk [heads + kv_heads, head_dim, rows]`.
fn head_norms(model: &Model, index: usize, qk: &Tensor) -> Tensor {
    let layer = &model.layers[index];
    let (Some(q_norm), Some(k_norm)) = (&layer.q_norm, &layer.k_norm) else {
        return qk.shallow_clone();
    };
    let config = &model.config;
    let normed = |start: i64, count: i64, weight: &Tensor| {
        let x = qk.narrow(0, start, count).to_kind(Kind::Float);
        let scale = (x.square().mean_dim([1_i64].as_slice(), true, None) + config.norm_eps).rsqrt();
        (x * scale).to_kind(qk.kind()) * weight.view([1, -1, 1])
    };
    Tensor::cat(
        &[
            normed(0, config.heads, q_norm),
            normed(config.heads, config.kv_heads, k_norm),
        ],
        0,
    )
}

/// Rotates the two halves of every head of `x [heads, head_dim, rows]`.
fn rotate(x: &Tensor, shared: &Shared) -> Tensor {
    let halves = x.chunk(2, 1);
    let (a, b) = (&halves[0], &halves[1]);
    Tensor::cat(
        &[
            a * &shared.cos - b * &shared.sin,
            b * &shared.cos + a * &shared.sin,
        ],
        1,
    )
}
