//! AdamW (Loshchilov and Hutter 2019) as torch computes it: decoupled weight decay, bias-corrected
//! moments.

use std::collections::BTreeMap;

use safetensors::SafeTensors;
use tch::{Kind, Tensor};

use super::{
    Settings,
    parameters::{Parameters, Slot},
};
use crate::{
    error::{Error, Result},
    lora::{NamedTensor, write_safetensors},
};

/// The optimiser's state, flat as the parameters are.
pub(super) struct AdamW {
    steps: u64,
    first: Tensor,
    second: Tensor,
}

impl AdamW {
    pub(super) fn new(parameters: &Parameters) -> Self {
        Self {
            steps: 0,
            first: parameters.flat.zeros_like(),
            second: parameters.flat.zeros_like(),
        }
    }

    /// How many it has made, over all runs.
    pub(super) fn steps(&self) -> u64 {
        self.steps
    }

    /// Moves all parameters along the flat `gradient`. Where memory runs out nothing has moved: for
    /// a moment the parameters and moments are there twice.
    pub(super) fn update(
        &mut self,
        parameters: &mut Parameters,
        gradient: &Tensor,
        settings: &Settings,
        learning_rate: f64,
    ) {
        let _no_grad = tch::no_grad_guard();
        let size = parameters.flat.size();
        assert_eq!(gradient.size(), size, "a gradient for every parameter");
        let steps = self.steps + 1;
        let power = i32::try_from(steps).unwrap_or(i32::MAX);
        let (beta1, beta2) = settings.betas;
        // Bias is corrected where torch corrects it: in the step's size and in the root of the
        // second moment.
        let step_size = learning_rate / (1.0 - beta1.powi(power));
        let second_scale = (1.0 - beta2.powi(power)).sqrt();
        let first = self.first.lerp(gradient, 1.0 - beta1);
        let second = &self.second * beta2 + gradient.square() * (1.0 - beta2);
        let scale = second.sqrt() / second_scale + settings.eps;
        let kept = &parameters.flat * (1.0 - learning_rate * settings.weight_decay);
        let moved = kept - &first / scale * step_size;
        *self = Self {
            steps,
            first,
            second,
        };
        parameters.flat = moved;
    }

    /// The state as a safetensors file.
    pub(super) fn to_bytes(&self, parameters: &Parameters) -> Vec<u8> {
        let mut tensors = Vec::new();
        for slot in &parameters.slots {
            tensors.push((name(slot, "first"), slot.of(&self.first)));
            tensors.push((name(slot, "second"), slot.of(&self.second)));
        }
        let mut named = Vec::new();
        for (name, tensor) in &tensors {
            let name = name.clone();
            named.push(NamedTensor { name, tensor });
        }
        let metadata = BTreeMap::from([("steps", self.steps.to_string())]);
        write_safetensors(&named, &metadata)
    }

    /// Reads what [`Self::to_bytes`] wrote for `parameters` of the same shape.
    pub(super) fn from_bytes(bytes: &[u8], parameters: &Parameters) -> Result<Self> {
        let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(damaged)?;
        let steps = metadata
            .metadata()
            .as_ref()
            .and_then(|map| map.get("steps")?.parse().ok());
        let file = SafeTensors::deserialize(bytes).map_err(damaged)?;
        let (mut first, mut second) = (Vec::new(), Vec::new());
        for slot in &parameters.slots {
            first.push(read(&file, slot, "first")?);
            second.push(read(&file, slot, "second")?);
        }
        let device = parameters.flat.device();
        Ok(Self {
            steps: steps.ok_or_else(|| damaged("no number of steps"))?,
            first: Tensor::cat(&first, 0).to_device(device),
            second: Tensor::cat(&second, 0).to_device(device),
        })
    }
}

/// The flat values of one moment.
fn read(file: &SafeTensors<'_>, slot: &Slot, which: &str) -> Result<Tensor> {
    let name = name(slot, which);
    let view = file.tensor(&name).map_err(damaged)?;
    let shape: Vec<i64> = view.shape().iter().map(|&size| size as i64).collect();
    let values = slot.shape[0] * slot.shape[1];
    if shape != slot.shape || view.data().len() as i64 != values * 4 {
        return Err(damaged(format!("{name} has shape {shape:?}")));
    }
    Ok(Tensor::from_data_size(view.data(), &[values], Kind::Float))
}

fn damaged(reason: impl std::fmt::Display) -> Error {
    Error::Adapter(format!("the optimiser's state is damaged ({reason})"))
}

fn name(slot: &Slot, which: &str) -> String {
    let half = if slot.is_b { "B" } else { "A" };
    let target = slot.target.name();
    format!("layers.{}.{target}.lora_{half}.{which}_moment", slot.layer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{error::guard, lora::Target, tensors::floats};

    fn two() -> Parameters {
        let tensor = |values: &[f32]| Tensor::from_slice(values).unsqueeze(0);
        let pair = (tensor(&[1.0, 2.0]), tensor(&[3.0, 4.0]));
        Parameters::new(&BTreeMap::from([((0, Target::Q), pair)]), tch::Device::Cpu)
    }

    #[test]
    fn an_update_that_fails_in_the_middle_moves_nothing() {
        let good = Tensor::from_slice(&[1.0_f32, -1.0, 1.0, 0.5]);
        let (mut parameters, settings) = (two(), Settings::default());
        let mut optimiser = AdamW::new(&parameters);
        let bad = Tensor::from_slice(&[1.0_f32, -1.0, 1.0, 0.5, 0.0]);
        let failed = guard("testing", "", || {
            optimiser.update(&mut parameters, &bad, &settings, 0.1);
            Ok(())
        });
        failed.expect_err("it has another shape");
        assert_eq!(floats(&parameters.flat), [1.0, 2.0, 3.0, 4.0]);
        optimiser.update(&mut parameters, &good, &settings, 0.1);
        let mut others = two();
        let mut fresh = AdamW::new(&others);
        fresh.update(&mut others, &good, &settings, 0.1);
        assert_eq!(
            (floats(&parameters.flat), optimiser.to_bytes(&parameters)),
            (floats(&others.flat), fresh.to_bytes(&others))
        );
    }
}
