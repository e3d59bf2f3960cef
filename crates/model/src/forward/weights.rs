//! The products of a layer for inference: the base, an adapter merged into copies of it, or an
//! adapter computed beside it.

use tch::Tensor;

use super::Linears;
use crate::{
    lora::Applied,
    model::{Fused, Model},
};

/// A model with or without an adapter.
#[derive(Clone, Copy)]
pub(crate) struct Weights<'a> {
    pub model: &'a Model,
    pub applied: Option<&'a Applied>,
}

impl<'a> Weights<'a> {
    /// The weight of a product, with the adapter in it where that is merged.
    pub(crate) fn weight(&self, layer: usize, fused: Fused) -> &'a Tensor {
        let merged = self
            .applied
            .and_then(|applied| applied.merged(layer, fused));
        merged.unwrap_or_else(|| self.model.layers[layer].weight(fused))
    }

    /// `out`, the product of `x` with the base, with what an adapter beside it adds.
    fn with_adapter(&self, out: Tensor, layer: usize, fused: Fused, x: &Tensor) -> Tensor {
        let Some(applied) = self.applied else {
            return out;
        };
        match applied.beside(layer, fused) {
            Some(stacked) => stacked.add_to(out, x),
            None => out,
        }
    }
}

impl Linears for Weights<'_> {
    fn project(&self, layer: usize, fused: Fused, x: &Tensor) -> Tensor {
        let bias = self.model.layers[layer].bias(fused);
        let out = x.linear(self.weight(layer, fused), bias);
        self.with_adapter(out, layer, fused, x)
    }

    fn add_to(&self, residual: &Tensor, layer: usize, fused: Fused, x: &Tensor) -> Tensor {
        let weight = self.weight(layer, fused);
        // In the residual's own memory: adding it then costs no operation of its own.
        let out = residual.shallow_clone().addmm_(x, &weight.tr());
        self.with_adapter(out, layer, fused, x)
    }
}
