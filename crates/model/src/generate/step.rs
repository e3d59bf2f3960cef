//! One step of decoding: a token per row in, the tokens drawn behind them out.

use tch::{Device, Kind, Tensor};

use super::{
    Sampling,
    cache::Cache,
    sampling::{Choice, Drawn},
};
use crate::{
    device::graph::{self, Graph},
    error::Result,
    forward::{self, Heads, Pass, Rotation, Weights},
};

/// What a row brings to a step.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Entry {
    /// The token it appends.
    pub id: i64,
    /// How many of its tokens are cached.
    pub length: i64,
    /// Where in the distribution behind the token its next one is drawn.
    pub uniform: f64,
}

/// The size of a step: its rows and the keys that they may see.
type Size = (i64, i64);

/// Does steps. On a GPU a step of a size that has been before is recorded, and replayed from then
/// on.
pub(super) struct Decoder<'a> {
    weights: Weights<'a>,
    sampling: Sampling,
    /// The rows of every step, where they are fixed.
    rows: Option<usize>,
    /// Steps by their size; none where one was done but not yet recorded.
    recorded: Vec<(Size, Option<Recorded>)>,
}

struct Recorded {
    graph: Graph,
    inputs: Tensor,
    choice: Choice,
}

impl Recorded {
    fn replay(&self, inputs: &Tensor) -> &Choice {
        self.inputs.shallow_clone().copy_(inputs);
        if let Err(reason) = self.graph.replay() {
            // As tch does for every other operation; whoever called for the work catches it.
            panic!("{reason}");
        }
        &self.choice
    }
}

/// Recorded sizes that are kept; their memory is shared, but for what they give.
const RECORDED_SIZES: usize = 6;

impl<'a> Decoder<'a> {
    /// For steps of at most `most_rows`.
    pub(super) fn new(weights: Weights<'a>, sampling: Sampling, most_rows: usize) -> Self {
        let fixed = weights.model.tactics.fixed_shapes;
        Self {
            weights,
            sampling,
            rows: fixed.then_some(most_rows),
            recorded: Vec::new(),
        }
    }

    /// Appends the tokens of `entries` to the first rows in `cache` and draws the next ones.
    pub(super) fn step(&mut self, cache: &mut Cache, entries: &[Entry]) -> Result<Vec<Drawn>> {
        let last = entries.iter().map(|entry| entry.length).max().unwrap_or(0);
        // The new token is one more than a row has cached.
        let keys = cache.keys_of_step(last + 1);
        let rows = cache.rows_of_step(entries.len(), self.rows);
        let inputs = inputs(entries, rows);
        let size = (rows as i64, keys);
        Ok(match self.replayed(cache, &inputs, size) {
            Some(choice) => choice.read(entries.len()),
            None => {
                let choice = self.run(cache, &self.on_device(&inputs), keys);
                choice.read(entries.len())
            }
        })
    }

    /// What the recorded step of this size gives for `inputs`, where there is one or can be.
    fn replayed(&mut self, cache: &mut Cache, inputs: &Tensor, size: Size) -> Option<&Choice> {
        if self.rows.is_none() || graph::available().is_err() {
            return None;
        }
        let known = self.recorded.iter().position(|(known, _)| *known == size);
        let Some(at) = known else {
            // The first step of a size is done as it is: what it loads and allocates must not be
            // recorded.
            if self.recorded.len() == RECORDED_SIZES {
                self.recorded.clear();
            }
            self.recorded.push((size, None));
            return None;
        };
        if self.recorded[at].1.is_none() {
            match self.record(cache, inputs, size.1) {
                Ok(recorded) => self.recorded[at].1 = Some(recorded),
                Err(reason) => graph::switch_off(reason),
            }
        }
        let recorded = self.recorded[at].1.as_ref()?;
        Some(recorded.replay(inputs))
    }

    fn record(
        &self,
        cache: &mut Cache,
        inputs: &Tensor,
        keys: i64,
    ) -> std::result::Result<Recorded, String> {
        let inputs = self.on_device(inputs);
        let mut others = self.recorded.iter().filter_map(|(_, other)| other.as_ref());
        let other = others.next().map(|other| &other.graph);
        let Device::Cuda(gpu) = self.weights.model.placement.device else {
            return Err("only a GPU's steps can be recorded".into());
        };
        let (graph, mut choice) = Graph::record(gpu, other, || self.run(cache, &inputs, keys))?;
        // A recording that did nothing would leave these tensors as they are: filled with NaN, they
        // cannot pass for its result.
        choice.forget();
        let recorded = Recorded {
            graph,
            inputs,
            choice,
        };
        // Tried once against the same step asked for anew, which writes the same keys again.
        let replayed = recorded.replay(&recorded.inputs.copy());
        if replayed.is_like(&self.run(cache, &recorded.inputs, keys)) {
            Ok(recorded)
        } else {
            Err("a recorded step computed something else".into())
        }
    }

    /// One upload for everything: every upload waits for the device.
    fn on_device(&self, inputs: &Tensor) -> Tensor {
        inputs.to_device(self.weights.model.placement.device)
    }

    /// Asks for a step; nothing here waits for the device. `inputs` is `[3, rows]`.
    fn run(&self, cache: &mut Cache, inputs: &Tensor, keys: i64) -> Choice {
        let model = self.weights.model;
        // float64 holds ids and lengths exactly.
        let whole = inputs.narrow(0, 0, 2).to_kind(Kind::Int64);
        let (ids, positions) = (whole.get(0), whole.get(1));
        let pass = Pass {
            model,
            rotation: &Rotation::new(model, &positions),
            linears: &self.weights,
        };
        let reach = cache.reach(model, positions, keys);
        let mut attend = |layer: usize, heads: &Heads| cache.attend(layer, heads, &reach);
        let hidden = pass.hidden_states(&ids, &mut attend);
        let logits = forward::logits(model, &hidden);
        Choice::new(logits, self.sampling, inputs.get(2))
    }
}

/// Ids, lengths and random numbers, `[3, rows]`; rows behind the entries bring nothing.
fn inputs(entries: &[Entry], rows: usize) -> Tensor {
    // A row without an entry writes to the first place of a free slot, where the next prompt will
    // overwrite it.
    let mut values = vec![0.0; 3 * rows];
    for (at, entry) in entries.iter().enumerate() {
        values[at] = entry.id as f64;
        values[rows + at] = entry.length as f64;
        values[2 * rows + at] = entry.uniform;
    }
    Tensor::from_slice(&values).view([3, rows as i64])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_without_an_entry_brings_nothing() {
        let entry = Entry {
            id: 151_935,
            length: 40_000,
            uniform: 1.0 - f64::EPSILON / 2.0,
        };
        let row = inputs(&[entry], 2);
        let values = crate::tensors::doubles(&row);
        assert_eq!(values, [151_935.0, 0.0, 40_000.0, 0.0, entry.uniform, 0.0]);
    }
}
