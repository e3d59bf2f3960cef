//! The products of a layer for inference: the base, and an adapter computed beside it.

use tch::Tensor;

use super::Linears;
use crate::{
    lora::{Applied, Stacked},
    model::{Fused, Model},
};

/// A model with or without an adapter.
#[derive(Clone, Copy)]
pub(crate) struct Weights<'a> {
    pub model: &'a Model,
    pub applied: Option<&'a Applied>,
}

impl<'a> Weights<'a> {
    /// What an adapter adds to a product.
    pub(crate) fn beside(&self, layer: usize, fused: Fused) -> Option<&'a Stacked> {
        self.applied?.beside(layer, fused)
    }

    /// `out`, the product of `x` with the base, with what an adapter adds.
    fn with_adapter(&self, out: Tensor, layer: usize, fused: Fused, x: &Tensor) -> Tensor {
        match self.beside(layer, fused) {
            Some(stacked) => stacked.add_to(out, x),
            None => out,
        }
    }
}

impl Linears for Weights<'_> {
    fn project(&self, layer: usize, fused: Fused, x: &Tensor) -> Tensor {
        let bias = self.model.layers[layer].bias(fused);
        let out = x.linear(self.model.layers[layer].weight(fused), bias);
        self.with_adapter(out, layer, fused, x)
    }

    fn add_to(&self, residual: &Tensor, layer: usize, fused: Fused, x: &Tensor) -> Tensor {
        let weight = self.model.layers[layer].weight(fused);
        // In the residual's own memory: adding it then costs no operation of its own.
        let out = residual.shallow_clone().addmm_(x, &weight.tr());
        self.with_adapter(out, layer, fused, x)
    }
}
