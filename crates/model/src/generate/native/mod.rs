//! Generation on the CPU in float32: lanes of one thread each over shared weights, in kernels of
//! our own. A row's numbers are computed alike whatever else is computed beside it, so completions
//! are bit-identical alone, in any batch, with any number of lanes, whoever takes which row. Where
//! the machine lacks the instructions, or the model is elsewhere, `super::batch` does the work with
//! libtorch.

mod attention;
mod kernel;
mod linear;
pub(super) mod ops;
mod pass;
mod prompts;
mod segment;

use std::{
    ops::ControlFlow,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

pub(super) use kernel::Simd;
use kernel::WIDEST;
use pass::{Net, Token, Workspace};
use prompts::{Admitted, Prompts};
use segment::Segment;

use super::{
    Completion, Finish, Progress, Request, cache::fitting_rows, sampling, writing::Writing,
};
use crate::{
    error::{Error, Result},
    forward::Weights,
    lanes,
};

/// New tokens that a row's memory grows by.
const GROWTH: usize = 64;
/// Rows enter when this many places are free: their prompts then share passes.
const ENTER: usize = 8;

/// What the lanes of a call share.
struct Call<'a> {
    net: Net<'a>,
    request: &'a Request<'a>,
    prompts: Prompts<'a>,
    /// Rows in work per lane.
    width: usize,
    finished_rows: AtomicUsize,
    new_tokens: AtomicU64,
    busy_lanes: AtomicUsize,
    done: Mutex<Done>,
}

struct Done {
    completions: Vec<Option<Completion>>,
    failure: Option<Error>,
}

/// Completions for all rows; none where this engine cannot work, which is found before anything is
/// computed.
pub(super) fn run(
    weights: &Weights<'_>,
    request: &Request<'_>,
    progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Option<Result<Vec<Completion>>> {
    let net = Net::new(Simd::detect()?, weights)?;
    let rows = request.rows.len();
    let longest = request
        .rows
        .iter()
        .map(|row| row.prompt_ids.len())
        .max()
        .unwrap_or(0);
    let lanes = lanes::threads().min(rows).max(1);
    let in_memory = fitting_rows(
        weights.model,
        longest + request.sampling.max_new_tokens,
        lanes * WIDEST,
    );
    let width = (in_memory / lanes)
        .clamp(1, WIDEST)
        // Shared out evenly: a lane that takes all it can hold may leave the others without rows.
        .min(rows.div_ceil(lanes).max(1));
    let call = Call {
        net,
        request,
        prompts: Prompts::new(request.rows, request.share_prefixes),
        width,
        finished_rows: AtomicUsize::new(0),
        new_tokens: AtomicU64::new(0),
        busy_lanes: AtomicUsize::new(lanes),
        done: Mutex::new(Done {
            completions: request.rows.iter().map(|_| None).collect(),
            failure: None,
        }),
    };
    lanes::run(
        lanes,
        || {
            call.lane(&mut || progress(call.progress()));
            // `progress` is not `Sync`: only this thread may call it, also while others still work.
            call.wait(progress);
        },
        || call.lane(&mut || ControlFlow::Continue(())),
    );
    Some(call.finish(progress))
}

impl Call<'_> {
    fn progress(&self) -> Progress {
        Progress {
            finished_rows: self.finished_rows.load(Ordering::Relaxed),
            total_rows: self.request.rows.len(),
            new_tokens: self.new_tokens.load(Ordering::Relaxed),
        }
    }

    /// One lane's work; its failure, also a panic, ends the others.
    fn lane(&self, alive: &mut dyn FnMut() -> ControlFlow<()>) {
        // A guard, so that a lane that panics is counted out as well and `wait` comes to an end.
        let leaving = Leaving(self);
        let outcome = Lane {
            call: self,
            work: Workspace::default(),
            slots: Vec::new(),
            logits: Vec::new(),
            scratch: Vec::new(),
        }
        .run(alive);
        if let Err(error) = outcome {
            // A lane that another one stopped has nothing to add.
            if !self.prompts.is_stopped() {
                self.lock().failure = Some(error);
            }
            self.prompts.stop();
        }
        drop(leaving);
    }

    /// Keeps calling `progress` while other lanes work.
    fn wait(&self, progress: &mut dyn FnMut(Progress) -> ControlFlow<()>) {
        while self.busy_lanes.load(Ordering::Acquire) > 0 {
            if progress(self.progress()).is_break() && !self.prompts.is_stopped() {
                self.lock().failure = Some(Error::Cancelled);
                self.prompts.stop();
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn finish(
        self,
        progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<Vec<Completion>> {
        // Once more after the last token, so that all rows are seen to be finished.
        let last = progress(self.progress());
        let done = self
            .done
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        match done.failure {
            Some(error) => Err(error),
            None if last.is_break() => Err(Error::Cancelled),
            None => Ok(done
                .completions
                .into_iter()
                .map(|completion| completion.expect("every row was taken and has left"))
                .collect()),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Done> {
        self.done.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts a lane out, and stops the others if it left by a panic.
struct Leaving<'a>(&'a Call<'a>);

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.prompts.stop();
        }
        self.0.busy_lanes.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A row in work.
struct Slot {
    writing: Writing,
    segment: Segment,
}

struct Lane<'a> {
    call: &'a Call<'a>,
    work: Workspace,
    slots: Vec<Slot>,
    logits: Vec<f32>,
    scratch: Vec<f32>,
}

impl Lane<'_> {
    fn run(&mut self, alive: &mut dyn FnMut() -> ControlFlow<()>) -> Result<()> {
        loop {
            if alive().is_break() || self.call.prompts.is_stopped() {
                return Err(Error::Cancelled);
            }
            let free = self.call.width - self.slots.len();
            if self.slots.is_empty() || free >= ENTER.min(self.call.width) {
                self.enter(free)?;
            }
            if self.slots.is_empty() {
                // Rows that ended with their first token leave others waiting.
                if self.call.prompts.is_empty() {
                    return Ok(());
                }
                continue;
            }
            self.step()?;
        }
    }

    fn enter(&mut self, free: usize) -> Result<()> {
        for Admitted {
            row,
            prompt,
            logits,
        } in self
            .call
            .prompts
            .take(&self.call.net, &mut self.work, free)?
        {
            let segment = Segment::new(
                self.call.net.config,
                Some(prompt),
                GROWTH.min(self.call.request.sampling.max_new_tokens),
            );
            let mut slot = Slot {
                writing: Writing::new(self.call.request, row),
                segment,
            };
            match self.draw(&mut slot, &logits)? {
                Some(finish) => self.leave(slot, finish),
                None => self.slots.push(slot),
            }
        }
        Ok(())
    }

    /// One token for every row in work.
    fn step(&mut self) -> Result<()> {
        let tokens: Vec<Token> = self
            .slots
            .iter()
            .enumerate()
            .map(|(sequence, slot)| Token {
                id: slot.writing.last_id(),
                sequence,
            })
            .collect();
        let wanted: Vec<usize> = (0..tokens.len()).collect();
        self.slots
            .iter_mut()
            .for_each(|slot| slot.make_room(&self.call.net));
        let mut sequences: Vec<&mut Segment> = self
            .slots
            .iter_mut()
            .map(|slot| &mut slot.segment)
            .collect();
        let mut logits = std::mem::take(&mut self.logits);
        self.call.net.run(
            &mut self.work,
            &tokens,
            &mut sequences,
            &wanted,
            &mut logits,
        );
        let vocab = self.call.net.config.vocab_size as usize;
        let mut slots = std::mem::take(&mut self.slots).into_iter();
        for (row, mut slot) in logits.chunks_exact(vocab).zip(slots.by_ref()) {
            match self.draw(&mut slot, row)? {
                Some(finish) => self.leave(slot, finish),
                None => self.slots.push(slot),
            }
        }
        self.logits = logits;
        Ok(())
    }

    fn draw(&mut self, slot: &mut Slot, logits: &[f32]) -> Result<Option<Finish>> {
        self.call.new_tokens.fetch_add(1, Ordering::Relaxed);
        let request = self.call.request;
        let drawn = sampling::draw_row(
            self.call.net.simd,
            logits,
            request.sampling,
            &mut slot.writing.stream,
            &mut self.scratch,
        );
        slot.writing.append(drawn, request)
    }

    fn leave(&self, slot: Slot, finish: Finish) {
        let (row, completion) = slot.writing.finish(finish);
        self.call.lock().completions[row] = Some(completion);
        self.call.finished_rows.fetch_add(1, Ordering::Relaxed);
    }
}

impl Slot {
    /// Makes sure that one more token fits.
    fn make_room(&mut self, net: &Net<'_>) {
        if self.segment.is_full() {
            // Nothing is copied: the full segment becomes the parent of the next one.
            let empty = Segment::new(net.config, None, 0);
            let full = Arc::new(std::mem::replace(&mut self.segment, empty));
            self.segment = Segment::new(net.config, Some(full), GROWTH);
        }
    }
}
