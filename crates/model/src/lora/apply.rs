//! An adapter in use. It is computed beside the weights it touches: merging would take a copy of
//! them, and in bfloat16 round small changes away. The base is never written, so dropping an
//! [`Applied`] leaves it bit-identical.

use std::collections::BTreeMap;

use tch::Tensor;

use super::{
    Adapter, Target,
    stacked::{Stacked, blocks},
};
use crate::{
    error::{Result, guard},
    model::{Fused, Model},
};

/// An adapter made ready for one model. Drop it to be back at the base.
pub struct Applied {
    stacked: BTreeMap<(usize, Fused), Stacked>,
}

impl Applied {
    /// Makes `adapter` ready for `model`.
    ///
    /// # Errors
    /// The adapter was made for another base, or its shapes don't fit.
    pub fn new(model: &Model, adapter: &Adapter) -> Result<Self> {
        adapter.check_against(model)?;
        guard(
            "applying an adapter",
            "use a machine with more memory",
            || {
                let _no_grad = tch::no_grad_guard();
                Ok(Self::build(model, adapter))
            },
        )
    }

    fn build(model: &Model, adapter: &Adapter) -> Self {
        let mut stacked = BTreeMap::new();
        for layer in 0..model.config.layers {
            for fused in Fused::ALL {
                if let Some(here) = stack(model, adapter, (layer, fused)) {
                    stacked.insert((layer, fused), here);
                }
            }
        }
        Self { stacked }
    }

    /// What is added to a product, where the adapter touches it.
    pub(crate) fn beside(&self, layer: usize, fused: Fused) -> Option<&Stacked> {
        self.stacked.get(&(layer, fused))
    }
}

fn stack(model: &Model, adapter: &Adapter, place: (usize, Fused)) -> Option<Stacked> {
    let (layer, fused) = place;
    let touches = |target| adapter.weights.contains_key(&(layer, target));
    let blocks = blocks(&model.config, &adapter.spec, place, &touches);
    let mut pairs = Vec::new();
    for block in &blocks {
        pairs.extend(pair(model, adapter, (layer, block.target)));
    }
    let outputs = model.layers[layer].weight(fused).size()[0];
    (!pairs.is_empty()).then(|| Stacked::new(blocks, &pairs, outputs, model.tactics.adapter_kind))
}

/// A and B of a linear on the model's device, float32.
fn pair(model: &Model, adapter: &Adapter, place: (usize, Target)) -> Option<(Tensor, Tensor)> {
    let (a, b) = adapter.weights.get(&place)?;
    let device = model.placement.device;
    Some((a.to_device(device), b.to_device(device)))
}
