//! The thread that owns the executor: libtorch and the sandboxes live on it, never on an async one.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::mpsc,
    thread,
};

use anyhow::Context as _;
use tokio::sync::oneshot;

use crate::{Context, Executor, Failure, Outcome, Work};

/// libtorch's graphs are deep, and what a panic unwinds is as well.
const STACK_BYTES: usize = 16 << 20;

/// How a job ended.
pub(crate) type Ended = Result<Outcome, Failure>;

struct Task {
    work: Work,
    context: Context,
    ended: oneshot::Sender<Ended>,
}

/// A handle on the compute thread, which ends with it.
pub(crate) struct Compute(mpsc::Sender<Task>);

impl Compute {
    pub fn start(executor: impl Executor) -> anyhow::Result<Self> {
        // Unbounded, yet it holds one task at most: the next job is leased when this one has ended.
        let (sender, tasks) = mpsc::channel();
        thread::Builder::new()
            .name("compute".to_owned())
            .stack_size(STACK_BYTES)
            .spawn(move || execute_all(executor, tasks))
            .context("start the compute thread")?;
        Ok(Self(sender))
    }

    pub fn start_job(&self, work: Work, context: Context) -> oneshot::Receiver<Ended> {
        let (ended, receiver) = oneshot::channel();
        // A send fails only when the thread has gone; the receiver then says so.
        let _ = self.0.send(Task {
            work,
            context,
            ended,
        });
        receiver
    }
}

fn execute_all(mut executor: impl Executor, tasks: mpsc::Receiver<Task>) {
    for task in tasks {
        let _entered = task.context.span.clone().entered();
        // A panic fails its job alone: the next one may go well.
        let executed = AssertUnwindSafe(|| executor.execute(task.work, &task.context));
        let ended = match catch_unwind(executed) {
            Ok(ended) => ended,
            Err(_) => Err(Failure::infrastructure(
                "the work panicked; the worker's log has the place",
            )),
        };
        // Nobody listens any more when the worker had to go without waiting.
        let _ = task.ended.send(ended);
    }
}
