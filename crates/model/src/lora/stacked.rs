//! The adapter of one fused product as two matrices, however many linears it touches there:
//! `out += (x Aᵀ) Bᵀ` with the A's above each other and the scaled B's along a diagonal.

use tch::{Kind, Tensor};

use super::{LoraSpec, Target};
use crate::{config::Config, model::Fused};

/// Where the A and B of one linear stand in the stacked ones.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Block {
    pub target: Target,
    /// Rows of A and columns of B: the first, and how many.
    pub ranks: (i64, i64),
    /// Rows of B.
    pub outputs: (i64, i64),
    /// What its B is multiplied with.
    pub scale: f64,
}

impl Block {
    /// Its part of a stacked A.
    pub(crate) fn of_a(&self, stacked: &Tensor) -> Tensor {
        stacked.narrow(0, self.ranks.0, self.ranks.1)
    }

    /// Its part of a stacked B.
    pub(crate) fn of_b(&self, stacked: &Tensor) -> Tensor {
        let rows = stacked.narrow(0, self.outputs.0, self.outputs.1);
        rows.narrow(1, self.ranks.0, self.ranks.1)
    }
}

/// The blocks of an adapter of shape `spec` at a fused product, those of its linears that
/// `touches`.
pub(crate) fn blocks(
    config: &Config,
    spec: &LoraSpec,
    place: (usize, Fused),
    touches: &dyn Fn(Target) -> bool,
) -> Vec<Block> {
    let (layer, fused) = place;
    let (mut blocks, mut first_rank, mut first_output) = (Vec::new(), 0, 0);
    for &target in fused.targets() {
        let outputs = target.sizes(config).1;
        if touches(target) {
            let rank = spec.rank_at((layer, target));
            blocks.push(Block {
                target,
                ranks: (first_rank, rank),
                outputs: (first_output, outputs),
                scale: spec.scale_at((layer, target)),
            });
            first_rank += rank;
        }
        first_output += outputs;
    }
    blocks
}

/// A `[ranks, in]` and B `[out, ranks]` of a fused product.
pub(crate) struct Stacked {
    pub blocks: Vec<Block>,
    pub a: Tensor,
    pub b: Tensor,
}

impl Stacked {
    /// `pairs` holds A and B of each of `blocks`; `outputs` is the width of the fused product.
    pub(crate) fn new(
        blocks: Vec<Block>,
        pairs: &[(Tensor, Tensor)],
        outputs: i64,
        kind: Kind,
    ) -> Self {
        let mut all_a = Vec::new();
        let ranks = blocks.iter().map(|block| block.ranks.1).sum::<i64>();
        let b = Tensor::zeros([outputs, ranks], (kind, pairs[0].1.device()));
        for (block, (one_a, one_b)) in blocks.iter().zip(pairs) {
            all_a.push(one_a);
            // Scaled in float32, before it is rounded.
            block.of_b(&b).copy_(&(one_b * block.scale));
        }
        let a = Tensor::cat(&all_a, 0).to_kind(kind);
        Self { blocks, a, b }
    }

    /// `out`, the product of `x` with the base, with the adapter's added to it.
    pub(crate) fn add_to(&self, out: Tensor, x: &Tensor) -> Tensor {
        self.add_reduced(out, &x.to_kind(self.a.kind()).mm(&self.a.tr()))
    }

    /// The same for `reduced`, which is `x Aᵀ`.
    pub(crate) fn add_reduced(&self, mut out: Tensor, reduced: &Tensor) -> Tensor {
        if out.kind() == self.b.kind() {
            // In training too: a product's gradient needs its inputs, never what came out.
            return out.addmm_(reduced, &self.b.tr());
        }
        let added = reduced.mm(&self.b.tr()).to_kind(out.kind());
        out + added
    }
}
