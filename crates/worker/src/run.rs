//! The worker's life: register, then lease, work, report, until told to stop; then drain.

use std::{
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use anyhow::Context as _;
use groklab_domain::job::Claim;
use groklab_proto::{limits::LEASE_POLL_SECONDS, v1};
use groklab_runtime::shutdown::stopped_within;
use tokio::{runtime::Handle, sync::oneshot, time::Instant};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::{
    Args, Context, Description, Executor, Failure, Outcome, Work,
    artifacts::Artifacts,
    beat::{Heart, Hung},
    client::{CALL, Client, connect, within},
    job::{Leased, Signal},
    report,
};

const AFTER_ERROR: Duration = Duration::from_secs(2);
/// Deadline of a lease call: the long poll and a little more.
const LEASE_CALL: Duration = Duration::from_secs(LEASE_POLL_SECONDS + 10);

/// Works for the coordinator until `stop` is cancelled, with `executor` on a thread of its own.
pub async fn run(
    args: Args,
    who: Description,
    executor: impl Executor,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let client = connect(&args.coordinator, &args.connect.access(None)?)?;
    // What still has to be said after `stop` gets the grace time twice: once for the work, once for its report.
    let hard_stop = CancellationToken::new();
    let artifacts = Artifacts::new(
        client.clone(),
        args.cache.clone(),
        Handle::current(),
        hard_stop.clone(),
    )
    .with_context(|| format!("cache folder `{}`", args.cache.display()))?;
    let worker = Worker {
        compute: Compute::start(executor)?,
        client,
        artifacts,
        args,
        who,
        stop: stop.clone(),
        hard_stop: hard_stop.clone(),
    };
    let grace = worker.args.grace();
    let give_up = async move {
        stop.cancelled().await;
        tokio::time::sleep(grace * 2 + Duration::from_secs(2)).await;
        hard_stop.cancel();
        std::future::pending().await
    };
    tokio::select! {
        outcome = worker.live() => outcome,
        () = give_up => unreachable!("it waits for ever"),
    }
}

struct Worker {
    client: Client,
    artifacts: Artifacts,
    compute: Compute,
    args: Args,
    who: Description,
    stop: CancellationToken,
    hard_stop: CancellationToken,
}

impl Worker {
    async fn live(self) -> anyhow::Result<()> {
        let mut registered = false;
        while !self.stop.is_cancelled() {
            let Some(lease) = self.register().await? else {
                break;
            };
            registered = true;
            while !self.stop.is_cancelled() {
                match self.lease().await {
                    Ok(jobs) => {
                        for job in jobs {
                            self.work(job, lease).await?;
                        }
                    }
                    // The coordinator does not know this worker any more: introduce it again.
                    Err(status) if status.code() == tonic::Code::NotFound => break,
                    Err(_) if self.stop.is_cancelled() => {}
                    Err(status)
                        if matches!(
                            status.code(),
                            tonic::Code::Unauthenticated | tonic::Code::PermissionDenied
                        ) =>
                    {
                        anyhow::bail!(
                            "lease work at `{}`: {}",
                            self.args.coordinator,
                            status.message()
                        );
                    }
                    Err(status) => {
                        tracing::error!(code = ?status.code(), message = status.message(), "no work could be leased; trying again");
                        stopped_within(&self.stop, AFTER_ERROR).await;
                    }
                }
            }
        }
        // A worker whose work hangs ends without a word: its job is to count as lost.
        if registered {
            report::leave(&self.client, self.who.id).await;
        }
        tracing::info!("worker ended");
        Ok(())
    }

    /// Introduces this worker; the length of a lease, or none when told to stop first.
    async fn register(&self) -> anyhow::Result<Option<Duration>> {
        let request = v1::RegisterRequest {
            worker_id: self.who.id.to_string(),
            kind: self.who.kind.to_string(),
            host: nix::unistd::gethostname()
                .map(|name| name.to_string_lossy().into_owned())
                .unwrap_or_default(),
            device: self.who.device.clone(),
            threads: self.who.threads,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        let answer = self.client.retry("register", &self.stop, |client| {
            let request = request.clone();
            async move { client.workers().register(within(CALL, request)).await }
        });
        match answer.await {
            Ok(answer) => {
                tracing::info!(worker.id = %self.who.id, kind = %self.who.kind, device = self.who.device, "registered");
                Ok(Some(Duration::from_secs(
                    answer.get_ref().lease_seconds.into(),
                )))
            }
            Err(_) if self.stop.is_cancelled() => Ok(None),
            Err(status) => anyhow::bail!(
                "register at `{}`: {}",
                self.args.coordinator,
                status.message()
            ),
        }
    }

    /// Waits for a job; none when the long poll ended without one.
    async fn lease(&self) -> Result<Vec<Leased>, tonic::Status> {
        let request = v1::LeaseRequest {
            worker_id: self.who.id.to_string(),
            kind: self.who.kind.to_string(),
            capacity: 1,
            held: Vec::new(),
        };
        let call = self.client.retry("lease", &self.stop, |client| {
            let request = request.clone();
            async move { client.workers().lease(within(LEASE_CALL, request)).await }
        });
        let answer = tokio::select! {
            answer = call => answer?,
            () = self.stop.cancelled() => return Ok(Vec::new()),
        };
        answer
            .into_inner()
            .jobs
            .into_iter()
            .map(Leased::try_from)
            .collect()
    }

    /// Does one job and reports how it ended. An error means that this process must end: its compute thread hangs.
    async fn work(&self, leased: Leased, lease: Duration) -> anyhow::Result<()> {
        let claim = Claim {
            worker: self.who.id,
            job: leased.job,
            fence: leased.fence,
        };
        let span = tracing::info_span!(
            "job",
            job.id = %leased.job,
            lease.fence = leased.fence.0,
            worker.id = %self.who.id,
            experiment.id = leased.experiment,
            attempt = leased.attempt,
        );
        groklab_runtime::trace::adopt_traceparent(&span, &leased.traceparent);
        let signal = Arc::new(Signal::default());
        let context = Context {
            artifacts: self.artifacts.clone(),
            span: span.clone(),
            signal: signal.clone(),
        };
        let heart = Heart {
            client: self.client.clone(),
            claim,
            signal: signal.clone(),
            lease,
            stall: self.args.stall(),
        };
        let started = Instant::now();
        let attempt = async {
            match self
                .supervise(self.compute.start_job(leased.work, context), heart, &signal)
                .await?
            {
                Ok(outcome) => {
                    report::complete(
                        &self.client,
                        claim,
                        started.elapsed().as_secs_f64(),
                        outcome,
                        &self.hard_stop,
                    )
                    .await;
                }
                Err(failure) => report::fail(&self.client, claim, failure, &self.hard_stop).await,
            }
            Ok(())
        };
        attempt.instrument(span).await
    }

    /// Waits for the compute thread beside the heartbeat; after `stop` for the grace time, then tells it to give the job back.
    /// An error: it hangs.
    async fn supervise(
        &self,
        job: oneshot::Receiver<Result<Outcome, Failure>>,
        heart: Heart,
        signal: &Signal,
    ) -> anyhow::Result<Result<Outcome, Failure>> {
        let overdue = async {
            self.stop.cancelled().await;
            tokio::time::sleep(self.args.grace()).await;
            signal.drop_job();
            tokio::time::sleep(self.args.grace()).await;
        };
        tokio::select! {
            ended = job => Ok(ended.unwrap_or_else(|_| Err(Failure::infrastructure("the compute thread ended")))),
            () = overdue => Ok(Err(Failure::from(crate::Cancelled))),
            Hung = heart.beat() => anyhow::bail!("the work has not moved for {} s: ending, so that another worker may have the job", self.args.stall().as_secs()),
        }
    }
}

type Task = (Work, Context, oneshot::Sender<Result<Outcome, Failure>>);

/// The thread that owns the executor: libtorch and the sandboxes live on it, never on an async one.
struct Compute(mpsc::Sender<Task>);

impl Compute {
    fn start(mut executor: impl Executor) -> anyhow::Result<Self> {
        let (sender, tasks) = mpsc::channel::<Task>();
        let work = move || {
            for (work, context, answer) in tasks {
                let _entered = context.span.clone().entered();
                let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                    executor.execute(work, &context)
                }));
                let outcome = outcome.unwrap_or_else(|_| {
                    Err(Failure::infrastructure(
                        "the work panicked; the worker's log has the place",
                    ))
                });
                // Nobody listens any more when the worker had to go without waiting.
                let _ = answer.send(outcome);
            }
        };
        thread::Builder::new()
            .name("compute".to_owned())
            .stack_size(16 << 20)
            .spawn(work)
            .context("start the compute thread")?;
        Ok(Self(sender))
    }

    fn start_job(
        &self,
        work: Work,
        context: Context,
    ) -> oneshot::Receiver<Result<Outcome, Failure>> {
        let (sender, receiver) = oneshot::channel();
        // A send fails only when the thread has gone; the receiver then says so.
        let _ = self.0.send((work, context, sender));
        receiver
    }
}
