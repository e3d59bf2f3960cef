//! AdamW (Loshchilov and Hutter 2019) as torch computes it: decoupled weight decay, bias-corrected moments.

use std::collections::BTreeMap;

use safetensors::SafeTensors;
use tch::{Kind, Tensor};

use super::{Parameters, Settings};
use crate::{
    error::{Error, Result},
    lora::{NamedTensor, Target, write_safetensors},
};

/// The place of a parameter: layer, target, and whether it is B.
type Place = (usize, Target, bool);

pub(super) struct AdamW {
    steps: u64,
    moments: BTreeMap<Place, Moments>,
}

struct Moments {
    first: Tensor,
    second: Tensor,
}

impl AdamW {
    pub(super) fn new(parameters: &Parameters) -> Self {
        let moments = places(parameters)
            .map(|(place, tensor)| {
                (
                    place,
                    Moments {
                        first: tensor.zeros_like(),
                        second: tensor.zeros_like(),
                    },
                )
            })
            .collect();
        Self { steps: 0, moments }
    }

    /// Moves every parameter along its gradient; `gradients` stand in the order of [`leaves`]. Where memory runs out nothing has moved:
    /// for a moment the parameters and moments are there twice.
    pub(super) fn update(
        &mut self,
        parameters: &mut Parameters,
        gradients: &[Tensor],
        settings: &Settings,
        learning_rate: f64,
    ) {
        let _no_grad = tch::no_grad_guard();
        assert_eq!(
            gradients.len(),
            2 * parameters.len(),
            "a gradient for every parameter"
        );
        let steps = self.steps + 1;
        let (beta1, beta2) = settings.betas;
        let correct = |beta: f64| 1.0 - beta.powi(i32::try_from(steps).unwrap_or(i32::MAX));
        let (step_size, second_scale) = (learning_rate / correct(beta1), correct(beta2).sqrt());
        let moved = |((place, tensor), gradient): ((Place, &Tensor), &Tensor)| {
            let before = &self.moments[&place];
            let first = before.first.lerp(gradient, 1.0 - beta1);
            let second = &before.second * beta2 + gradient.square() * (1.0 - beta2);
            let scale = second.sqrt() / second_scale + settings.eps;
            let tensor =
                tensor * (1.0 - learning_rate * settings.weight_decay) - &first / scale * step_size;
            (place, tensor, Moments { first, second })
        };
        let all: Vec<(Place, Tensor, Moments)> =
            places(parameters).zip(gradients).map(moved).collect();
        // Nothing from here on takes memory.
        self.steps = steps;
        for ((layer, target, is_b), tensor, moments) in all {
            let (a, b) = parameters
                .get_mut(&(layer, target))
                .expect("it was just read");
            (if is_b { b } else { a }).copy_(&tensor);
            self.moments.insert((layer, target, is_b), moments);
        }
    }

    /// The state as a safetensors file.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let named: Vec<NamedTensor<'_>> = self
            .moments
            .iter()
            .flat_map(|(place, moments)| {
                [
                    NamedTensor {
                        name: name(place, "first"),
                        tensor: &moments.first,
                    },
                    NamedTensor {
                        name: name(place, "second"),
                        tensor: &moments.second,
                    },
                ]
            })
            .collect();
        write_safetensors(&named, &BTreeMap::from([("steps", self.steps.to_string())]))
    }

    /// Reads what [`Self::to_bytes`] wrote for `parameters` of the same shape.
    pub(super) fn from_bytes(bytes: &[u8], parameters: &Parameters) -> Result<Self> {
        let damaged =
            |reason: String| Error::Adapter(format!("the optimiser's state is damaged ({reason})"));
        let (_, metadata) =
            SafeTensors::read_metadata(bytes).map_err(|e| damaged(e.to_string()))?;
        let steps = metadata
            .metadata()
            .as_ref()
            .and_then(|map| map.get("steps")?.parse().ok());
        let steps = steps.ok_or_else(|| damaged("no number of steps".into()))?;
        let file = SafeTensors::deserialize(bytes).map_err(|e| damaged(e.to_string()))?;
        let read = |place: &Place, which: &str, like: &Tensor| {
            let view = file
                .tensor(&name(place, which))
                .map_err(|e| damaged(e.to_string()))?;
            let shape: Vec<i64> = view.shape().iter().map(|&n| n as i64).collect();
            if shape != like.size() || view.data().len() != like.numel() * 4 {
                return Err(damaged(format!(
                    "{} has shape {shape:?}",
                    name(place, which)
                )));
            }
            Ok(Tensor::from_data_size(view.data(), &shape, Kind::Float).to_device(like.device()))
        };
        let moments = places(parameters).map(|(place, tensor)| {
            Ok((
                place,
                Moments {
                    first: read(&place, "first", tensor)?,
                    second: read(&place, "second", tensor)?,
                },
            ))
        });
        Ok(Self {
            steps,
            moments: moments.collect::<Result<_>>()?,
        })
    }
}

/// All parameters, A before B, in the order of layers and targets.
pub(super) fn leaves(parameters: &Parameters) -> Vec<&Tensor> {
    places(parameters).map(|(_, tensor)| tensor).collect()
}

/// The norm of all gradients taken together.
pub(super) fn global_norm(gradients: &[Tensor]) -> f64 {
    let norms: Vec<Tensor> = gradients.iter().map(Tensor::norm).collect();
    Tensor::stack(&norms, 0).norm().double_value(&[])
}

fn places(parameters: &Parameters) -> impl Iterator<Item = (Place, &Tensor)> {
    parameters.iter().flat_map(|(&(layer, target), (a, b))| {
        [((layer, target, false), a), ((layer, target, true), b)]
    })
}

fn name((layer, target, is_b): &Place, which: &str) -> String {
    format!(
        "layers.{layer}.{}.lora_{}.{which}_moment",
        target.name(),
        if *is_b { "B" } else { "A" }
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::guard;

    fn two() -> Parameters {
        let tensor = |values: &[f32]| Tensor::from_slice(values).set_requires_grad(true);
        Parameters::from([((0, Target::Q), (tensor(&[1.0, 2.0]), tensor(&[3.0, 4.0])))])
    }

    fn values(parameters: &Parameters) -> Vec<Vec<f32>> {
        leaves(parameters)
            .into_iter()
            .map(|tensor| crate::tensors::floats(&tensor.detach()))
            .collect()
    }

    #[test]
    fn an_update_that_fails_in_the_middle_moves_nothing() {
        let gradient = |values: &[f32]| Tensor::from_slice(values);
        let good = [gradient(&[1.0, -1.0]), gradient(&[1.0, 0.5])];
        let (mut parameters, settings) = (two(), Settings::default());
        let mut optimiser = AdamW::new(&parameters);
        let bad = [gradient(&[1.0, -1.0]), gradient(&[1.0, 0.5, 0.0])];
        let failed = guard("testing", "", || {
            optimiser.update(&mut parameters, &bad, &settings, 0.1);
            Ok(())
        });
        failed.expect_err("the second has another shape");
        assert_eq!(values(&parameters), [vec![1.0, 2.0], vec![3.0, 4.0]]);
        optimiser.update(&mut parameters, &good, &settings, 0.1);
        let mut others = two();
        let mut fresh = AdamW::new(&others);
        fresh.update(&mut others, &good, &settings, 0.1);
        assert_eq!(
            (values(&parameters), optimiser.to_bytes()),
            (values(&others), fresh.to_bytes())
        );
    }
}
