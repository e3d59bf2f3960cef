//! The adapter that is trained: one float32 tensor with all A and B behind each other, so that the
//! optimiser takes a dozen operations however many linears there are; and what the forward pass
//! multiplies with, made from it once a step.

use std::collections::BTreeMap;

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};
use tch::{Device, Kind, Tensor};

use crate::{
    error::{Error, Result},
    lora::{Adapter, LoraSpec, Stacked, Target, blocks},
    model::{Fused, Model},
};

/// An A or a B within the flat tensor.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Slot {
    pub layer: usize,
    pub target: Target,
    pub is_b: bool,
    start: i64,
    pub shape: [i64; 2],
}

impl Slot {
    /// Its part of a flat tensor.
    pub(super) fn of(&self, flat: &Tensor) -> Tensor {
        let [rows, columns] = self.shape;
        flat.narrow(0, self.start, rows * columns).view(self.shape)
    }
}

/// All parameters, A before B, in the order of layers and targets.
pub(super) struct Parameters {
    pub flat: Tensor,
    pub slots: Vec<Slot>,
}

type Pairs = BTreeMap<(usize, Target), (Tensor, Tensor)>;

impl Parameters {
    /// Before any training: A uniform within ±1/√in, B zero.
    pub(super) fn fresh(model: &Model, spec: &LoraSpec, seed: u64) -> Self {
        let mut stream = ChaCha8Rng::seed_from_u64(seed);
        let mut pairs = Pairs::new();
        for layer in 0..model.config.layers {
            for &target in &spec.targets {
                let (input, output) = target.sizes(&model.config);
                let rank = spec.rank_at((layer, target));
                // What `kaiming_uniform_` with a = √5 comes to, which peft calls.
                let bound = 1.0 / (input as f32).sqrt();
                let mut values = Vec::new();
                for _ in 0..rank * input {
                    let uniform = (stream.next_u32() >> 8) as f32 / (1 << 24) as f32;
                    values.push((uniform * 2.0 - 1.0) * bound);
                }
                let a = Tensor::from_slice(&values).view([rank, input]);
                let b = Tensor::zeros([output, rank], (Kind::Float, Device::Cpu));
                pairs.insert((layer, target), (a, b));
            }
        }
        Self::new(&pairs, model.placement.device)
    }

    /// Those of `adapter`, which has to be of shape `spec`.
    pub(super) fn of_adapter(model: &Model, spec: &LoraSpec, adapter: &Adapter) -> Result<Self> {
        adapter.check_against(model)?;
        adapter.check_trainable()?;
        let theirs = adapter.spec();
        let wanted = LoraSpec {
            dropout: spec.dropout,
            ..theirs.clone()
        };
        if *spec != wanted {
            return Err(Error::Adapter(format!(
                "training goes on with {theirs:?}, but {spec:?} is asked for"
            )));
        }
        Ok(Self::new(&adapter.weights, model.placement.device))
    }

    pub(super) fn new(pairs: &Pairs, device: Device) -> Self {
        let (mut slots, mut values, mut start) = (Vec::new(), Vec::new(), 0);
        for (&(layer, target), (a, b)) in pairs {
            for (tensor, is_b) in [(a, false), (b, true)] {
                let (rows, columns) = tensor.size2().expect("A and B are matrices");
                slots.push(Slot {
                    layer,
                    target,
                    is_b,
                    start,
                    shape: [rows, columns],
                });
                start += rows * columns;
                values.push(tensor.reshape([-1]));
            }
        }
        let flat = Tensor::cat(&values, 0).to_device(device);
        Self { flat, slots }
    }

    /// Copies of A and B by layer and target, on the CPU.
    pub(super) fn pairs(&self) -> Pairs {
        let flat = self.flat.to_device(Device::Cpu);
        let mut pairs = Pairs::new();
        for both in self.slots.chunks_exact(2) {
            let pair = (both[0].of(&flat).copy(), both[1].of(&flat).copy());
            pairs.insert((both[0].layer, both[0].target), pair);
        }
        pairs
    }

    /// A and B of a linear as they are now.
    fn pair(&self, place: (usize, Target)) -> Option<(Tensor, Tensor)> {
        let at = self
            .slots
            .partition_point(|slot| (slot.layer, slot.target) < place);
        let a = self.slots.get(at)?;
        let found = (a.layer, a.target) == place;
        found.then(|| (a.of(&self.flat), self.slots[at + 1].of(&self.flat)))
    }
}

/// The adapter as the forward pass takes it, in the kind it is computed in; gradients are taken of
/// its stacked matrices.
pub(super) struct Leaves(BTreeMap<(usize, Fused), Stacked>);

impl Leaves {
    pub(super) fn new(model: &Model, spec: &LoraSpec, parameters: &Parameters) -> Self {
        let _no_grad = tch::no_grad_guard();
        let mut leaves = BTreeMap::new();
        for layer in 0..model.config.layers {
            for fused in Fused::ALL {
                let touches = |target| parameters.pair((layer, target)).is_some();
                let blocks = blocks(&model.config, spec, (layer, fused), &touches);
                let mut pairs = Vec::new();
                for block in &blocks {
                    pairs.extend(parameters.pair((layer, block.target)));
                }
                if pairs.is_empty() {
                    continue;
                }
                let outputs = model.layers[layer].weight(fused).size()[0];
                let kind = model.tactics.adapter_kind;
                let Stacked { blocks, a, b } = Stacked::new(blocks, &pairs, outputs, kind);
                let leaf = Stacked {
                    blocks,
                    a: a.set_requires_grad(true),
                    b: b.set_requires_grad(true),
                };
                leaves.insert((layer, fused), leaf);
            }
        }
        Self(leaves)
    }

    pub(super) fn get(&self, layer: usize, fused: Fused) -> Option<&Stacked> {
        self.0.get(&(layer, fused))
    }

    /// The stacked A and B of `layers`, in their order.
    pub(super) fn tensors(&self, layers: std::ops::Range<usize>) -> Vec<&Tensor> {
        let mut tensors = Vec::new();
        for (_, leaf) in self
            .0
            .range((layers.start, Fused::Qkv)..(layers.end, Fused::Qkv))
        {
            tensors.extend([&leaf.a, &leaf.b]);
        }
        tensors
    }

    /// The flat gradient of all parameters, float32, from those of [`Self::tensors`].
    pub(super) fn flat_gradient(&self, gradients: &[Tensor]) -> Tensor {
        let _no_grad = tch::no_grad_guard();
        let mut by_target = BTreeMap::new();
        for ((&(layer, _), leaf), both) in self.0.iter().zip(gradients.chunks_exact(2)) {
            for block in &leaf.blocks {
                let a = block.of_a(&both[0]);
                // The stacked B is the scaled one. What lies beside its blocks is no parameter and
                // gets no gradient.
                let b = block.of_b(&both[1]) * block.scale;
                // From the order of products to that of parameters.
                by_target.insert((layer, block.target), [a.reshape([-1]), b.reshape([-1])]);
            }
        }
        let parts: Vec<Tensor> = by_target.into_values().flatten().collect();
        Tensor::cat(&parts, 0).to_kind(Kind::Float)
    }
}
