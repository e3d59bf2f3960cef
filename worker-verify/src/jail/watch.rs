//! Watches one run from outside, however it is isolated: reads its two pipes, keeps its clocks, and
//! says when it must end. Ends nothing itself.

use std::{
    fs::File,
    io,
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
};

use crate::{
    jail::process,
    sandbox::{Ended, RawRun, Request},
    wire::frame::{self, MAX_RESULT_BYTES, Nonce},
};

/// How long a run may take until the runner is up, however busy the machine is.
pub const START_LIMIT: Duration = Duration::from_secs(30);
/// How long to let a run go on undisturbed after it wrote something.
const QUIET_MS: u8 = 1;
/// The clocks are looked at this often, at the least and at the most.
const MIN_TICK: Duration = Duration::from_millis(5);
const MAX_TICK: Duration = Duration::from_millis(50);
/// Output kept to explain a run that never began.
pub const MAX_KEPT_OUTPUT_BYTES: usize = 2000;

/// The run's CPU clock, read from outside.
pub trait Clock {
    /// CPU time used so far.
    fn used(&self) -> Duration;

    /// What `used` gives, or would have given, at the candidate's first step, when the runner says
    /// it has used `runner` itself.
    fn at_first_step(&self, runner: Duration) -> Duration;
}

/// The moment of the candidate's first step.
#[derive(Debug, Clone, Copy)]
pub struct FirstStep {
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
    pub began: Option<FirstStep>,
    /// What came out of the result pipe.
    pub received: Vec<u8>,
    pub kept_output: Vec<u8>,
    output_bytes: u64,
    /// Whether something was read just now.
    has_just_read: bool,
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
        let watch = Self {
            nonce,
            launched: Instant::now(),
            began: None,
            received: Vec::new(),
            kept_output: Vec::new(),
            output_bytes: 0,
            has_just_read: false,
            results: Source {
                pipe: results,
                open: true,
            },
            output: Source {
                pipe: output,
                open: true,
            },
        };
        let writers = Writers {
            results: results_writer,
            output: output_writer,
        };
        Ok((watch, writers))
    }

    /// Reads until `end` is readable, which says that the run has ended (`None`), or until it must
    /// be ended.
    pub fn until_end(
        &mut self,
        end: BorrowedFd<'_>,
        request: &Request<'_>,
        clock: &dyn Clock,
    ) -> io::Result<Option<Ended>> {
        loop {
            let ended = self.step(end, self.tick(request), request, clock)?;
            // This comes before the end: a run that wrote too much and ended is over its limit too.
            if self.output_bytes > request.limits.output_bytes
                || self.received.len() > MAX_RESULT_BYTES
            {
                return Ok(Some(Ended::OutputLimit));
            }
            if ended {
                return Ok(None);
            }
            if let Some(limit) = self.exceeded(request, clock) {
                return Ok(Some(limit));
            }
        }
    }

    /// Waits for something to read, at most `timeout`, and reads it. Returns whether the run has
    /// ended.
    pub fn step(
        &mut self,
        end: BorrowedFd<'_>,
        timeout: Duration,
        request: &Request<'_>,
        clock: &dyn Clock,
    ) -> io::Result<bool> {
        // A frame is rarely the last: a short wait spares the run, which may share our core, an
        // interruption for each.
        let [results, output, ended] = if self.has_just_read && ends_soon(end)? {
            [true; 3]
        } else {
            self.poll(end, timeout)?
        };
        self.has_just_read = results || output;
        if output || ended {
            self.read_output(request.limits.output_bytes)?;
        }
        // The runner says that it is up before the candidate writes anything, so output explains a
        // failure to begin only if the results have been read first.
        if results || output || ended {
            self.read_results(clock)?;
        }
        Ok(ended)
    }

    /// Waits until the result pipe, the output pipe or `end` is readable, and says which are.
    fn poll(&self, end: BorrowedFd<'_>, timeout: Duration) -> io::Result<[bool; 3]> {
        let sources = [
            (self.results.open, self.results.pipe.as_fd()),
            (self.output.open, self.output.pipe.as_fd()),
            (true, end),
        ];
        // A closed pipe always reports its hang-up: it is left out, or the loop would spin.
        let mut fds = Vec::with_capacity(sources.len());
        for (open, fd) in sources {
            if open {
                fds.push(PollFd::new(fd, PollFlags::POLLIN));
            }
        }
        let timeout = PollTimeout::try_from(timeout).expect("a tick is at most 50 ms");
        match poll(&mut fds, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        let mut fds = fds.iter();
        Ok(sources.map(|(open, _)| open && fds.next().and_then(PollFd::any).unwrap_or(false)))
    }

    /// How long to wait before looking at the clocks again: half of what is left, so that no limit
    /// is overrun by much.
    fn tick(&self, request: &Request<'_>) -> Duration {
        // A run that has not begun uses no CPU time of the candidate's.
        let left = match self.began {
            Some(began) => request.limits.cpu.saturating_sub(began.at.elapsed()),
            None => START_LIMIT,
        };
        (left / 2).clamp(MIN_TICK, MAX_TICK)
    }

    /// Reads the output that is there, but not more than `limit` in all.
    pub fn read_output(&mut self, limit: u64) -> io::Result<()> {
        self.output.open = process::drain(&mut self.output.pipe, |chunk| {
            let room = MAX_KEPT_OUTPUT_BYTES.saturating_sub(self.kept_output.len());
            self.kept_output.extend(&chunk[..chunk.len().min(room)]);
            self.output_bytes += chunk.len() as u64;
            self.output_bytes <= limit
        })?;
        Ok(())
    }

    fn read_results(&mut self, clock: &dyn Clock) -> io::Result<()> {
        self.results.open = process::drain(&mut self.results.pipe, |chunk| {
            self.received.extend(chunk);
            self.received.len() <= MAX_RESULT_BYTES
        })?;
        if self.began.is_none()
            && let Some(runner) = frame::runner_cpu(&self.nonce, &self.received)
        {
            let (now, before) = (Instant::now(), clock.at_first_step(runner));
            // We may have read this late. The CPU time that the candidate has used since is elapsed
            // time too, so its first step was at least that long ago.
            let since = clock.used().saturating_sub(before);
            let at = now.checked_sub(since).unwrap_or(now);
            self.began = Some(FirstStep { at, before, runner });
        }
        Ok(())
    }

    /// The limit that the run is over, if any.
    fn exceeded(&self, request: &Request<'_>, clock: &dyn Clock) -> Option<Ended> {
        if request.cancelled.load(Ordering::Relaxed) {
            // Whatever else is true of the run, nobody waits for it any more.
            return Some(Ended::Cancelled);
        }
        let Some(began) = self.began else {
            // The candidate's time has not begun, but a start that hangs must end.
            return (self.launched.elapsed() > START_LIMIT).then_some(Ended::WallLimit);
        };
        if began.at.elapsed() > request.limits.wall() {
            return Some(Ended::WallLimit);
        }
        (clock.used().saturating_sub(began.before) > request.limits.cpu).then_some(Ended::CpuLimit)
    }

    /// What is known of a run that was cancelled before the candidate began.
    pub fn cancelled(&self, peak_memory_bytes: u64) -> RawRun {
        RawRun {
            ended: Ended::Cancelled,
            nonce: self.nonce,
            results: Vec::new(),
            cpu: Duration::ZERO,
            wall: self.launched.elapsed(),
            peak_memory_bytes,
        }
    }
}

/// Whether `end` becomes readable within a moment.
fn ends_soon(end: BorrowedFd<'_>) -> io::Result<bool> {
    match poll(&mut [PollFd::new(end, PollFlags::POLLIN)], QUIET_MS) {
        Ok(count) => Ok(count > 0),
        Err(Errno::EINTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
