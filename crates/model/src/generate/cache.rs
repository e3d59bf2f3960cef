//! Keys and values of the rows in work: one slot per row, allocated once, never concatenated.

use tch::{Kind, Tensor};

use super::prefill::{Wave, padded_places};
use crate::{
    device::flash::{self, Sequences},
    forward::Heads,
    memory,
    model::Model,
};

/// Keys and values, per layer `[2, slots, kv_heads, capacity, head_dim]`.
pub(super) struct Cache {
    layers: Vec<Tensor>,
    slots: i64,
    key_heads: i64,
    capacity: i64,
    width: i64,
    /// Whether each row's own keys are read, and no others. The last slot is then spare where a
    /// step has more rows than there are slots: those that only fill it up are there.
    flash: bool,
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
    seen: Seen,
}

enum Seen {
    /// Each row's own keys.
    Own(Sequences),
    /// So many keys of every row, and which of them count: `[rows × kv_heads, 1, keys]`, minus
    /// infinity behind a row's end.
    Masked { keys: i64, mask: Tensor },
}

impl Cache {
    /// Room for `rows` rows of `capacity` tokens, which are whole blocks, in steps of `step_rows`
    /// where those are fixed.
    pub(super) fn new(model: &Model, rows: usize, capacity: usize, step_rows: usize) -> Self {
        let (config, placement) = (&model.config, model.placement);
        let (rows, capacity) = (rows as i64, capacity as i64);
        let flash = flash::available(placement.device, placement.kind, config.head_dim).is_ok()
            && i32::try_from((rows + 1) * config.kv_heads * capacity).is_ok();
        let spare = flash && step_rows as i64 > rows;
        let slots = rows + i64::from(spare);
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
            capacity,
            width: config.head_dim,
            flash,
        }
    }

    /// The rows of a step for `rows` of them: with `fixed`, always as many, at best that number.
    pub(super) fn rows_of_step(&self, rows: usize, fixed: Option<usize>) -> usize {
        match fixed {
            None => rows,
            Some(fixed) if self.flash => fixed,
            // Each needs a slot of its own.
            Some(_) => self.slots as usize,
        }
    }

    /// The keys that a step reads of rows that have at most `tokens`.
    pub(super) fn keys_of_step(&self, tokens: i64) -> i64 {
        if self.flash {
            // Each row's length says it.
            return self.capacity;
        }
        whole_blocks(tokens as usize) as i64
    }

    /// Rows at `positions`, all below `keys`.
    pub(super) fn reach(&self, model: &Model, positions: Tensor, keys: i64) -> Reach {
        let count = positions.size()[0];
        let rows = Tensor::arange(count, (Kind::Int64, positions.device()));
        Reach {
            rows: rows.clamp_max(self.slots - 1),
            seen: if self.flash {
                Seen::Own(self.own(&rows, &positions))
            } else {
                Seen::Masked {
                    keys,
                    mask: self.mask(model, &positions, keys),
                }
            },
            positions,
        }
    }

    /// A row's own new key is written before it is looked at, so it counts as seen.
    fn own(&self, rows: &Tensor, positions: &Tensor) -> Sequences {
        let count = rows.size()[0];
        let whole = (Kind::Int, rows.device());
        let starts = Tensor::arange(count + 1, whole);
        Sequences {
            // The keys of a slot's first head; those of its others are found by their stride.
            key_starts: starts.clamp_max(self.slots - 1) * (self.key_heads * self.capacity),
            query_starts: starts,
            key_counts: Some((positions + 1).to_kind(Kind::Int)),
            most_queries: 1,
            most_keys: self.capacity,
            causal: false,
        }
    }

    fn mask(&self, model: &Model, positions: &Tensor, keys: i64) -> Tensor {
        let (placement, rows) = (model.placement, positions.size()[0]);
        let behind = Tensor::arange(keys, (Kind::Int64, placement.device))
            .gt_tensor(&positions.unsqueeze(1));
        Tensor::zeros([rows, keys], (placement.kind, placement.device))
            .masked_fill(&behind, f64::NEG_INFINITY)
            .view([rows, 1, keys])
            .expand([rows, self.key_heads, keys], false)
            .reshape([rows * self.key_heads, 1, keys])
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
        let rows = heads.all().size()[0];
        let at = [None, Some(&reach.rows), None, Some(&reach.positions)];
        // Indices that are not side by side put their dimension first: rows, then keys and values.
        let new = heads.kv().view([rows, 2, self.key_heads, self.width]);
        let _ = self.layers[layer].index_put_(&at, &new, false);
        match &reach.seen {
            Seen::Own(sequences) => {
                let all = self.by_place(&self.layers[layer]);
                sequences.attend(&heads.q(), &all.get(0), &all.get(1))
            }
            Seen::Masked { keys, mask } => self.masked(&self.layers[layer], heads, *keys, mask),
        }
    }

    /// Keys and values of a layer, `[2, places, kv_heads, head_dim]`: the places of a slot's first
    /// head, from which those of its others are found.
    fn by_place(&self, layer: &Tensor) -> Tensor {
        let (heads, capacity, width) = (self.key_heads, self.capacity, self.width);
        let all = self.slots * heads * capacity;
        layer.as_strided(
            // The last head of the last slot ends where the layer ends.
            [2, all - (heads - 1) * capacity, heads, width],
            [all * width, width, capacity * width, 1],
            None,
        )
    }

    fn masked(&self, layer: &Tensor, heads: &Heads, keys: i64, mask: &Tensor) -> Tensor {
        let rows = heads.all().size()[0];
        let groups = rows * self.key_heads;
        let seen = layer.narrow(1, 0, rows).narrow(3, 0, keys);
        let both = |which| seen.get(which).view([groups, keys, self.width]);
        // All query heads that share a key head are rows of one product.
        let q = heads.q().reshape([groups, -1, self.width]);
        let scale = (self.width as f64).powf(-0.5);
        // Two products and a softmax took 1.4 ms where libtorch's fused attention took 2.4
        // (64 rows on a CPU, `docs/log.md`).
        let scores = mask.baddbmm(&q, &both(0).transpose(1, 2), 1.0, scale);
        scores.softmax(-1, None).bmm(&both(1)).view([rows, -1])
    }
}
