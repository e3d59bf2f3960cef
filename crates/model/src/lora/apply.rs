//! An adapter in use. In float32 it is merged into copies of the weights it touches; in bfloat16 it is computed beside them, because
//! merging would round small changes away. The base is never written, so dropping an [`Applied`] leaves it bit-identical.

use std::collections::BTreeMap;

use tch::{Kind, Tensor};

use super::{Adapter, LoraSpec, Target};
use crate::{
    config::Config,
    error::{Result, guard},
    model::{Fused, Model},
};

/// An adapter made ready for one model. Drop it to be back at the base.
pub struct Applied {
    merged: BTreeMap<(usize, Fused), Tensor>,
    beside: Option<Beside>,
}

/// Adapter weights on the device, float32.
struct Beside {
    spec: LoraSpec,
    config: Config,
    weights: BTreeMap<(usize, Target), (Tensor, Tensor)>,
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
                Ok(if model.placement.kind == Kind::Float {
                    Self::merge(model, adapter)
                } else {
                    Self::beside_of(model, adapter)
                })
            },
        )
    }

    fn merge(model: &Model, adapter: &Adapter) -> Self {
        let mut merged = BTreeMap::new();
        for layer in 0..model.config.layers {
            for fused in [Fused::Qkv, Fused::Out, Fused::GateUp, Fused::Down] {
                if fused
                    .targets()
                    .iter()
                    .any(|&target| adapter.weights.contains_key(&(layer, target)))
                {
                    merged.insert((layer, fused), merge_one(model, adapter, layer, fused));
                }
            }
        }
        Self {
            merged,
            beside: None,
        }
    }

    fn beside_of(model: &Model, adapter: &Adapter) -> Self {
        let to = |tensor: &Tensor| tensor.to_device(model.placement.device);
        let weights = adapter
            .weights
            .iter()
            .map(|(&place, (a, b))| (place, (to(a), to(b))))
            .collect();
        Self {
            merged: BTreeMap::new(),
            beside: Some(Beside {
                spec: adapter.spec.clone(),
                config: model.config.clone(),
                weights,
            }),
        }
    }

    pub(crate) fn merged(&self, layer: usize, fused: Fused) -> Option<&Tensor> {
        self.merged.get(&(layer, fused))
    }

    pub(crate) fn is_beside(&self) -> bool {
        self.beside.is_some()
    }

    /// What the adapter adds to the product of `x [rows, in]`, where it is computed beside the base.
    pub(crate) fn beside(&self, layer: usize, fused: Fused, x: &Tensor) -> Option<Tensor> {
        let beside = self.beside.as_ref()?;
        delta(&beside.config, fused, x, |target, x| {
            let (a, b) = beside.weights.get(&(layer, target))?;
            Some(
                x.linear(a, None::<&Tensor>).linear(b, None::<&Tensor>)
                    * beside.spec.scale_at((layer, target)),
            )
        })
    }
}

/// The fused weight with the adapter's products added to the rows of its targets.
fn merge_one(model: &Model, adapter: &Adapter, layer: usize, fused: Fused) -> Tensor {
    let weight = model.layers[layer].weight(fused).copy();
    let mut start = 0;
    for &target in fused.targets() {
        let rows = target.sizes(&model.config).1;
        if let Some((a, b)) = adapter.weights.get(&(layer, target)) {
            let to = |tensor: &Tensor| tensor.to_device(model.placement.device);
            let _ = weight
                .narrow(0, start, rows)
                .g_add_(&(to(b).mm(&to(a)) * adapter.spec.scale_at((layer, target))));
        }
        start += rows;
    }
    weight
}

/// What an adapter adds to a fused product: `scaled(target, x)` for each target it has there, zeros for the others; nothing where it has
/// none. `x` is `[rows, in]`; the result has the kind of `x`.
pub(crate) fn delta(
    config: &Config,
    fused: Fused,
    x: &Tensor,
    scaled: impl Fn(Target, &Tensor) -> Option<Tensor>,
) -> Option<Tensor> {
    let input = x.to_kind(Kind::Float);
    let zeros = |target: Target| {
        Tensor::zeros(
            [x.size()[0], target.sizes(config).1],
            (Kind::Float, x.device()),
        )
    };
    let parts: Vec<(Target, Option<Tensor>)> = fused
        .targets()
        .iter()
        .map(|&target| (target, scaled(target, &input)))
        .collect();
    if parts.iter().all(|(_, part)| part.is_none()) {
        return None;
    }
    let parts: Vec<Tensor> = parts
        .into_iter()
        .map(|(target, part)| part.unwrap_or_else(|| zeros(target)))
        .collect();
    let joined = if let [one] = parts.as_slice() {
        one.shallow_clone()
    } else {
        Tensor::cat(&parts, -1)
    };
    Some(joined.to_kind(x.kind()))
}
