//! The forward pass over packed tokens `[tokens, hidden]`, shared by prefill and training: several sequences lie behind each other without
//! padding, and only attention knows where one ends. Follows transformers' `modeling_llama`, `modeling_qwen2` and `modeling_qwen3`; it
//! departs from them by fusing q/k/v and gate/up.

pub(crate) mod weights;

use tch::Tensor;

use crate::model::{Fused, Model};

/// Queries `[tokens, heads, head_dim]`, keys and values `[tokens, kv_heads, head_dim]` of one layer, rotated.
pub(crate) struct Heads {
    pub q: Tensor,
    pub k: Tensor,
    pub v: Tensor,
}

/// How a layer multiplies: `(layer, product, input) -> output`, with whatever adapter is in use.
pub(crate) type Project<'a> = &'a dyn Fn(usize, Fused, &Tensor) -> Tensor;
/// What attention does with the heads of a layer; gives `[tokens, heads × head_dim]`.
pub(crate) type Attend<'a> = &'a mut dyn FnMut(usize, &Heads) -> Tensor;

/// Cosine and sine of the tokens of a pass, `[tokens, 1, head_dim / 2]`.
pub(crate) struct Rotation {
    cos: Tensor,
    sin: Tensor,
}

impl Rotation {
    pub(crate) fn new(model: &Model, positions: &Tensor) -> Self {
        let of = |table: &Tensor| {
            table
                .index_select(0, positions)
                .to_kind(model.placement.kind)
                .unsqueeze(1)
        };
        Self {
            cos: of(&model.cos),
            sin: of(&model.sin),
        }
    }
}

/// The hidden states behind the last layer, before the final norm, for tokens `ids` at `positions` (both `[tokens]`).
pub(crate) fn hidden_states(
    model: &Model,
    ids: &Tensor,
    positions: &Tensor,
    project: Project<'_>,
    attend: Attend<'_>,
) -> Tensor {
    let rotation = Rotation::new(model, positions);
    let embedded = model.embedding.index_select(0, ids);
    (0..model.layers.len()).fold(embedded, |x, index| {
        layer(model, index, &x, &rotation, project, attend)
    })
}

/// The hidden states behind layer `index` for those before it, `[tokens, hidden]`.
pub(crate) fn layer(
    model: &Model,
    index: usize,
    x: &Tensor,
    rotation: &Rotation,
    project: Project<'_>,
    attend: Attend<'_>,
) -> Tensor {
    let layer = &model.layers[index];
    let normed = norm(model, x, &layer.attention_norm);
    let heads = split_heads(model, index, &project(index, Fused::Qkv, &normed), rotation);
    // Not in place: the norm above keeps `x` for its gradient.
    let x = x + project(index, Fused::Out, &attend(index, &heads));
    let normed = norm(model, &x, &layer.mlp_norm);
    let gate_up = project(index, Fused::GateUp, &normed).chunk(2, -1);
    &x + project(index, Fused::Down, &(gate_up[0].silu() * &gate_up[1]))
}

/// Logits `[rows, vocab]` for hidden states `[rows, hidden]` from [`hidden_states`].
pub(crate) fn logits(model: &Model, hidden: &Tensor) -> Tensor {
    norm(model, hidden, &model.final_norm).linear(&model.head, None::<&Tensor>)
}

/// RMS norm over the last dimension.
fn norm(model: &Model, x: &Tensor, weight: &Tensor) -> Tensor {
    x.rms_norm(weight.size(), Some(weight), model.config.norm_eps)
}

fn split_heads(model: &Model, index: usize, qkv: &Tensor, rotation: &Rotation) -> Heads {
    let (config, layer) = (&model.config, &model.layers[index]);
    let heads = |start: i64, count: i64| {
        qkv.narrow(-1, start, count * config.head_dim)
            .view([-1, count, config.head_dim])
    };
    let (mut q, mut k) = (
        heads(0, config.heads),
        heads(config.q_size(), config.kv_heads),
    );
    if let (Some(q_norm), Some(k_norm)) = (&layer.q_norm, &layer.k_norm) {
        (q, k) = (norm(model, &q, q_norm), norm(model, &k, k_norm));
    }
    Heads {
        q: rotate(&q, rotation),
        k: rotate(&k, rotation),
        v: heads(config.q_size() + config.kv_size(), config.kv_heads),
    }
}

/// Rotates the two halves of every head: `[tokens, heads, head_dim]` by `[tokens, 1, head_dim / 2]`.
fn rotate(x: &Tensor, Rotation { cos, sin }: &Rotation) -> Tensor {
    let halves = x.chunk(2, -1);
    let (a, b) = (&halves[0], &halves[1]);
    Tensor::cat(&[a * cos - b * sin, b * cos + a * sin], -1)
}

/// What each of `tokens` queries may see when `before` keys came before the first of them; `None` where plain causality says it.
pub(crate) fn attention_mask(tokens: i64, before: i64, device: tch::Device) -> Option<Tensor> {
    (before > 0 && tokens > 1)
        .then(|| Tensor::ones([tokens, before + tokens], (tch::Kind::Bool, device)).tril(before))
}

/// Attention of `q [tokens, heads, d]` over `k`, `v` `[kv_heads, length, d]` with the `mask` of [`attention_mask`].
/// Gives `[tokens, heads × d]`.
pub(crate) fn causal_attention(
    q: &Tensor,
    k: &Tensor,
    v: &Tensor,
    mask: Option<&Tensor>,
) -> Tensor {
    let (tokens, heads, width) = q.size3().expect("queries have three dimensions");
    let causal = mask.is_none() && tokens > 1;
    let (q, k, v) = (
        q.transpose(0, 1).unsqueeze(0),
        k.unsqueeze(0),
        v.unsqueeze(0),
    );
    let out = Tensor::scaled_dot_product_attention(&q, &k, &v, mask, 0.0, causal, None, true);
    out.squeeze_dim(0)
        .transpose(0, 1)
        .reshape([tokens, heads * width])
}

/// Attention within each of the sequences of `lengths` tokens that lie behind each other in `heads`.
pub(crate) fn attend_each(heads: &Heads, lengths: &[i64]) -> Tensor {
    let mut start = 0;
    let parts: Vec<Tensor> = lengths
        .iter()
        .map(|&length| {
            let own = |tensor: &Tensor| tensor.narrow(0, start, length);
            let (k, v) = (own(&heads.k).transpose(0, 1), own(&heads.v).transpose(0, 1));
            let out = causal_attention(&own(&heads.q), &k, &v, None);
            start += length;
            out
        })
        .collect();
    Tensor::cat(&parts, 0)
}
