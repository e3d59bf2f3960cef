//! The loop over rows: admit, step, draw, retire. Slots `0..n` are always dense; a row that leaves
//! is replaced by the last one.

use std::{collections::HashMap, ops::ControlFlow, rc::Rc};

use tch::Tensor;

use super::{
    Completion, Finish, Progress, Request,
    cache::{Cache, fitting_rows, whole_blocks},
    prefill::{self, Wave},
    sampling::{Choice, Drawn, Stream},
    step::{Decoder, Entry},
    writing::Writing,
};
use crate::{
    error::{Error, Result},
    forward::Weights,
};

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
    decoder: Decoder<'a>,
    cache: Cache,
    most_rows: usize,
    width: usize,
    slots: Vec<Slot>,
    next_row: usize,
    done: Vec<Option<Completion>>,
    new_tokens: u64,
}

/// Completions for all rows, at most `most_rows` of them in work at a time.
pub(super) fn run(
    weights: Weights<'_>,
    request: &Request<'_>,
    most_rows: usize,
    progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<Vec<Completion>> {
    let longest = request.rows.iter().map(|row| row.prompt_ids.len()).max();
    let tokens = longest.unwrap_or(0) + request.sampling.max_new_tokens;
    // Any row may come into any slot, so each has room for the longest.
    let capacity = whole_blocks(tokens);
    let wanted_rows = most_rows.min(request.rows.len());
    let mut width = fitting_rows(weights.model, capacity, wanted_rows);
    if weights.model.tactics.fixed_shapes && width < wanted_rows {
        // One of the slots that fit is spare.
        width = (width - 1).max(1);
    }
    let mut batch = Batch {
        weights,
        request,
        prompts: Prompts::new(request),
        decoder: Decoder::new(weights, request.sampling, most_rows),
        cache: Cache::new(weights.model, width, capacity, most_rows),
        most_rows,
        width,
        slots: Vec::new(),
        next_row: 0,
        done: request.rows.iter().map(|_| None).collect(),
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
    let done = batch.done.into_iter();
    Ok(done
        .map(|completion| completion.expect("every row was admitted and has left"))
        .collect())
}

impl Batch<'_> {
    fn report(&self, progress: &mut dyn FnMut(Progress) -> ControlFlow<()>) -> Result<()> {
        // Rows enter in their order: what has entered and is not in work has finished.
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

    fn has_room(&self) -> bool {
        self.slots.len() < self.width && self.next_row < self.request.rows.len()
    }

    /// Fills free slots with waiting rows and draws the first token of each.
    fn fill(&mut self, progress: &mut dyn FnMut(Progress) -> ControlFlow<()>) -> Result<()> {
        // Again where a row ended with its first token and left its slot free.
        while self.has_room() {
            let first = self.slots.len();
            let mut logits = Vec::new();
            while self.has_room() {
                self.compute_prompts(progress)?;
                logits.push(self.admit());
            }
            let device = self.weights.model.placement.device;
            let uniforms = Tensor::from_slice(&self.uniforms(first)).to_device(device);
            let logits = Tensor::cat(&logits, 0);
            let rows = logits.size()[0] as usize;
            let choice = Choice::new(logits, self.request.sampling, uniforms);
            self.append(first, choice.read(rows))?;
        }
        Ok(())
    }

    /// Computes the prompt of the next row, with those of the rows behind it, where it is not yet.
    fn compute_prompts(
        &mut self,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<()> {
        if self.prompts.ready(self.next_row).is_some() {
            return Ok(());
        }
        // No more than there are slots: others would only take memory until their rows come.
        let next = self.prompts.next_wave(self.next_row, self.width);
        let distinct = &self.prompts.distinct;
        let texts: Vec<&[i64]> = next.iter().map(|&prompt| distinct[prompt]).collect();
        let share = self.request.share_prefixes;
        let mut alive = || self.report(progress);
        let wave = prefill::run(self.weights, &texts, share, self.most_rows, &mut alive)?;
        self.prompts.put(&next, wave);
        Ok(())
    }

    /// Puts the next rows whose prompts are of one wave into the next slots; gives the logits
    /// behind their prompts, `[rows, vocab]`.
    fn admit(&mut self) -> Tensor {
        let first = self.slots.len();
        let (wave, _) = self.prompts.ready(self.next_row).expect("it was computed");
        let mut members = Vec::new();
        while self.has_room() {
            let Some((of_row, prompt)) = self.prompts.ready(self.next_row) else {
                break;
            };
            // Another wave has buffers of its own: the next call takes its rows.
            if !Rc::ptr_eq(&wave, &of_row) {
                break;
            }
            members.push(prompt);
            self.slots.push(Slot {
                writing: Writing::new(self.request, self.next_row),
                length: wave.prompts[prompt].len() as i64,
            });
            self.prompts.release(self.next_row);
            self.next_row += 1;
        }
        self.cache.admit(first, &wave, &members);
        let members: Vec<i64> = members.iter().map(|&prompt| prompt as i64).collect();
        let index = Tensor::from_slice(&members).to_device(wave.logits.device());
        wave.logits.index_select(0, &index)
    }

    /// The next random number of each of the slots from `first` on; greedy rows use none.
    fn uniforms(&mut self, first: usize) -> Vec<f64> {
        let slots = &mut self.slots[first..];
        if self.request.sampling.temperature == 0.0 {
            return vec![0.0; slots.len()];
        }
        let streams = slots.iter_mut().map(|slot| &mut slot.writing.stream);
        streams.map(Stream::uniform).collect()
    }

    /// Computes one token for every row in work.
    fn step(&mut self) -> Result<()> {
        let mut entries = Vec::with_capacity(self.slots.len());
        for (uniform, slot) in self.uniforms(0).into_iter().zip(&self.slots) {
            entries.push(Entry {
                id: slot.writing.last_id(),
                length: slot.length,
                uniform,
            });
        }
        let drawn = self.decoder.step(&mut self.cache, &entries)?;
        for slot in &mut self.slots {
            slot.length += 1;
        }
        self.append(0, drawn)
    }

    /// Appends what was drawn to the slots from `first` on and retires those that are finished.
    fn append(&mut self, first: usize, drawn: Vec<Drawn>) -> Result<()> {
        self.new_tokens += drawn.len() as u64;
        let mut finished = Vec::new();
        for (at, drawn) in drawn.into_iter().enumerate() {
            if let Some(finish) = self.slots[first + at].writing.append(drawn, self.request)? {
                finished.push((first + at, finish));
            }
        }
        // From behind: the last slot moves into the one that is free, and must not be one that has
        // to leave.
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
    /// The wave that each was computed in, and its number there.
    ready: HashMap<usize, (Rc<Wave>, usize)>,
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

    /// The wave in which the prompt of `row` was computed, and its number there.
    fn ready(&self, row: usize) -> Option<(Rc<Wave>, usize)> {
        self.ready.get(&self.of_row[row]).cloned()
    }

    /// The prompts that rows from `from` on need next and that are not computed yet, at most
    /// `count`.
    fn next_wave(&self, from: usize, count: usize) -> Vec<usize> {
        let mut wave: Vec<usize> = Vec::new();
        for &prompt in &self.of_row[from..] {
            if wave.len() < count && !wave.contains(&prompt) && !self.ready.contains_key(&prompt) {
                wave.push(prompt);
            }
        }
        wave
    }

    fn put(&mut self, prompts: &[usize], wave: Wave) {
        let wave = Rc::new(wave);
        for (number, &prompt) in prompts.iter().enumerate() {
            self.ready.insert(prompt, (wave.clone(), number));
        }
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
