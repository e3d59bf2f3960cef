//! An adapter in use. In float32 it is merged into copies of the weights it touches; in bfloat16 it
//! is computed beside them, because merging would round small changes away. The base is never
//! written, so dropping an [`Applied`] leaves it bit-identical.

use std::collections::BTreeMap;

use tch::{Kind, Tensor};

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
    merged: BTreeMap<(usize, Fused), Tensor>,
    beside: BTreeMap<(usize, Fused), Stacked>,
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
        let (mut merged, mut beside) = (BTreeMap::new(), BTreeMap::new());
        for layer in 0..model.config.layers {
            for fused in Fused::ALL {
                let place = (layer, fused);
                if model.placement.kind == Kind::Float {
                    if let Some(weight) = merge(model, adapter, place) {
                        merged.insert(place, weight);
                    }
                } else if let Some(stacked) = stack(model, adapter, place) {
                    beside.insert(place, stacked);
                }
            }
        }
        Self { merged, beside }
    }

    /// The weight of a product with the adapter in it, where it is merged and touches it.
    pub(crate) fn merged(&self, layer: usize, fused: Fused) -> Option<&Tensor> {
        self.merged.get(&(layer, fused))
    }

    /// What is added to a product, where the adapter is beside the base and touches it.
    pub(crate) fn beside(&self, layer: usize, fused: Fused) -> Option<&Stacked> {
        self.beside.get(&(layer, fused))
    }
}

/// The fused weight with the adapter's products added to the rows of its targets.
fn merge(model: &Model, adapter: &Adapter, (layer, fused): (usize, Fused)) -> Option<Tensor> {
    let mut merged: Option<Tensor> = None;
    let mut start = 0;
    for &target in fused.targets() {
        let rows = target.sizes(&model.config).1;
        if let Some((a, b)) = pair(model, adapter, (layer, target)) {
            // Copied for the first linear that is touched: what no adapter touches stays the base's
            // own.
            let weight = merged.get_or_insert_with(|| model.layers[layer].weight(fused).copy());
            let added = b.mm(&a) * adapter.spec.scale_at((layer, target));
            let _ = weight.narrow(0, start, rows).g_add_(&added);
        }
        start += rows;
    }
    merged
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
    (!pairs.is_empty()).then(|| Stacked::new(&blocks, &pairs, outputs, model.tactics.adapter_kind))
}

/// A and B of a linear on the model's device, float32.
fn pair(model: &Model, adapter: &Adapter, place: (usize, Target)) -> Option<(Tensor, Tensor)> {
    let (a, b) = adapter.weights.get(&place)?;
    let device = model.placement.device;
    Some((a.to_device(device), b.to_device(device)))
}
