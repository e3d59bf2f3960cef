//! The loss of packed examples and its gradients: cross-entropy summed over completion tokens, the adapter computed beside the frozen base.
//! With checkpointing (Chen et al. 2016) only the input of every layer is kept, and a layer is computed again when its gradient is due.

use tch::{Kind, Reduction, Tensor};

use super::{Example, Parameters, adamw::leaves, dropout::Dropout};
use crate::{
    forward::{self, Rotation, attend_each},
    lora::{LoraSpec, Target, delta},
    model::{Fused, Model},
};

/// What every part of a step computes with.
#[derive(Clone, Copy)]
pub(super) struct Net<'a> {
    pub model: &'a Model,
    pub spec: &'a LoraSpec,
    pub parameters: &'a Parameters,
    pub checkpointing: bool,
}

/// The loss of a part and the gradients of all parameters, in the order of [`leaves`].
pub(super) struct Part {
    pub loss: f64,
    pub gradients: Vec<Tensor>,
}

impl Net<'_> {
    /// The summed loss of `examples`, without gradients or dropout.
    pub(super) fn loss(self, examples: &[&Example]) -> f64 {
        let _no_grad = tch::no_grad_guard();
        let pack = Pack::new(self.model, examples);
        let hidden = (0..self.model.layers.len()).fold(pack.embedded(self.model), |x, index| {
            self.layer(index, &x, &pack, None)
        });
        self.head(&hidden, &pack).double_value(&[])
    }

    /// The summed loss of `examples` times `scale`, and its gradients.
    pub(super) fn gradients(self, examples: &[&Example], scale: f64, dropout: &Dropout) -> Part {
        let pack = Pack::new(self.model, examples);
        if self.checkpointing {
            return self.checkpointed(&pack, scale, dropout);
        }
        let layers = 0..self.model.layers.len();
        let hidden = layers.fold(pack.embedded(self.model), |x, index| {
            self.layer(index, &x, &pack, Some(dropout))
        });
        let loss = self.head(&hidden, &pack) * scale;
        Part {
            loss: loss.double_value(&[]),
            gradients: Tensor::run_backward(&[&loss], &leaves(self.parameters), false, false),
        }
    }

    fn checkpointed(self, pack: &Pack, scale: f64, dropout: &Dropout) -> Part {
        let mut inputs = vec![pack.embedded(self.model)];
        {
            // A guard, for the mode must come back also where memory runs out in the middle and fewer examples are tried on this thread.
            let _without = tch::no_grad_guard();
            for index in 0..self.model.layers.len() {
                inputs.push(self.layer(index, &inputs[index], pack, Some(dropout)));
            }
        }
        let top = inputs
            .pop()
            .expect("the embedding is there")
            .set_requires_grad(true);
        let loss = self.head(&top, pack) * scale;
        let value = loss.double_value(&[]);
        let mut flowing = Tensor::run_backward(&[&loss], &[&top], false, false).remove(0);
        let mut by_layer = Vec::new();
        for index in (0..self.model.layers.len()).rev() {
            let input = inputs
                .pop()
                .expect("every layer has its input")
                .set_requires_grad(true);
            let own: Vec<&Tensor> = self
                .parameters
                .range(first_of(index)..first_of(index + 1))
                .flat_map(|(_, (a, b))| [a, b])
                .collect();
            // The gradient of this sum is what flows through the layer.
            let through =
                (self.layer(index, &input, pack, Some(dropout)) * &flowing).sum(Kind::Float);
            let wanted: Vec<&Tensor> = std::iter::once(&input).chain(own).collect();
            let mut gradients = Tensor::run_backward(&[&through], &wanted, false, false);
            flowing = gradients.remove(0);
            by_layer.push(gradients);
        }
        Part {
            loss: value,
            gradients: by_layer.into_iter().rev().flatten().collect(),
        }
    }

    fn layer(self, index: usize, x: &Tensor, pack: &Pack, dropout: Option<&Dropout>) -> Tensor {
        let project = |layer: usize, fused: Fused, x: &Tensor| {
            let weights = &self.model.layers[layer];
            let out = x.linear(weights.weight(fused), weights.bias(fused));
            let scaled = |target, x: &Tensor| {
                let (a, b) = self.parameters.get(&(layer, target))?;
                let x = dropout.map_or_else(
                    || x.shallow_clone(),
                    |dropout| dropout.apply(x, layer, target),
                );
                Some(
                    x.linear(a, None::<&Tensor>).linear(b, None::<&Tensor>)
                        * self.spec.scale_at((layer, target)),
                )
            };
            match delta(&self.model.config, fused, x, scaled) {
                Some(delta) => out + delta,
                None => out,
            }
        };
        forward::layer(
            self.model,
            index,
            x,
            &pack.rotation,
            &project,
            &mut |_, heads| attend_each(heads, &pack.lengths),
        )
    }

    /// The summed loss for hidden states behind the last layer.
    fn head(self, hidden: &Tensor, pack: &Pack) -> Tensor {
        let logits = forward::logits(self.model, &hidden.index_select(0, &pack.predicting))
            .to_kind(Kind::Float);
        logits.cross_entropy_loss(&pack.targets, None::<Tensor>, Reduction::Sum, -100, 0.0)
    }
}

/// The first place that a parameter of `layer` can have.
fn first_of(layer: usize) -> (usize, Target) {
    (layer, Target::Q)
}

/// Examples behind each other on the device; the last token of each is only a target.
struct Pack {
    ids: Tensor,
    rotation: Rotation,
    lengths: Vec<i64>,
    /// Places whose output predicts a completion token, and that token.
    predicting: Tensor,
    targets: Tensor,
}

impl Pack {
    fn new(model: &Model, examples: &[&Example]) -> Self {
        let places = Places::new(examples);
        let tensor = |values: &[i64]| Tensor::from_slice(values).to_device(model.placement.device);
        Self {
            ids: tensor(&places.ids),
            rotation: Rotation::new(model, &tensor(&places.positions)),
            lengths: places.lengths,
            predicting: tensor(&places.predicting),
            targets: tensor(&places.targets),
        }
    }

    fn embedded(&self, model: &Model) -> Tensor {
        model.embedding.index_select(0, &self.ids)
    }
}

#[derive(Default)]
struct Places {
    ids: Vec<i64>,
    positions: Vec<i64>,
    lengths: Vec<i64>,
    predicting: Vec<i64>,
    targets: Vec<i64>,
}

impl Places {
    fn new(examples: &[&Example]) -> Self {
        let mut places = Self::default();
        for example in examples {
            let start = places.ids.len();
            let length = example.tokens() - 1;
            places.ids.extend(
                example
                    .prompt_ids
                    .iter()
                    .chain(&example.completion_ids)
                    .take(length),
            );
            places.positions.extend(0..length as i64);
            places.lengths.push(length as i64);
            let first = start + example.prompt_ids.len() - 1;
            places
                .predicting
                .extend((first..start + length).map(|place| place as i64));
            places.targets.extend(&example.completion_ids);
        }
        places
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_completion_tokens_are_predicted() {
        let example = |prompt: &[i64], completion: &[i64]| Example {
            prompt_ids: prompt.to_vec(),
            completion_ids: completion.to_vec(),
        };
        let (a, b) = (example(&[1, 2], &[3, 4]), example(&[5], &[6]));
        let places = Places::new(&[&a, &b]);
        assert_eq!(
            (places.ids, places.positions, places.lengths),
            (vec![1, 2, 3, 5], vec![0, 1, 2, 0], vec![3, 1])
        );
        assert_eq!(
            (places.predicting, places.targets),
            (vec![1, 2, 3], vec![3, 4, 6])
        );
    }
}
