//! Keys and values of the rows in work: one slot per row, allocated once, never concatenated.

use tch::{Kind, Tensor};

use super::prefill::{Wave, padded_places};
use crate::{forward::Heads, memory, model::Model};

/// Keys and values, per layer `[2, slots, kv_heads, capacity, head_dim]`.
pub(super) struct Cache {
    layers: Vec<Tensor>,
    slots: i64,
    key_heads: i64,
    width: i64,
}

/// What a cache may take on the CPU, and on a GPU that does not say how much is free.
const CPU_BYTES: usize = 2 << 30;
const GPU_BYTES: usize = 4 << 30;

/// A row's keys are read in whole blocks: the products of attention are aligned, and steps of few
/// different sizes can be recorded.
const BLOCK_KEYS: usize = 128;

/// How many rows of `capacity` tokens fit, at most `wanted`, at least one. On the CPU it depends on
/// the request alone; a GPU's cache may take half of what the weights leave.
pub(super) fn fitting_rows(model: &Model, capacity: usize, wanted: usize) -> usize {
    let placement = model.placement;
    let budget = if placement.is_cpu() {
        CPU_BYTES
    } else {
        match memory::beside_weights(&model.config, placement) {
            Some(left) => usize::try_from(left / 2).unwrap_or(usize::MAX),
            None => GPU_BYTES,
        }
    };
    let per_token = 2
        * model.config.layers
        * model.config.kv_size() as usize
        * model.placement.kind.elt_size_in_bytes();
    // One at least: where not even that fits, allocating it says so.
    (budget / (per_token * capacity)).clamp(1, wanted.max(1))
}

/// `tokens` and what is missing to whole blocks.
pub(super) fn whole_blocks(tokens: usize) -> usize {
    tokens.next_multiple_of(BLOCK_KEYS)
}

/// The rows of a step and what they see, the same for all layers.
pub(super) struct Reach {
    /// `[rows]`: their slots.
    rows: Tensor,
    /// `[rows]`: where their new keys go.
    positions: Tensor,
    /// `[rows × kv_heads, 1, keys]`: minus infinity behind a row's end.
    mask: Tensor,
    keys: i64,
}

impl Reach {
    /// Rows at `positions`, all below `keys`.
    pub(super) fn new(model: &Model, positions: Tensor, keys: i64) -> Self {
        let (placement, kv_heads) = (model.placement, model.config.kv_heads);
        let (rows, device) = (positions.size()[0], placement.device);
        // A row's own new key is written before it is looked at, so it counts as seen.
        let behind = Tensor::arange(keys, (Kind::Int64, device)).gt_tensor(&positions.unsqueeze(1));
        let mask = Tensor::zeros([rows, keys], (placement.kind, device))
            .masked_fill(&behind, f64::NEG_INFINITY)
            .view([rows, 1, keys])
            .expand([rows, kv_heads, keys], false)
            .reshape([rows * kv_heads, 1, keys]);
        Self {
            rows: Tensor::arange(rows, (Kind::Int64, device)),
            positions,
            mask,
            keys,
        }
    }
}

impl Cache {
    /// Room for `slots` rows of `capacity` tokens, which are whole blocks.
    pub(super) fn new(model: &Model, slots: usize, capacity: usize) -> Self {
        let (config, placement) = (&model.config, model.placement);
        let (slots, capacity) = (slots as i64, capacity as i64);
        let shape = [2, slots, config.kv_heads, capacity, config.head_dim];
        let mut layers = Vec::new();
        for _ in 0..config.layers {
            // Zeros, not garbage: masked places are multiplied by zero, and zero times NaN is NaN.
            layers.push(Tensor::zeros(shape, (placement.kind, placement.device)));
        }
        Self {
            layers,
            slots,
            key_heads: config.kv_heads,
            width: config.head_dim,
        }
    }

    pub(super) fn slots(&self) -> usize {
        self.slots as usize
    }

    /// Copies `prompts` of a wave into the slots from `first` on.
    pub(super) fn admit(&mut self, first: usize, wave: &Wave, prompts: &[usize]) {
        let (places, longest) = padded_places(wave, prompts);
        let rows = prompts.len() as i64;
        for (own, computed) in self.layers.iter().zip(&wave.layers) {
            let padded = computed
                .index_select(0, &places)
                .view([rows, longest, 2, self.key_heads, self.width])
                .permute([2, 0, 3, 1, 4]);
            // What padding puts behind a prompt is masked until the row's own keys are written over
            // it.
            own.narrow(1, first as i64, rows)
                .narrow(3, 0, longest)
                .copy_(&padded);
        }
    }

    /// Copies the first `length` tokens of slot `from` into slot `to`.
    pub(super) fn copy(&mut self, from: usize, to: usize, length: i64) {
        for layer in &self.layers {
            let source = layer.select(1, from as i64).narrow(2, 0, length);
            layer
                .select(1, to as i64)
                .narrow(2, 0, length)
                .copy_(&source);
        }
    }

    /// Writes the new keys and values of a layer and attends: `[rows, heads × head_dim]`.
    pub(super) fn attend(&mut self, layer: usize, heads: &Heads, reach: &Reach) -> Tensor {
        let (rows, _, width) = heads.all().size3().expect("heads have three dimensions");
        let groups = rows * self.key_heads;
        let at = [None, Some(&reach.rows), None, Some(&reach.positions)];
        // Indices that are not side by side put their dimension first: rows, then keys and values.
        let new = heads.kv().view([rows, 2, self.key_heads, width]);
        let own = &mut self.layers[layer];
        let _ = own.index_put_(&at, &new, false);
        let seen = own.narrow(1, 0, rows).narrow(3, 0, reach.keys);
        let keys = seen.get(0).view([groups, reach.keys, width]);
        let values = seen.get(1).view([groups, reach.keys, width]);
        // All query heads that share a key head are rows of one product.
        let q = heads.q().reshape([groups, -1, width]);
        let scale = (width as f64).powf(-0.5);
        // Two products and a softmax took 1.4 ms where libtorch's fused attention took 2.4
        // (64 rows on a CPU, `docs/log.md`).
        let scores = reach.mask.baddbmm(&q, &keys.transpose(1, 2), 1.0, scale);
        scores.softmax(-1, None).bmm(&values).view([rows, -1])
    }
}
