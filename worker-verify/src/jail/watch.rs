//! Watches one run from outside, however it is isolated: reads its two pipes, keeps its clocks, and says when it must end.
//! Ends nothing itself.

use std::{
    fs::File,
    io,
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::jail::process;
use crate::sandbox::{Ended, Request};
use crate::wire::frame::{self, Nonce};

/// How long a run may take until the runner is up, however busy the machine is.
pub const START_LIMIT: Duration = Duration::from_secs(30);
/// Most bytes of results accepted from one run.
pub const RESULT_BYTES: usize = 8 << 20;
/// How long to let a run go on undisturbed after it wrote something, milliseconds.
const PAUSE_MS: u8 = 1;
/// Output kept to explain a run that never began.
pub const KEPT_OUTPUT: usize = 2000;

/// The run's CPU clock, read from outside.
pub trait Clock {
    /// CPU time used so far, by whatever counts.
    fn used(&self) -> Duration;

    /// What `used` gives, or would have given, at the candidate's first step, when the runner says it has used `runner` itself.
    fn at_first_step(&self, runner: Duration) -> Duration;
}

/// The moment of the candidate's first step.
#[derive(Debug, Clone, Copy)]
pub struct Began {
    pub at: Instant,
    /// CPU time that did not go to the candidate, by the [`Clock`].
    pub before: Duration,
    /// CPU time of the runner by then, as it says itself.
    pub runner: Duration,
}

/// One run, as far as it has been seen.
pub struct Watch {
    pub nonce: Nonce,
    pub launched: Instant,
    pub began: Option<Began>,
    /// What came out of the result pipe.
    pub received: Vec<u8>,
    pub kept_output: Vec<u8>,
    output_bytes: u64,
    /// Whether something was read just now.
    pause: bool,
    results: Source,
    output: Source,
}

struct Source {
    pipe: File,
    open: bool,
}

/// The ends of the two pipes that the run writes to.
pub struct Writers {
    pub results: OwnedFd,
    pub output: OwnedFd,
}

impl Watch {
    /// Makes the pipes.
    pub fn new(nonce: Nonce) -> io::Result<(Self, Writers)> {
        let (results, results_writer) = process::pipe()?;
        let (output, output_writer) = process::pipe()?;
        let source = |pipe| Source { pipe, open: true };
        let watch = Self {
            nonce,
            launched: Instant::now(),
            began: None,
            received: Vec::new(),
            kept_output: Vec::new(),
            output_bytes: 0,
            pause: false,
            results: source(results),
            output: source(output),
        };
        Ok((
            watch,
            Writers {
                results: results_writer,
                output: output_writer,
            },
        ))
    }

    /// Reads until `end` is readable, which says that the run has ended (`None`), or until it must be ended.
    pub fn until_end(
        &mut self,
        end: BorrowedFd<'_>,
        request: &Request<'_>,
        clock: &dyn Clock,
    ) -> io::Result<Option<Ended>> {
        loop {
            let ended = self.step(end, self.tick(request), request, clock)?;
            if self.output_bytes > request.limits.output_bytes || self.received.len() > RESULT_BYTES
            {
                return Ok(Some(Ended::OutputLimit));
            }
            if ended {
                return Ok(None);
            }
            if let Some(limit) = self.over(request, clock) {
                return Ok(Some(limit));
            }
        }
    }

    /// Waits for something to read, at most `timeout`, and reads it. Returns whether the run has ended.
    pub fn step(
        &mut self,
        end: BorrowedFd<'_>,
        timeout: Duration,
        request: &Request<'_>,
        clock: &dyn Clock,
    ) -> io::Result<bool> {
        // A frame is rarely the last: a short wait spares the run, which may share our core, an interruption for each.
        if self.pause && self.ends_within(end, PAUSE_MS.into())? {
            self.read_output(request.limits.output_bytes)?;
            self.read_results(clock)?;
            return Ok(true);
        }
        let sources = [
            (self.results.open, self.results.pipe.as_fd()),
            (self.output.open, self.output.pipe.as_fd()),
            (true, end),
        ];
        // A closed pipe always reports its hang-up: it is left out, or the loop would spin.
        let mut fds: Vec<_> = sources
            .iter()
            .filter(|(open, _)| *open)
            .map(|(_, fd)| PollFd::new(*fd, PollFlags::POLLIN))
            .collect();
        match poll(
            &mut fds,
            PollTimeout::try_from(timeout).expect("a tick is at most 50 ms"),
        ) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        let mut ready = fds.iter().map(|fd| fd.any().unwrap_or(false));
        let [results, output, ended] =
            sources.map(|(open, _)| open && ready.next().unwrap_or(false));
        self.pause = results || output;
        if output || ended {
            self.read_output(request.limits.output_bytes)?;
        }
        // The runner says that it is up before the candidate writes anything: output explains nothing before that was read.
        if results || output || ended {
            self.read_results(clock)?;
        }
        Ok(ended)
    }

    fn ends_within(&self, end: BorrowedFd<'_>, time: PollTimeout) -> io::Result<bool> {
        match poll(&mut [PollFd::new(end, PollFlags::POLLIN)], time) {
            Ok(count) => Ok(count > 0),
            Err(nix::errno::Errno::EINTR) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// How long to wait before looking at the clocks again: half of what is left, so that no limit is overrun by much.
    fn tick(&self, request: &Request<'_>) -> Duration {
        let left = self.began.map_or(START_LIMIT, |began| {
            request.limits.cpu.saturating_sub(began.at.elapsed())
        });
        (left / 2).clamp(Duration::from_millis(5), Duration::from_millis(50))
    }

    /// Reads the output that is there, but not more than `limit` in all.
    pub fn read_output(&mut self, limit: u64) -> io::Result<()> {
        self.output.open = process::drain(&mut self.output.pipe, |chunk| {
            let keep = chunk
                .len()
                .min(KEPT_OUTPUT.saturating_sub(self.kept_output.len()));
            self.kept_output.extend(&chunk[..keep]);
            self.output_bytes += chunk.len() as u64;
            self.output_bytes <= limit
        })?;
        Ok(())
    }

    fn read_results(&mut self, clock: &dyn Clock) -> io::Result<()> {
        self.results.open = process::drain(&mut self.results.pipe, |chunk| {
            self.received.extend(chunk);
            self.received.len() <= RESULT_BYTES
        })?;
        if self.began.is_none()
            && let Some(runner) = frame::ready(&self.nonce, &self.received)
        {
            let (now, before) = (Instant::now(), clock.at_first_step(runner));
            // What was read late began at least as long ago as it has computed since.
            let at = now
                .checked_sub(clock.used().saturating_sub(before))
                .unwrap_or(now);
            self.began = Some(Began { at, before, runner });
        }
        Ok(())
    }

    /// The limit that the run is over, if any.
    fn over(&self, request: &Request<'_>, clock: &dyn Clock) -> Option<Ended> {
        if request.cancelled.load(Ordering::Relaxed) {
            return Some(Ended::Cancelled);
        }
        let Some(began) = self.began else {
            return (self.launched.elapsed() > START_LIMIT).then_some(Ended::WallLimit);
        };
        if began.at.elapsed() > request.limits.wall() {
            return Some(Ended::WallLimit);
        }
        (clock.used().saturating_sub(began.before) > request.limits.cpu).then_some(Ended::CpuLimit)
    }
}
