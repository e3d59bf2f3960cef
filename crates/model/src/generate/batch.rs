//! The loop over rows: admit, step, draw, retire. Slots `0..n` are always dense; a row that leaves is replaced by the last one.

use tch::Tensor;

use super::{
    Completion, Finish, Request, Tuning,
    cache::Cache,
    decode::{self, Step},
    fence::FenceWatch,
    prefill,
    prompts::Prompts,
    sampling::{self, Drawn, Stream},
};
use crate::{
    error::{Error, Result},
    forward::weights::Weights,
};

/// A row in work.
struct Slot {
    row: usize,
    stream: Stream,
    /// Cached tokens.
    length: i64,
    ids: Vec<i64>,
    bytes: Vec<u8>,
    fence: FenceWatch,
    logprob_sum: f64,
}

/// What all lanes of a call share.
#[derive(Clone, Copy)]
pub(super) struct Share<'a> {
    pub request: &'a Request<'a>,
    pub tuning: Tuning,
    pub prompts: &'a Prompts<'a>,
    /// Tokens of the longest row.
    pub capacity: usize,
}

struct Batch<'a> {
    weights: Weights<'a>,
    share: Share<'a>,
    /// The rows of this lane.
    rows: &'a [usize],
    cache: Cache,
    width: usize,
    slots: Vec<Slot>,
    /// Index into `rows`.
    next: usize,
    done: Vec<(usize, Completion)>,
    new_tokens: u64,
    /// Told (finished rows, new tokens) before every step; may end the work.
    report: &'a dyn Fn(usize, u64) -> Result<()>,
    alive: &'a dyn Fn() -> Result<()>,
}

/// Completes `rows` of the request, `width` at a time.
pub(super) fn run<'a>(
    weights: Weights<'a>,
    share: Share<'a>,
    rows: &'a [usize],
    width: usize,
    report: &'a dyn Fn(usize, u64) -> Result<()>,
    alive: &'a dyn Fn() -> Result<()>,
) -> Result<Vec<(usize, Completion)>> {
    let cache = Cache::new(weights.model, width, share.capacity);
    let (slots, done) = (Vec::new(), Vec::new());
    let mut batch = Batch { weights, share, rows, cache, width, slots, next: 0, done, new_tokens: 0, report, alive };
    loop {
        batch.fill()?;
        if batch.slots.is_empty() {
            break;
        }
        batch.report()?;
        batch.step()?;
    }
    batch.report()?;
    Ok(batch.done)
}

impl Batch<'_> {
    fn report(&self) -> Result<()> {
        (self.report)(self.done.len(), self.new_tokens)
    }

    /// Fills free slots with waiting rows and draws the first token of each.
    fn fill(&mut self) -> Result<()> {
        while self.slots.len() < self.width && self.next < self.rows.len() {
            let first = self.slots.len();
            let mut logits = Vec::new();
            while self.slots.len() < self.width && self.next < self.rows.len() {
                logits.push(self.admit()?);
            }
            self.draw(first, &Tensor::stack(&logits, 0))?;
        }
        Ok(())
    }

    /// Puts the next row into the next slot; gives the logits behind its prompt.
    fn admit(&mut self) -> Result<Tensor> {
        let row = self.rows[self.next];
        let share = self.share.tuning.share_prefixes;
        let mut compute = |texts: &[&[i64]]| prefill::run(self.weights, texts, share, &mut || self.report());
        let prompt = self.share.prompts.take(row, &mut compute, self.alive)?;
        self.cache.admit(self.slots.len(), &prompt.keys);
        self.slots.push(Slot {
            row,
            stream: Stream::new(self.share.request.rows[row].seed),
            length: prompt.keys.length,
            ids: Vec::new(),
            bytes: Vec::new(),
            fence: FenceWatch::default(),
            logprob_sum: 0.0,
        });
        self.next += 1;
        Ok(prompt.logits)
    }

    /// Computes one token for every row in work.
    fn step(&mut self) -> Result<()> {
        let ids: Vec<i64> = self.slots.iter().map(|slot| *slot.ids.last().expect("admission drew a first token")).collect();
        let lengths: Vec<i64> = self.slots.iter().map(|slot| slot.length).collect();
        let logits = decode::run(self.weights, &mut self.cache, &Step { ids: &ids, lengths: &lengths });
        for slot in &mut self.slots {
            slot.length += 1;
        }
        self.draw(0, &logits)
    }

    /// Draws a token for the slots from `first` on and retires those that are finished.
    fn draw(&mut self, first: usize, logits: &Tensor) -> Result<()> {
        let mut streams: Vec<&mut Stream> = self.slots[first..].iter_mut().map(|slot| &mut slot.stream).collect();
        let drawn = sampling::draw(logits, self.share.request.sampling, &mut streams);
        self.new_tokens += drawn.len() as u64;
        let mut finished = Vec::new();
        for (at, drawn) in drawn.into_iter().enumerate() {
            if let Some(finish) = self.append(first + at, drawn)? {
                finished.push((first + at, finish));
            }
        }
        for (at, finish) in finished.into_iter().rev() {
            self.retire(at, finish);
        }
        Ok(())
    }

    /// Appends a drawn token to a slot; says whether and why it is finished.
    fn append(&mut self, at: usize, drawn: Drawn) -> Result<Option<Finish>> {
        let slot = &mut self.slots[at];
        if !drawn.logprob.is_finite() {
            return Err(Error::Diverged { row: slot.row });
        }
        slot.ids.push(drawn.id);
        slot.logprob_sum += drawn.logprob;
        let stop = &self.share.request.stop;
        if stop.end_tokens.contains(&drawn.id) {
            return Ok(Some(Finish::End));
        }
        let bytes = stop.tokenizer.map_or(&[][..], |tokenizer| tokenizer.token_bytes(drawn.id));
        slot.bytes.extend_from_slice(bytes);
        if stop.closing_fence && slot.fence.feed(bytes) {
            return Ok(Some(Finish::Fence));
        }
        Ok((slot.ids.len() == self.share.request.sampling.max_new_tokens).then_some(Finish::Length))
    }

    fn retire(&mut self, at: usize, finish: Finish) {
        let slot = self.slots.swap_remove(at);
        if let Some(moved) = self.slots.get(at) {
            self.cache.copy(self.slots.len(), at, moved.length);
        }
        let mean_logprob = slot.logprob_sum / slot.ids.len() as f64;
        self.done.push((slot.row, Completion { ids: slot.ids, bytes: slot.bytes, finish, mean_logprob }));
    }
}
