//! The products of a layer in the CPU engine: a weight and, where an adapter touches it, the
//! adapter's two small products beside it.

use std::ops::Range;

use tch::Tensor;

use super::kernel::{Into, Simd, product};
use crate::{
    forward::Weights,
    lora::{Block, Stacked},
    model::Fused,
};

/// One fused product of one layer.
pub(super) struct Linear<'a> {
    weight: &'a [f32],
    beside: Option<LowRank<'a>>,
}

/// An adapter at a fused product.
struct LowRank<'a> {
    /// `[ranks, in]`, the A's of its linears above each other.
    a: &'a [f32],
    ranks: usize,
    parts: Vec<Part>,
}

/// The scaled B of one linear, `[outputs, ranks]`.
struct Part {
    ranks: Range<usize>,
    outputs: Range<usize>,
    b: Vec<f32>,
}

impl<'a> Linear<'a> {
    /// None where the numbers are not float32 on the CPU.
    pub(super) fn new(weights: &Weights<'a>, layer: usize, fused: Fused) -> Option<Self> {
        let beside = match weights.beside(layer, fused) {
            Some(stacked) => Some(LowRank::new(stacked)?),
            None => None,
        };
        Some(Self {
            weight: slice(weights.model.layers[layer].weight(fused))?,
            beside,
        })
    }

    /// `y [out, width]` is set to the product of `x [in, width]`, or has it added. `reduced` is a
    /// buffer.
    pub(super) fn run(
        &self,
        simd: Simd,
        x: &[f32],
        (y, width): (&mut [f32], usize),
        into: Into,
        reduced: &mut Vec<f32>,
    ) {
        product(simd, self.weight, x, y, width, into);
        if let Some(adapter) = &self.beside {
            adapter.add(simd, x, y, width, reduced);
        }
    }
}

impl<'a> LowRank<'a> {
    fn new(stacked: &'a Stacked) -> Option<Self> {
        let part = |block: &Block| {
            let b = block.of_b(&stacked.b).contiguous();
            Some(Part {
                ranks: range(block.ranks),
                outputs: range(block.outputs),
                b: slice(&b)?.to_vec(),
            })
        };
        Some(Self {
            a: slice(&stacked.a)?,
            ranks: stacked.a.size()[0] as usize,
            parts: stacked.blocks.iter().map(part).collect::<Option<_>>()?,
        })
    }

    fn add(&self, simd: Simd, x: &[f32], y: &mut [f32], width: usize, reduced: &mut Vec<f32>) {
        reduced.clear();
        reduced.resize(self.ranks * width, 0.0);
        product(simd, self.a, x, reduced, width, Into::Set);
        for Part { ranks, outputs, b } in &self.parts {
            let x = &reduced[ranks.start * width..ranks.end * width];
            let y = &mut y[outputs.start * width..outputs.end * width];
            product(simd, b, x, y, width, Into::Add);
        }
    }
}

fn range((first, count): (i64, i64)) -> Range<usize> {
    first as usize..(first + count) as usize
}

/// The values of a float32 tensor on the CPU, where they lie.
pub(super) fn slice(tensor: &Tensor) -> Option<&[f32]> {
    let plain = tensor.kind() == tch::Kind::Float
        && tensor.device() == tch::Device::Cpu
        && tensor.is_contiguous();
    // SAFETY: a contiguous float32 tensor on the CPU holds `numel` values there for as long as it
    // lives, and nobody writes to weights.
    plain.then(|| unsafe {
        std::slice::from_raw_parts(tensor.data_ptr().cast::<f32>(), tensor.numel())
    })
}

/// The values of a tensor that may not be there; none at all if they are not as [`slice`] wants.
pub(super) fn optional(tensor: Option<&Tensor>) -> Option<Option<&[f32]>> {
    tensor.map_or(Some(None), |tensor| slice(tensor).map(Some))
}
