//! One step of decoding: a token per row in, logits out.

use tch::{Device, Kind, Tensor};

use super::cache::{Cache, Reach};
use crate::forward::{self, Heads, Pass, Rotation, Weights};

/// What a row brings to a step.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    /// The token it appends.
    pub id: i64,
    /// How many of its tokens are cached.
    pub length: i64,
    /// Where in the distribution behind the token its next one is drawn.
    pub uniform: f64,
}

/// The rows of a step on the device.
pub(super) struct Step {
    ids: Tensor,
    positions: Tensor,
    /// The greatest of `positions`.
    last: i64,
    pub uniforms: Tensor,
}

impl Step {
    /// Uploads everything at once: every upload waits for the device.
    pub(super) fn new(entries: &[Entry], device: Device) -> Self {
        let mut values: Vec<f64> = Vec::with_capacity(3 * entries.len());
        values.extend(entries.iter().map(|entry| entry.id as f64));
        values.extend(entries.iter().map(|entry| entry.length as f64));
        values.extend(entries.iter().map(|entry| entry.uniform));
        let uploaded = Tensor::from_slice(&values)
            .view([3, entries.len() as i64])
            .to_device(device);
        let whole = uploaded.narrow(0, 0, 2).to_kind(Kind::Int64);
        let last = entries.iter().map(|entry| entry.length).max();
        Self {
            ids: whole.get(0),
            positions: whole.get(1),
            last: last.unwrap_or(0),
            uniforms: uploaded.get(2),
        }
    }

    /// Appends the tokens to the first rows in `cache`; gives the logits behind them,
    /// `[rows, vocab]`, float32.
    pub(super) fn run(&self, weights: Weights<'_>, cache: &mut Cache) -> Tensor {
        let model = weights.model;
        let reach = Reach::new(model, self.positions.shallow_clone(), self.last);
        let pass = Pass {
            model,
            rotation: &Rotation::new(model, &self.positions),
            linears: &weights,
        };
        let mut attend = |layer: usize, heads: &Heads| cache.attend(layer, heads, &reach);
        let hidden = pass.hidden_states(&self.ids, &mut attend);
        forward::logits(model, &hidden)
    }
}
