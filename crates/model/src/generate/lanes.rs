//! Lanes: on a CPU the rows of a request are dealt out to threads that each decode their own batch over the same weights, because the many
//! small operations of a step gain nothing from being split. Row `n` goes to lane `n mod lanes`, so that what a row computes is fixed by
//! the request and the number of threads, not by timing.

use std::{
    ops::ControlFlow,
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver, SyncSender},
    },
    thread,
};

use super::{
    Completion, Progress, Request, Tuning,
    batch::{self, Share},
    cache::fitting_rows,
    prompts::Prompts,
};
use crate::{
    device,
    error::{Error, Result, guard},
    forward::weights::Weights,
    lora::Applied,
    model::Model,
};

/// Rows decoded together by a lane: wide enough for full speed on the CPU; part of what results depend on, so fixed.
const WIDTH: usize = 64;
/// Fewer rows than this are not worth a lane that reads all weights for them.
const LEAST_ROWS: usize = 4;

type Made = Vec<(usize, Completion)>;

/// What a lane has done so far.
struct Report {
    lane: usize,
    finished_rows: usize,
    new_tokens: u64,
}

/// What a lane's thread owns.
struct Lane {
    number: usize,
    model: Model,
    applied: Option<Applied>,
    rows: Vec<usize>,
    width: usize,
    one_thread: bool,
    reports: SyncSender<Report>,
}

pub(super) fn run(
    model: &Model,
    applied: Option<&Applied>,
    request: &Request<'_>,
    tuning: Tuning,
    progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
) -> Result<Vec<Completion>> {
    let total_rows = request.rows.len();
    let lanes = count(model, total_rows, tuning);
    let capacity = request.rows.iter().map(|row| row.prompt_ids.len()).max().unwrap_or(0) + request.sampling.max_new_tokens;
    let width = fitting_rows(model, capacity, lanes, WIDTH.min(total_rows.div_ceil(lanes)));
    let prompts = Prompts::new(request, tuning, width * lanes, lanes);
    let stop = AtomicBool::new(false);
    let (reports, received) = mpsc::sync_channel(4 * lanes);
    thread::scope(|scope| {
        let work = |number: usize| Lane {
            number,
            model: model.shallow_clone(),
            applied: applied.map(Applied::shallow_clone),
            rows: (number..total_rows).step_by(lanes).collect(),
            width,
            one_thread: lanes > 1,
            reports: reports.clone(),
        };
        let start = |lane: Lane| {
            let share = Share { request, tuning, prompts: &prompts, capacity };
            let stop = &stop;
            scope.spawn(move || lane.run(share, stop))
        };
        let threads: Vec<_> = (0..lanes).map(|number| start(work(number))).collect();
        drop(reports);
        let stopped = Stopping(&stop);
        follow(received, lanes, total_rows, progress, &stop);
        drop(stopped);
        let made = threads.into_iter().map(|thread| thread.join().expect("a lane turns panics into errors")).collect();
        collect(made, total_rows)
    })
}

/// Ends the lanes when the calling thread leaves, be it by a panic of the caller's hook.
struct Stopping<'a>(&'a AtomicBool);

impl Drop for Stopping<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.store(true, Ordering::Relaxed);
        }
    }
}

/// One lane a thread where threads can be confined, and on a GPU one.
fn count(model: &Model, rows: usize, tuning: Tuning) -> usize {
    if !model.placement.is_cpu() || !device::can_confine_threads() {
        return 1;
    }
    let threads = usize::try_from(tch::get_num_threads()).unwrap_or(1);
    tuning.lanes.unwrap_or(threads).min(rows / LEAST_ROWS).max(1)
}

/// Tells `progress` what the lanes report until the last has ended.
fn follow(
    received: Receiver<Report>,
    lanes: usize,
    total_rows: usize,
    progress: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    stop: &AtomicBool,
) {
    let mut last = vec![(0, 0); lanes];
    for report in received {
        last[report.lane] = (report.finished_rows, report.new_tokens);
        if stop.load(Ordering::Relaxed) {
            continue;
        }
        let finished_rows = last.iter().map(|(rows, _)| rows).sum();
        let new_tokens = last.iter().map(|(_, tokens)| tokens).sum();
        if progress(Progress { finished_rows, total_rows, new_tokens }).is_break() {
            stop.store(true, Ordering::Relaxed);
        }
    }
}

impl Lane {
    fn run(self, share: Share<'_>, stop: &AtomicBool) -> Result<Made> {
        let result = guard("generating", "lower max_new_tokens or the prompts' length", || {
            let _no_grad = tch::no_grad_guard();
            if self.one_thread {
                device::confine_to_one_thread();
            }
            let weights = Weights { model: &self.model, applied: self.applied.as_ref(), one_thread: self.one_thread };
            let alive = || if stop.load(Ordering::Relaxed) { Err(Error::Cancelled) } else { Ok(()) };
            let report = |finished_rows, new_tokens| {
                alive()?;
                self.reports.send(Report { lane: self.number, finished_rows, new_tokens }).map_err(|_| Error::Cancelled)
            };
            batch::run(weights, share, &self.rows, self.width, &report, &alive)
        });
        if result.is_err() {
            stop.store(true, Ordering::Relaxed);
        }
        result
    }
}

/// The lanes' completions in the order of the rows, or the error that stopped them.
fn collect(made: Vec<Result<Made>>, total_rows: usize) -> Result<Vec<Completion>> {
    let mut completions: Vec<Option<Completion>> = (0..total_rows).map(|_| None).collect();
    let mut error = None;
    for lane in made {
        match lane {
            Ok(made) => made.into_iter().for_each(|(row, completion)| completions[row] = Some(completion)),
            // One lane's error cancels the others.
            Err(found) if error.is_none() || matches!(error, Some(Error::Cancelled)) => error = Some(found),
            Err(_) => {}
        }
    }
    match error {
        Some(error) => Err(error),
        None => Ok(completions.into_iter().map(|completion| completion.expect("every row belongs to a lane")).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_that_stopped_the_others_is_told() {
        let lanes = vec![Err(Error::Cancelled), Err(Error::Diverged { row: 3 }), Err(Error::Cancelled)];
        assert!(matches!(collect(lanes, 0), Err(Error::Diverged { row: 3 })));
        assert!(matches!(collect(vec![Ok(vec![]), Err(Error::Cancelled)], 0), Err(Error::Cancelled)));
    }
}
