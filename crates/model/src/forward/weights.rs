//! The products of a layer for inference: the base, an adapter merged into copies of it, or an adapter computed beside it.

use tch::Tensor;

use super::skinny;
use crate::{
    lora::Applied,
    model::{Fused, Model},
};

/// A model with or without an adapter.
#[derive(Clone, Copy)]
pub(crate) struct Weights<'a> {
    pub model: &'a Model,
    pub applied: Option<&'a Applied>,
    /// Whether this thread computes alone, beside others of its kind: then few columns go through [`skinny`].
    pub one_thread: bool,
}

/// From this many rows on, the product with the weight on the left is the faster one (measured on two AVX2 cores: at 64 rows
/// 97–105 GFLOP/s against 66–75, at 8 rows the reverse).
const COLUMNS_FROM: i64 = 12;

impl Weights<'_> {
    fn weight(&self, layer: usize, fused: Fused) -> &Tensor {
        let merged = self.applied.and_then(|applied| applied.merged(layer, fused));
        merged.unwrap_or_else(|| self.model.layers[layer].weight(fused))
    }

    /// `x [rows, in]` to `[rows, out]`.
    pub(crate) fn project(&self, layer: usize, fused: Fused, x: &Tensor) -> Tensor {
        let out = x.linear(self.weight(layer, fused), self.model.layers[layer].bias(fused));
        match self.applied.and_then(|applied| applied.beside(layer, fused, x)) {
            Some(delta) => out + delta,
            None => out,
        }
    }

    /// `x [in, rows]` to `[out, rows]`: the layout of decoding.
    pub(crate) fn project_columns(&self, layer: usize, fused: Fused, x: &Tensor) -> Tensor {
        if !self.one_thread && x.size()[1] < COLUMNS_FROM || self.applied.is_some_and(Applied::is_beside) {
            return self.project(layer, fused, &x.transpose(0, 1)).transpose(0, 1).contiguous();
        }
        let weight = self.weight(layer, fused);
        let alone = self.one_thread.then(|| skinny::product(weight, x)).flatten();
        if let Some(product) = alone {
            return match self.model.layers[layer].bias(fused) {
                Some(bias) => product + bias.unsqueeze(1),
                None => product,
            };
        }
        match self.model.layers[layer].bias(fused) {
            Some(bias) => bias.unsqueeze(1).addmm(weight, x),
            None => weight.mm(x),
        }
    }

    /// `x [hidden, rows]` to logits `[vocab, rows]`.
    pub(crate) fn head_columns(&self, x: &Tensor) -> Tensor {
        let alone = self.one_thread.then(|| skinny::product(&self.model.head, x)).flatten();
        alone.unwrap_or_else(|| self.model.head.mm(x))
    }
}
