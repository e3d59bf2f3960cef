//! Keys and values of a run of tokens. A sequence is a chain of segments: what prompts share, a
//! prompt's own rest, what a row has written.

use std::sync::Arc;

use super::kernel::GROUP;
use crate::config::Config;

/// Keys and values of the tokens `start..start + length` of a sequence.
pub(super) struct Segment {
    parent: Option<Arc<Segment>>,
    start: usize,
    length: usize,
    shape: Shape,
    /// Per layer and head: keys in blocks of 16 tokens `[block][head_dim][16]`, then values
    /// `[capacity][head_dim]`.
    data: Vec<f32>,
}

#[derive(Clone, Copy)]
struct Shape {
    heads: usize,
    head_dim: usize,
    /// Tokens that fit, a multiple of 16.
    capacity: usize,
}

impl Segment {
    /// An empty one for up to `capacity` tokens behind `parent`.
    pub(super) fn new(config: &Config, parent: Option<Arc<Segment>>, capacity: usize) -> Self {
        let shape = Shape {
            heads: config.kv_heads as usize,
            head_dim: config.head_dim as usize,
            capacity: capacity.next_multiple_of(GROUP),
        };
        let start = parent.as_ref().map_or(0, |parent| parent.end());
        Self {
            parent,
            start,
            length: 0,
            shape,
            data: vec![0.0; config.layers * shape.heads * shape.of_head()],
        }
    }

    /// Tokens of the whole sequence up to here.
    pub(super) fn end(&self) -> usize {
        self.start + self.length
    }

    /// Whether no further token fits.
    pub(super) fn is_full(&self) -> bool {
        self.length == self.shape.capacity
    }

    /// Counts `tokens` more, whose keys and values are put in layer by layer.
    pub(super) fn grow(&mut self, tokens: usize) {
        self.length += tokens;
        assert!(self.length <= self.shape.capacity, "a segment's capacity");
    }

    /// Puts in a key and a value, given as values at a stride, for the token at `position` of the
    /// sequence.
    pub(super) fn put(
        &mut self,
        layer: usize,
        head: usize,
        position: usize,
        key: impl Iterator<Item = f32>,
        value: impl Iterator<Item = f32>,
    ) {
        let Shape {
            head_dim, capacity, ..
        } = self.shape;
        let at = position - self.start;
        let place = self.place(layer, head);
        let (keys, values) = self.data[place].split_at_mut(capacity * head_dim);
        // The block of the token and its column there; its features then lie 16 apart.
        let first = at / GROUP * GROUP * head_dim + at % GROUP;
        keys[first..]
            .iter_mut()
            .step_by(GROUP)
            .zip(key)
            .for_each(|(place, key)| *place = key);
        values[at * head_dim..]
            .iter_mut()
            .zip(value)
            .for_each(|(place, value)| *place = value);
    }

    /// The segments of the sequence that hold tokens before `end`, from its beginning on, each with
    /// the number of such tokens.
    pub(super) fn chain<'a>(&'a self, end: usize, chain: &mut Vec<(&'a Segment, usize)>) {
        if let Some(parent) = &self.parent {
            parent.chain(end, chain);
        }
        if end > self.start {
            chain.push((self, (end - self.start).min(self.length)));
        }
    }

    /// Keys in blocks and values of the first `tokens` tokens; the last block of keys may hold
    /// more.
    pub(super) fn visible(&self, layer: usize, head: usize, tokens: usize) -> (&[f32], &[f32]) {
        let Shape {
            head_dim, capacity, ..
        } = self.shape;
        let (keys, values) = self.data[self.place(layer, head)].split_at(capacity * head_dim);
        (
            &keys[..tokens.next_multiple_of(GROUP) * head_dim],
            &values[..tokens * head_dim],
        )
    }

    fn place(&self, layer: usize, head: usize) -> std::ops::Range<usize> {
        let first = (layer * self.shape.heads + head) * self.shape.of_head();
        first..first + self.shape.of_head()
    }
}

impl Shape {
    /// Numbers of a head in one layer.
    fn of_head(self) -> usize {
        2 * self.capacity * self.head_dim
    }
}
