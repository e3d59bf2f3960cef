//! The layers. Sequences lie behind each other without padding, and only attention knows where one
//! ends. Follows transformers' `modeling_llama`, `modeling_mistral`, `modeling_qwen2`,
//! `modeling_qwen3` and `modeling_gemma3`; it departs from them by fusing q/k/v and gate/up, and by
//! adding residuals within the products.

use tch::{Kind, Tensor};

use crate::{
    config::Activation,
    model::{Angles, Fused, Model},
};

/// The products of a layer, with whatever adapter is in use.
pub(crate) trait Linears {
    /// `x [tokens, in]` to `[tokens, out]`.
    fn project(&self, layer: usize, fused: Fused, x: &Tensor) -> Tensor;

    /// `residual [tokens, out]` plus the product of `x`. It may be computed in the memory of
    /// `residual`, which nobody may read afterwards.
    fn add_to(&self, residual: &Tensor, layer: usize, fused: Fused, x: &Tensor) -> Tensor;
}

/// What attention does with the heads of a layer; gives `[tokens, heads × head_dim]`.
pub(crate) type Attend<'a> = &'a mut dyn FnMut(usize, &Heads) -> Tensor;

/// Queries, keys and values of one layer behind each other, `[.., tokens, heads, head_dim]`;
/// queries and keys are rotated.
pub(crate) struct Heads {
    qkv: Tensor,
    query_heads: i64,
    key_heads: i64,
}

impl Heads {
    /// The same for other tokens: `qkv` has been made from [`Self::all`].
    pub(crate) fn with(&self, qkv: Tensor) -> Self {
        Self { qkv, ..*self }
    }

    pub(crate) fn all(&self) -> &Tensor {
        &self.qkv
    }

    pub(crate) fn q(&self) -> Tensor {
        self.qkv.narrow(-2, 0, self.query_heads)
    }

    pub(crate) fn k(&self) -> Tensor {
        self.qkv.narrow(-2, self.query_heads, self.key_heads)
    }

    pub(crate) fn v(&self) -> Tensor {
        let start = self.query_heads + self.key_heads;
        self.qkv.narrow(-2, start, self.key_heads)
    }

    /// Keys and behind them values, `[tokens, 2 × kv_heads, head_dim]`.
    pub(crate) fn kv(&self) -> Tensor {
        self.qkv.narrow(-2, self.query_heads, 2 * self.key_heads)
    }
}

/// How the heads of the tokens of a pass are turned.
pub(crate) struct Rotation {
    global: Turn,
    /// In layers that see a window alone.
    local: Option<Turn>,
}

/// Cosine and signed sine of the tokens of a pass, `[tokens, 1, head_dim]`.
struct Turn {
    cos: Tensor,
    sin: Tensor,
}

impl Rotation {
    pub(crate) fn new(model: &Model, positions: &Tensor) -> Self {
        let kind = model.placement.kind;
        let turn = |angles: &Angles| Turn::new(angles, positions, kind);
        Self {
            global: turn(&model.angles),
            local: model.local_angles.as_ref().map(turn),
        }
    }

    fn of_layer(&self, is_local: bool) -> &Turn {
        self.local
            .as_ref()
            .filter(|_| is_local)
            .unwrap_or(&self.global)
    }
}

impl Turn {
    fn new(angles: &Angles, positions: &Tensor, kind: Kind) -> Self {
        // Computed in float32 and then rounded to the activations' kind, as transformers does.
        let cos = angles.cos.index_select(0, positions).to_kind(kind);
        let sin = angles.sin.index_select(0, positions).to_kind(kind);
        Self {
            cos: Tensor::cat(&[&cos, &cos], -1).unsqueeze(1),
            // The first half of a head is turned by minus the second.
            sin: Tensor::cat(&[&sin.neg(), &sin], -1).unsqueeze(1),
        }
    }

    /// Rotates the two halves of every head of `x [tokens, heads, head_dim]` in place.
    fn turn(&self, mut x: Tensor) {
        let halves = x.chunk(2, -1);
        // A copy, made before `x` is multiplied where it stands.
        let turned = Tensor::cat(&[&halves[1], &halves[0]], -1);
        let _ = x.g_mul_(&self.cos).addcmul_(&turned, &self.sin);
    }
}

/// A pass over the layers of a model.
#[derive(Clone, Copy)]
pub(crate) struct Pass<'a> {
    pub model: &'a Model,
    pub rotation: &'a Rotation,
    pub linears: &'a dyn Linears,
}

impl Pass<'_> {
    /// The hidden states of the tokens `ids` behind the last layer, before the final norm.
    pub(crate) fn hidden_states(self, ids: &Tensor, attend: Attend<'_>) -> Tensor {
        let mut x = self.model.embedded(ids);
        for index in 0..self.model.layers.len() {
            x = self.layer(index, &x, attend);
        }
        x
    }

    /// The hidden states behind layer `index` for `x [tokens, hidden]`, those before it, whose
    /// memory may be used.
    pub(crate) fn layer(self, index: usize, x: &Tensor, attend: Attend<'_>) -> Tensor {
        let layer = &self.model.layers[index];
        let normed = norm(self.model, x, &layer.attention_norm);
        let heads = self.heads(index, self.linears.project(index, Fused::Qkv, &normed));
        let attended = attend(index, &heads);
        let x = self.add(x, index, Fused::Out, &attended, layer.out_norm.as_ref());
        let normed = norm(self.model, &x, &layer.mlp_norm);
        let gate_up = self.linears.project(index, Fused::GateUp, &normed);
        let halves = gate_up.chunk(2, -1);
        let gate = match self.model.config.activation() {
            Activation::Silu => halves[0].silu(),
            Activation::GeluTanh => halves[0].gelu("tanh"),
        };
        let activated = gate * &halves[1];
        self.add(&x, index, Fused::Down, &activated, layer.down_norm.as_ref())
    }

    /// `residual`, whose memory may be used, plus the product of `x`, which some architectures norm
    /// first.
    fn add(
        self,
        residual: &Tensor,
        index: usize,
        fused: Fused,
        x: &Tensor,
        weight: Option<&Tensor>,
    ) -> Tensor {
        match weight {
            None => self.linears.add_to(residual, index, fused, x),
            Some(weight) => {
                let product = self.linears.project(index, fused, x);
                residual + norm(self.model, &product, weight)
            }
        }
    }

    fn heads(self, index: usize, qkv: Tensor) -> Heads {
        let config = &self.model.config;
        let turned = config.heads + config.kv_heads;
        let qkv = qkv.view([-1, turned + config.kv_heads, config.head_dim]);
        let heads = self.head_norms(
            index,
            Heads {
                qkv,
                query_heads: config.heads,
                key_heads: config.kv_heads,
            },
        );
        let rotation = self.rotation.of_layer(config.is_local(index));
        rotation.turn(heads.qkv.narrow(1, 0, turned));
        heads
    }

    /// The norms that some have for every head of queries and keys.
    fn head_norms(self, index: usize, heads: Heads) -> Heads {
        let layer = &self.model.layers[index];
        let (Some(q_norm), Some(k_norm)) = (&layer.q_norm, &layer.k_norm) else {
            return heads;
        };
        let q = norm(self.model, &heads.q(), q_norm);
        let k = norm(self.model, &heads.k(), k_norm);
        heads.with(Tensor::cat(&[q, k, heads.v()], 1))
    }
}

/// Logits `[rows, vocab]`, float32, for hidden states `[rows, hidden]` behind the last layer.
pub(crate) fn logits(model: &Model, hidden: &Tensor) -> Tensor {
    head(model, &final_norm(model, hidden))
}

/// The norm before the output head.
pub(crate) fn final_norm(model: &Model, hidden: &Tensor) -> Tensor {
    norm(model, hidden, &model.final_norm)
}

/// The output head, float32. Without gradients.
pub(crate) fn head(model: &Model, normed: &Tensor) -> Tensor {
    // `mm_dtype` is there for CUDA alone.
    if model.placement.is_cpu() || normed.kind() == Kind::Float {
        return normed
            .linear(&model.head, None::<&Tensor>)
            .to_kind(Kind::Float);
    }
    // In bfloat16 logits above 16 would stand 0.125 apart, and the best would often be a tie.
    normed.mm_dtype(&model.head.tr(), Kind::Float)
}

/// RMS norm over the last dimension.
fn norm(model: &Model, x: &Tensor, weight: &Tensor) -> Tensor {
    // One operation where transformers has several; the mean of squares is in float32 here too.
    x.rms_norm(weight.size(), Some(weight), model.config.norm_eps)
}
