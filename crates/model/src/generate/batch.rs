//! The loop over rows: admit, step, draw, retire. Slots `0..n` are always dense; a row that leaves is replaced by the last one.

use std::{collections::HashMap, ops::ControlFlow};

use tch::Tensor;

use super::{
    Completion, Finish, Progress, Request,
    cache::{Cache, fitting_rows},
    decode::{self, Step},
    prefill::{self, Prefilled},
    sampling::{self, Stream},
    writing::Writing,
};
use crate::{
    error::{Error, Result},
    forward::weights::Weights,
};

/// Rows decoded together: wide enough for full speed on the CPU; part of what results depend on, so fixed.
pub(super) const WIDTH: usize = 64;

/// A row in work.
struct Slot {
    writing: Writing,
    /// Cached tokens.
    length: i64,
}

struct Batch<'a> {
    weights: Weights<'a>,
    request: &'a Request<'a>,
    prompts: Prompts<'a>,
    cache: Cache,
    width: usize,
    slots: Vec<Slot>,
    next_row: usize,
    done: Vec<Option<Completion>>,
    new_tokens: u64,
}

/// Completions for all rows, at most `most` of them in work at a time.
pub(super) fn run(
    weights: Weights<'_>,
    request: &Request<'_>,
    most: usize,
    progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<Vec<Completion>> {
    let longest = request
        .rows
        .iter()
        .map(|row| row.prompt_ids.len())
        .max()
        .unwrap_or(0);
    let capacity = longest + request.sampling.max_new_tokens;
    let width = fitting_rows(weights.model, capacity, most.min(request.rows.len()));
    let cache = Cache::new(weights.model, width, capacity);
    let done = request.rows.iter().map(|_| None).collect();
    let prompts = Prompts::new(request);
    let mut batch = Batch {
        weights,
        request,
        prompts,
        cache,
        width,
        slots: Vec::new(),
        next_row: 0,
        done,
        new_tokens: 0,
    };
    loop {
        batch.fill(progress)?;
        if batch.slots.is_empty() {
            break;
        }
        batch.report(progress)?;
        batch.step()?;
    }
    batch.report(progress)?;
    Ok(batch
        .done
        .into_iter()
        .map(|completion| completion.expect("every row was admitted and has left"))
        .collect())
}

impl Batch<'_> {
    fn report(&self, progress: &mut dyn FnMut(Progress) -> ControlFlow<()>) -> Result<()> {
        let finished_rows = self.next_row - self.slots.len();
        match progress(Progress {
            finished_rows,
            total_rows: self.request.rows.len(),
            new_tokens: self.new_tokens,
        }) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Error::Cancelled),
        }
    }

    /// Fills free slots with waiting rows and draws the first token of each.
    fn fill(&mut self, progress: &mut dyn FnMut(Progress) -> ControlFlow<()>) -> Result<()> {
        while self.slots.len() < self.width && self.next_row < self.request.rows.len() {
            let first = self.slots.len();
            let mut logits = Vec::new();
            while self.slots.len() < self.width && self.next_row < self.request.rows.len() {
                logits.push(self.admit(progress)?);
            }
            self.draw(first, &Tensor::stack(&logits, 0))?;
        }
        Ok(())
    }

    /// Puts the next row into the next slot; gives the logits behind its prompt.
    fn admit(&mut self, progress: &mut dyn FnMut(Progress) -> ControlFlow<()>) -> Result<Tensor> {
        if !self.prompts.is_ready(self.next_row) {
            let wave = self.prompts.next_wave(self.next_row, self.width);
            let texts: Vec<&[i64]> = wave
                .iter()
                .map(|&prompt| self.prompts.distinct[prompt])
                .collect();
            let computed = prefill::run(
                self.weights,
                &texts,
                self.request.share_prefixes,
                &mut || self.report(progress),
            )?;
            self.prompts.put(&wave, computed);
        }
        let prompt = self.prompts.ready(self.next_row);
        self.cache.admit(self.slots.len(), &prompt.keys);
        let logits = prompt.logits.shallow_clone();
        self.slots.push(Slot {
            writing: Writing::new(self.request, self.next_row),
            length: prompt.keys.length,
        });
        self.prompts.release(self.next_row);
        self.next_row += 1;
        Ok(logits)
    }

    /// Computes one token for every row in work.
    fn step(&mut self) -> Result<()> {
        let ids: Vec<i64> = self
            .slots
            .iter()
            .map(|slot| slot.writing.last_id())
            .collect();
        let lengths: Vec<i64> = self.slots.iter().map(|slot| slot.length).collect();
        let logits = decode::run(
            self.weights,
            &mut self.cache,
            &Step {
                ids: &ids,
                lengths: &lengths,
            },
        );
        for slot in &mut self.slots {
            slot.length += 1;
        }
        self.draw(0, &logits)
    }

    /// Draws a token for the slots from `first` on and retires those that are finished.
    fn draw(&mut self, first: usize, logits: &Tensor) -> Result<()> {
        let mut streams: Vec<&mut Stream> = self.slots[first..]
            .iter_mut()
            .map(|slot| &mut slot.writing.stream)
            .collect();
        let drawn = sampling::draw(logits, self.request.sampling, &mut streams);
        self.new_tokens += drawn.len() as u64;
        let mut finished = Vec::new();
        for (at, drawn) in drawn.into_iter().enumerate() {
            if let Some(finish) = self.slots[first + at].writing.append(drawn, self.request)? {
                finished.push((first + at, finish));
            }
        }
        for (at, finish) in finished.into_iter().rev() {
            self.retire(at, finish);
        }
        Ok(())
    }

    fn retire(&mut self, at: usize, finish: Finish) {
        let slot = self.slots.swap_remove(at);
        if let Some(moved) = self.slots.get(at) {
            self.cache.copy(self.slots.len(), at, moved.length);
        }
        let (row, completion) = slot.writing.finish(finish);
        self.done[row] = Some(completion);
    }
}

/// The distinct prompts of a request, computed in waves and kept while rows need them.
struct Prompts<'a> {
    distinct: Vec<&'a [i64]>,
    /// The distinct prompt of each row.
    of_row: Vec<usize>,
    /// Rows that still wait for each prompt.
    waiting: Vec<usize>,
    ready: HashMap<usize, Prefilled>,
}

impl<'a> Prompts<'a> {
    fn new(request: &'a Request<'a>) -> Self {
        let mut index: HashMap<&[i64], usize> = HashMap::new();
        let mut prompts = Self {
            distinct: Vec::new(),
            of_row: Vec::new(),
            waiting: Vec::new(),
            ready: HashMap::new(),
        };
        for row in request.rows {
            let prompt = *index.entry(&row.prompt_ids).or_insert_with(|| {
                prompts.distinct.push(&row.prompt_ids);
                prompts.waiting.push(0);
                prompts.distinct.len() - 1
            });
            prompts.of_row.push(prompt);
            prompts.waiting[prompt] += 1;
        }
        prompts
    }

    fn is_ready(&self, row: usize) -> bool {
        self.ready.contains_key(&self.of_row[row])
    }

    fn ready(&self, row: usize) -> &Prefilled {
        &self.ready[&self.of_row[row]]
    }

    /// The prompts that rows from `from` on need next and that are not computed yet, at most `count`.
    fn next_wave(&self, from: usize, count: usize) -> Vec<usize> {
        let mut wave: Vec<usize> = Vec::new();
        for &prompt in &self.of_row[from..] {
            if wave.len() < count && !wave.contains(&prompt) && !self.ready.contains_key(&prompt) {
                wave.push(prompt);
            }
        }
        wave
    }

    fn put(&mut self, wave: &[usize], computed: Vec<Prefilled>) {
        self.ready.extend(wave.iter().copied().zip(computed));
    }

    /// Notes that `row` has been admitted; a prompt that nobody waits for is dropped.
    fn release(&mut self, row: usize) {
        let prompt = self.of_row[row];
        self.waiting[prompt] -= 1;
        if self.waiting[prompt] == 0 {
            self.ready.remove(&prompt);
        }
    }
}
