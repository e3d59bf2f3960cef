//! The loss of packed examples and its gradients: cross-entropy summed over completion tokens, the
//! adapter computed beside the frozen base. With checkpointing (Chen et al. 2016) only the input of
//! every layer is kept, and a layer is computed again when its gradient is due.

use tch::{Kind, Tensor};

use super::{Example, dropout::Dropout, head::Predictions, pack::Pack, parameters::Leaves};
use crate::{
    forward::{Heads, Linears, Pass},
    lora::Stacked,
    model::{Fused, Model},
};

/// What every part of a step computes with.
#[derive(Clone, Copy)]
pub(super) struct Net<'a> {
    pub model: &'a Model,
    pub leaves: &'a Leaves,
    pub checkpointing: bool,
}

/// The loss of a part and the flat gradient of all parameters.
pub(super) struct Part {
    pub loss: f64,
    pub gradient: Tensor,
}

impl Net<'_> {
    /// The summed loss of `examples`, without gradients or dropout.
    pub(super) fn loss(self, examples: &[&Example]) -> f64 {
        let _no_grad = tch::no_grad_guard();
        let pack = Pack::new(self.model, examples);
        let hidden = self.hidden_states(&pack, None);
        let picked = hidden.index_select(0, &pack.predicting);
        self.predictions(&picked, &pack).loss().double_value(&[])
    }

    /// The summed loss of `examples` times `scale`, and its gradient.
    pub(super) fn gradients(self, examples: &[&Example], scale: f64, dropout: &Dropout) -> Part {
        let pack = Pack::new(self.model, examples);
        if self.checkpointing {
            return self.checkpointed(&pack, scale, dropout);
        }
        let hidden = self.hidden_states(&pack, Some(dropout));
        let picked = hidden.index_select(0, &pack.predicting);
        let (loss, flowing) = self.predictions(&picked, &pack).loss_and_gradient(scale);
        let leaves = self.leaves.tensors(0..self.model.layers.len());
        let gradients = backward(&picked, &flowing, &leaves);
        self.part(&loss, &gradients)
    }

    fn checkpointed(self, pack: &Pack, scale: f64, dropout: &Dropout) -> Part {
        let mut inputs = vec![pack.embedded(self.model)];
        {
            // A guard, for the mode must come back also where memory runs out in the middle and
            // fewer examples are tried on this thread.
            let _without = tch::no_grad_guard();
            for index in 0..self.model.layers.len() {
                inputs.push(self.layer(index, &inputs[index], pack, Some(dropout)));
            }
        }
        let top = inputs.pop().expect("the embedding is there");
        let picked = top.index_select(0, &pack.predicting);
        let (loss, picked_flowing) = self.predictions(&picked, pack).loss_and_gradient(scale);
        let mut flowing = top
            .zeros_like()
            .index_add(0, &pack.predicting, &picked_flowing);
        let mut by_layer = Vec::new();
        for index in (0..self.model.layers.len()).rev() {
            let input = inputs.pop().expect("every layer has its input");
            let input = input.set_requires_grad(true);
            // Dropout drops the same inputs as the first time: its masks depend on step, part,
            // layer and linear alone.
            let output = self.layer(index, &input, pack, Some(dropout));
            let mut wanted = vec![&input];
            wanted.extend(self.leaves.tensors(index..index + 1));
            let mut gradients = backward(&output, &flowing, &wanted);
            flowing = gradients.remove(0);
            by_layer.push(gradients);
        }
        // From the first layer on, as `flat_gradient` takes them.
        let gradients: Vec<Tensor> = by_layer.into_iter().rev().flatten().collect();
        self.part(&loss, &gradients)
    }

    /// Reads the loss last: that waits for everything which was asked of the device.
    fn part(self, loss: &Tensor, gradients: &[Tensor]) -> Part {
        let gradient = self.leaves.flat_gradient(gradients);
        Part {
            loss: loss.double_value(&[]),
            gradient,
        }
    }

    fn predictions<'a>(&'a self, picked: &'a Tensor, pack: &'a Pack) -> Predictions<'a> {
        Predictions {
            model: self.model,
            hidden: picked,
            targets: &pack.targets,
        }
    }

    fn hidden_states(self, pack: &Pack, dropout: Option<&Dropout>) -> Tensor {
        let products = Products { net: self, dropout };
        let mut attend = |_: usize, heads: &Heads| pack.sequences.attend(heads);
        products.pass(pack).hidden_states(&pack.ids, &mut attend)
    }

    fn layer(self, index: usize, x: &Tensor, pack: &Pack, dropout: Option<&Dropout>) -> Tensor {
        let products = Products { net: self, dropout };
        let mut attend = |_: usize, heads: &Heads| pack.sequences.attend(heads);
        products.pass(pack).layer(index, x, &mut attend)
    }
}

/// The gradients of `wanted` where `flowing` is that of `output`.
fn backward(output: &Tensor, flowing: &Tensor, wanted: &[&Tensor]) -> Vec<Tensor> {
    // The gradient of this sum is what flows.
    let through = (output * flowing).sum(Kind::Float);
    Tensor::run_backward(&[&through], wanted, false, false)
}

/// The products of the base with the adapter beside them.
struct Products<'a> {
    net: Net<'a>,
    dropout: Option<&'a Dropout>,
}

impl Products<'_> {
    fn pass<'a>(&'a self, pack: &'a Pack) -> Pass<'a> {
        Pass {
            model: self.net.model,
            rotation: &pack.rotation,
            linears: self,
        }
    }

    /// `out`, the product of `x` with the base, with what the adapter adds.
    fn with_adapter(&self, out: Tensor, layer: usize, fused: Fused, x: &Tensor) -> Tensor {
        let Some(leaf) = self.net.leaves.get(layer, fused) else {
            return out;
        };
        match self.dropout.filter(|dropout| dropout.share > 0.0) {
            None => leaf.add_to(out, x),
            Some(dropout) => {
                let reduced = reduced_with_dropout(leaf, dropout, layer, x);
                leaf.add_reduced(out, &reduced)
            }
        }
    }
}

/// `x Aᵀ` where every linear drops inputs of its own, as in peft.
fn reduced_with_dropout(leaf: &Stacked, dropout: &Dropout, layer: usize, x: &Tensor) -> Tensor {
    let a = &leaf.a;
    let x = x.to_kind(a.kind());
    let mut reduced = Vec::new();
    for block in &leaf.blocks {
        let kept = dropout.apply(&x, layer, block.target);
        reduced.push(kept.mm(&block.of_a(a).tr()));
    }
    Tensor::cat(&reduced, -1)
}

impl Linears for Products<'_> {
    fn project(&self, layer: usize, fused: Fused, x: &Tensor) -> Tensor {
        let weights = &self.net.model.layers[layer];
        let out = x.linear(weights.weight(fused), weights.bias(fused));
        self.with_adapter(out, layer, fused, x)
    }

    // Not in the memory of `residual`: a norm keeps it for its gradient.
    fn add_to(&self, residual: &Tensor, layer: usize, fused: Fused, x: &Tensor) -> Tensor {
        let weight = self.net.model.layers[layer].weight(fused);
        let out = residual.addmm(x, &weight.tr());
        self.with_adapter(out, layer, fused, x)
    }
}
