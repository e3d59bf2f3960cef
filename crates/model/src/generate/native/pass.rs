//! The forward pass of the CPU engine: up to 64 tokens of any sequences through all layers. Follows
//! transformers' gemma3, llama, mistral, qwen2 and qwen3 as `crate::forward` does; departs from it
//! by keeping activations as columns `[features, width]`. It runs on one thread and writes to
//! nothing but its workspace and the sequences, so several lanes may run it over the same weights.

use super::{
    attention,
    kernel::{GROUP, Into, Simd, WIDEST, product},
    linear::{Linear, optional, slice},
    ops,
    segment::Segment,
};
use crate::{
    config::{Activation, Config},
    forward::Weights,
    model::{Angles, Fused, Layer},
};

/// A model's weights as plain slices.
pub(super) struct Net<'a> {
    pub simd: Simd,
    pub config: &'a Config,
    embedding: &'a [f32],
    head: &'a [f32],
    embedding_scale: f32,
    final_norm: &'a [f32],
    angles: AngleView<'a>,
    /// Those of layers that see a window alone.
    local_angles: Option<AngleView<'a>>,
    layers: Vec<LayerView<'a>>,
}

struct AngleView<'a> {
    cos: &'a [f32],
    sin: &'a [f32],
}

struct LayerView<'a> {
    attention_norm: &'a [f32],
    mlp_norm: &'a [f32],
    out_norm: Option<&'a [f32]>,
    down_norm: Option<&'a [f32]>,
    is_local: bool,
    head_norms: Option<(&'a [f32], &'a [f32])>,
    qkv: Linear<'a>,
    qkv_bias: Option<&'a [f32]>,
    out: Linear<'a>,
    gate_up: Linear<'a>,
    down: Linear<'a>,
}

/// A token that goes through the model: it is appended to a sequence.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token {
    pub id: i64,
    /// Index into the sequences of the pass.
    pub sequence: usize,
}

/// Buffers of a lane, used again by every pass.
#[derive(Default)]
pub(super) struct Workspace {
    x: Vec<f32>,
    normed: Vec<f32>,
    qkv: Vec<f32>,
    head: Vec<f32>,
    attended: Vec<f32>,
    gate_up: Vec<f32>,
    added: Vec<f32>,
    reduced: Vec<f32>,
    turn: Turn,
    local_turn: Turn,
    scores: Vec<f32>,
    shares: Vec<f32>,
    query: Vec<f32>,
    mixed: Vec<f32>,
}

/// Rotations of the tokens of a pass as columns, `[head_dim / 2, width]`.
#[derive(Default)]
struct Turn {
    cos: Vec<f32>,
    sin: Vec<f32>,
}

/// Logits are computed for this many entries of the vocabulary at a time, so that they can be
/// turned into rows within the cache.
const VOCAB_BLOCK: usize = 384;

impl<'a> Net<'a> {
    /// The weights as this engine wants them; none if they are not float32 on the CPU.
    pub(super) fn new(simd: Simd, weights: &Weights<'a>) -> Option<Self> {
        let model = weights.model;
        let view = |(index, layer): (usize, &'a Layer)| {
            let linear = |fused| Linear::new(weights, index, fused);
            let head_norms = match (&layer.q_norm, &layer.k_norm) {
                (Some(q), Some(k)) => Some((slice(q)?, slice(k)?)),
                _ => None,
            };
            Some(LayerView {
                attention_norm: slice(&layer.attention_norm)?,
                mlp_norm: slice(&layer.mlp_norm)?,
                out_norm: optional(layer.out_norm.as_ref())?,
                down_norm: optional(layer.down_norm.as_ref())?,
                is_local: model.config.is_local(index),
                head_norms,
                qkv: linear(Fused::Qkv)?,
                qkv_bias: optional(layer.qkv_bias.as_ref())?,
                out: linear(Fused::Out)?,
                gate_up: linear(Fused::GateUp)?,
                down: linear(Fused::Down)?,
            })
        };
        Some(Self {
            simd,
            config: &model.config,
            embedding: slice(&model.embedding)?,
            head: slice(&model.head)?,
            embedding_scale: model.embedding_scale as f32,
            final_norm: slice(&model.final_norm)?,
            angles: AngleView::new(&model.angles)?,
            local_angles: match &model.local_angles {
                Some(angles) => Some(AngleView::new(angles)?),
                None => None,
            },
            layers: model
                .layers
                .iter()
                .enumerate()
                .map(view)
                .collect::<Option<_>>()?,
        })
    }

    /// Appends `tokens`, at most 64, to their `sequences` and puts the logits behind those in
    /// `wanted` (indices into `tokens`) into `logits [wanted][vocab]`.
    pub(super) fn run(
        &self,
        work: &mut Workspace,
        tokens: &[Token],
        sequences: &mut [&mut Segment],
        wanted: &[usize],
        logits: &mut Vec<f32>,
    ) {
        assert!(
            tokens.len() <= WIDEST && !tokens.is_empty(),
            "{} tokens in a pass",
            tokens.len()
        );
        // The columns that are missing to a whole vector are computed too and never read.
        let width = tokens.len().next_multiple_of(GROUP);
        // Counted before the layers run: several tokens of one sequence then have their own places.
        let places: Vec<usize> = tokens
            .iter()
            .map(|token| {
                let place = sequences[token.sequence].end();
                sequences[token.sequence].grow(1);
                place
            })
            .collect();
        self.begin(work, tokens, &places, width);
        for index in 0..self.layers.len() {
            self.attention(work, index, tokens, &places, sequences, width);
            self.mlp(work, index, width);
        }
        self.logits(work, wanted, width, logits);
    }

    /// Embeddings and rotations of the tokens as columns.
    fn begin(&self, work: &mut Workspace, tokens: &[Token], places: &[usize], width: usize) {
        let (hidden, half) = (
            self.config.hidden_size as usize,
            self.config.head_dim as usize / 2,
        );
        // Columns without a token begin as zeros and stay so: nothing in them can grow too large.
        clear(&mut work.x, hidden * width);
        for (column, token) in tokens.iter().enumerate() {
            let embedding = &self.embedding[token.id as usize * hidden..][..hidden];
            put_column(&mut work.x, width, column, embedding);
        }
        if self.embedding_scale != 1.0 {
            work.x.iter_mut().for_each(|v| *v *= self.embedding_scale);
        }
        work.turn.fill(&self.angles, half, places, width);
        if let Some(angles) = &self.local_angles {
            work.local_turn.fill(angles, half, places, width);
        }
    }

    fn attention(
        &self,
        work: &mut Workspace,
        index: usize,
        tokens: &[Token],
        places: &[usize],
        sequences: &mut [&mut Segment],
        width: usize,
    ) {
        let (config, layer) = (self.config, &self.layers[index]);
        clear(&mut work.normed, work.x.len());
        ops::norm(
            self.simd,
            &work.x,
            layer.attention_norm,
            config.norm_eps,
            width,
            &mut work.normed,
        );
        clear(
            &mut work.qkv,
            (config.q_size() + 2 * config.kv_size()) as usize * width,
        );
        layer.qkv.run(
            self.simd,
            &work.normed,
            (&mut work.qkv, width),
            Into::Set,
            &mut work.reduced,
        );
        if let Some(bias) = layer.qkv_bias {
            work.qkv
                .chunks_exact_mut(width)
                .zip(bias)
                .for_each(|(row, bias)| row.iter_mut().for_each(|v| *v += bias));
        }
        self.turn(work, layer, width);
        // The keys of all tokens before any attends: they may be of one sequence and see each
        // other.
        for (column, (token, &place)) in tokens.iter().zip(places).enumerate() {
            self.store(
                work,
                index,
                sequences[token.sequence],
                (column, place),
                width,
            );
        }
        clear(&mut work.attended, config.q_size() as usize * width);
        // Head by head, so that its keys and values stay in the cache for the tokens that share
        // them.
        for head in 0..config.kv_heads as usize {
            for (column, (token, &place)) in tokens.iter().zip(places).enumerate() {
                self.attend(
                    work,
                    (index, head),
                    sequences[token.sequence],
                    (column, place),
                    width,
                );
            }
        }
        let attended = std::mem::take(&mut work.attended);
        self.add(work, &layer.out, layer.out_norm, &attended, width);
        work.attended = attended;
    }

    /// Adds the product of `input` to the residual, normed first where there is a norm
    /// for it.
    fn add(
        &self,
        work: &mut Workspace,
        linear: &Linear<'_>,
        norm: Option<&[f32]>,
        input: &[f32],
        width: usize,
    ) {
        let Some(norm) = norm else {
            let x = (work.x.as_mut_slice(), width);
            linear.run(self.simd, input, x, Into::Add, &mut work.reduced);
            return;
        };
        clear(&mut work.added, work.x.len());
        let added = (work.added.as_mut_slice(), width);
        linear.run(self.simd, input, added, Into::Set, &mut work.reduced);
        let eps = self.config.norm_eps;
        ops::norm(self.simd, &work.added, norm, eps, width, &mut work.normed);
        work.x
            .iter_mut()
            .zip(&work.normed)
            .for_each(|(x, added)| *x += added);
    }

    /// Norms of heads and rotation of queries and keys.
    fn turn(&self, work: &mut Workspace, layer: &LayerView<'_>, width: usize) {
        let (heads, size) = (
            self.config.heads as usize,
            self.config.head_dim as usize * width,
        );
        let turned = heads + self.config.kv_heads as usize;
        let turn = if layer.is_local {
            &work.local_turn
        } else {
            &work.turn
        };
        for (index, head) in work.qkv.chunks_exact_mut(size).take(turned).enumerate() {
            if let Some((q_norm, k_norm)) = layer.head_norms {
                // A copy, as the norm writes to where it would read.
                work.head.clear();
                work.head.extend_from_slice(head);
                ops::norm(
                    self.simd,
                    &work.head,
                    if index < heads { q_norm } else { k_norm },
                    self.config.norm_eps,
                    width,
                    head,
                );
            }
            ops::rotate(self.simd, head, &turn.cos, &turn.sin);
        }
    }

    /// Keys and values of one token into its sequence.
    fn store(
        &self,
        work: &Workspace,
        index: usize,
        segment: &mut Segment,
        (column, place): (usize, usize),
        width: usize,
    ) {
        let (q, kv, dim) = (
            self.config.q_size() as usize,
            self.config.kv_size() as usize,
            self.config.head_dim as usize,
        );
        for head in 0..self.config.kv_heads as usize {
            let of = |start: usize| {
                work.qkv[(start + head * dim) * width + column..]
                    .iter()
                    .step_by(width)
                    .take(dim)
                    .copied()
            };
            segment.put(index, head, place, of(q), of(q + kv));
        }
    }

    /// Attention of one token over its sequence up to itself, for the queries of one key head.
    fn attend(
        &self,
        work: &mut Workspace,
        (index, head): (usize, usize),
        segment: &Segment,
        (column, place): (usize, usize),
        width: usize,
    ) {
        let (config, dim) = (self.config, self.config.head_dim as usize);
        let group = (config.heads / config.kv_heads) as usize;
        // The last block of keys reaches up to 15 places beyond the tokens, so rows of scores have
        // room for them.
        let (scale, seen, stride) = ((dim as f32).powf(-0.5), place + 1, place + 1 + GROUP);
        let rows = head * group * dim..(head + 1) * group * dim;
        work.query.clear();
        // The query is scaled rather than every score: a head has fewer features than keys.
        work.query.extend(
            rows.clone()
                .map(|row| work.qkv[row * width + column] * scale),
        );
        let mut chain = Vec::new();
        segment.chain(seen, &mut chain);
        room(&mut work.scores, group * stride);
        room(&mut work.shares, group * stride);
        let mut at = 0;
        for &(segment, tokens) in &chain {
            let (keys, _) = segment.visible(index, head, tokens);
            // A block's places behind `tokens` are written again by the next segment, or lie behind
            // the end.
            attention::score_keys(
                self.simd,
                &work.query,
                dim,
                keys,
                &mut work.scores[at..group * stride],
                stride,
            );
            at += tokens;
        }
        for (scores, shares) in work
            .scores
            .chunks_exact(stride)
            .zip(work.shares.chunks_exact_mut(stride))
            .take(group)
        {
            let most = ops::most(self.simd, &scores[..seen]);
            ops::shares(self.simd, &scores[..seen], most, 1.0, &mut shares[..seen]);
        }
        clear(&mut work.mixed, group * dim);
        let mut at = 0;
        for &(segment, tokens) in &chain {
            let (_, values) = segment.visible(index, head, tokens);
            attention::add_values(
                self.simd,
                &work.shares[at..group * stride],
                stride,
                values,
                dim,
                &mut work.mixed,
            );
            at += tokens;
        }
        for ((row, mixed), shares) in rows
            .step_by(dim)
            .zip(work.mixed.chunks_exact(dim))
            .zip(work.shares.chunks_exact(stride))
        {
            // Divided by at the end, once for each output rather than for each key.
            let total = ops::sum(self.simd, &shares[..seen]) as f32;
            mixed
                .iter()
                .enumerate()
                .for_each(|(at, v)| work.attended[(row + at) * width + column] = v / total);
        }
    }

    fn mlp(&self, work: &mut Workspace, index: usize, width: usize) {
        let (config, layer) = (self.config, &self.layers[index]);
        ops::norm(
            self.simd,
            &work.x,
            layer.mlp_norm,
            config.norm_eps,
            width,
            &mut work.normed,
        );
        // Gate and up stand behind each other; what is computed of them is left in the first half.
        let inner = config.intermediate_size as usize * width;
        clear(&mut work.gate_up, 2 * inner);
        layer.gate_up.run(
            self.simd,
            &work.normed,
            (&mut work.gate_up, width),
            Into::Set,
            &mut work.reduced,
        );
        match config.activation() {
            Activation::Silu => ops::silu_gated(self.simd, &mut work.gate_up),
            Activation::GeluTanh => ops::gelu_gated(self.simd, &mut work.gate_up),
        }
        let gated = std::mem::take(&mut work.gate_up);
        self.add(work, &layer.down, layer.down_norm, &gated[..inner], width);
        work.gate_up = gated;
    }

    /// Logits behind the columns in `wanted`.
    fn logits(&self, work: &mut Workspace, wanted: &[usize], width: usize, logits: &mut Vec<f32>) {
        let (hidden, vocab) = (
            self.config.hidden_size as usize,
            self.config.vocab_size as usize,
        );
        logits.clear();
        if wanted.is_empty() {
            return;
        }
        logits.resize(wanted.len() * vocab, 0.0);
        // Of a prompt only the last token needs logits: the head is the widest product of all.
        let narrow = wanted.len().next_multiple_of(GROUP);
        let mut last = vec![0.0; hidden * narrow];
        for (row, last) in work
            .x
            .chunks_exact(width)
            .zip(last.chunks_exact_mut(narrow))
        {
            last.iter_mut()
                .zip(wanted)
                .for_each(|(place, &column)| *place = row[column]);
        }
        clear(&mut work.normed, last.len());
        ops::norm(
            self.simd,
            &last,
            self.final_norm,
            self.config.norm_eps,
            narrow,
            &mut work.normed,
        );
        for first in (0..vocab).step_by(VOCAB_BLOCK) {
            let count = VOCAB_BLOCK.min(vocab - first);
            // The layers are done with this buffer.
            clear(&mut work.gate_up, count * narrow);
            product(
                self.simd,
                &self.head[first * hidden..(first + count) * hidden],
                &work.normed,
                &mut work.gate_up,
                narrow,
                Into::Set,
            );
            for (column, row) in logits.chunks_exact_mut(vocab).enumerate() {
                row[first..first + count]
                    .iter_mut()
                    .enumerate()
                    .for_each(|(at, v)| *v = work.gate_up[at * narrow + column]);
            }
        }
    }
}

impl<'a> AngleView<'a> {
    fn new(angles: &'a Angles) -> Option<Self> {
        Some(Self {
            cos: slice(&angles.cos)?,
            sin: slice(&angles.sin)?,
        })
    }
}

impl Turn {
    /// The rotations at `places`, of `half` pairs each.
    fn fill(&mut self, angles: &AngleView<'_>, half: usize, places: &[usize], width: usize) {
        clear(&mut self.cos, half * width);
        clear(&mut self.sin, half * width);
        for (column, &place) in places.iter().enumerate() {
            let own = place * half..(place + 1) * half;
            put_column(&mut self.cos, width, column, &angles.cos[own.clone()]);
            put_column(&mut self.sin, width, column, &angles.sin[own]);
        }
    }
}

/// At least `count` places, whatever stands there.
fn room(buffer: &mut Vec<f32>, count: usize) {
    if buffer.len() < count {
        buffer.resize(count, 0.0);
    }
}

/// `count` zeros.
fn clear(buffer: &mut Vec<f32>, count: usize) {
    buffer.clear();
    buffer.resize(count, 0.0);
}

fn put_column(columns: &mut [f32], width: usize, column: usize, values: &[f32]) {
    columns[column..]
        .iter_mut()
        .step_by(width)
        .zip(values)
        .for_each(|(place, &value)| *place = value);
}
