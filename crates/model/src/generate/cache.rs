//! Keys and values of the rows in work: one slot per row, allocated once, never concatenated.

use tch::Tensor;

use super::prefill::Keys;
use crate::{memory, model::Model};

/// Per layer `[slots, kv_heads, capacity, head_dim]`.
pub(super) struct Cache {
    pub layers: Vec<(Tensor, Tensor)>,
}

/// What a cache may take on the CPU, and on a GPU that does not say how much is free.
const CPU_BYTES: usize = 2 << 30;
const GPU_BYTES: usize = 4 << 30;

/// How many rows of `capacity` tokens fit, at most `wanted`, at least one. On the CPU it depends on the request alone; a GPU's cache may
/// take half of what the weights leave.
pub(super) fn fitting_rows(model: &Model, capacity: usize, wanted: usize) -> usize {
    let placement = model.placement;
    let left = || memory::beside_weights(&model.config, placement);
    let on_gpu = || {
        left().map_or(GPU_BYTES, |left| {
            usize::try_from(left / 2).unwrap_or(usize::MAX)
        })
    };
    let budget = if placement.is_cpu() {
        CPU_BYTES
    } else {
        on_gpu()
    };
    let per_token = 2
        * model.config.layers
        * model.config.kv_size() as usize
        * model.placement.kind.elt_size_in_bytes();
    (budget / (per_token * capacity)).clamp(1, wanted.max(1))
}

impl Cache {
    pub(super) fn new(model: &Model, slots: usize, capacity: usize) -> Self {
        let (config, placement) = (&model.config, model.placement);
        let shape = [
            slots as i64,
            config.kv_heads,
            capacity as i64,
            config.head_dim,
        ];
        // Zeros, not garbage: masked places are multiplied by zero, and zero times NaN is NaN.
        let zeros = || Tensor::zeros(shape, (placement.kind, placement.device));
        Self {
            layers: (0..config.layers).map(|_| (zeros(), zeros())).collect(),
        }
    }

    /// Copies a prompt into `slot`.
    pub(super) fn admit(&mut self, slot: usize, keys: &Keys) {
        for ((k, v), (new_k, new_v)) in self.layers.iter().zip(&keys.layers) {
            k.get(slot as i64).narrow(1, 0, keys.length).copy_(new_k);
            v.get(slot as i64).narrow(1, 0, keys.length).copy_(new_v);
        }
    }

    /// Copies the first `length` tokens of slot `from` into slot `to`.
    pub(super) fn copy(&mut self, from: usize, to: usize, length: i64) {
        for (k, v) in &self.layers {
            for tensor in [k, v] {
                tensor
                    .get(to as i64)
                    .narrow(1, 0, length)
                    .copy_(&tensor.get(from as i64).narrow(1, 0, length));
            }
        }
    }
}
