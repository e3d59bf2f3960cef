//! The worker's life: register, then lease, work, report, until told to stop; then drain.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::Context as _;
use groklab_domain::job::Claim;
use groklab_proto::limits::LEASE_POLL_SECONDS;
use groklab_runtime::{
    connect::Fallback, process::Process, shutdown::stopped_within, start_again::StartAgain, trace,
};
use tokio::{runtime::Handle, time::Instant};
use tokio_util::sync::CancellationToken;
use tonic::Code;
use tracing::Instrument;

use crate::{
    Args, Cancelled, Context, Description, Executor, Failure, Outcome, SharingArgs, Work,
    artifacts::Artifacts,
    cache::Cache,
    client::{CALL_WITHIN, Client, connect, within},
    compute::Compute,
    heartbeat::{Heartbeat, Hung},
    metrics, report,
    sharing::Sharing,
    signal::Signal,
    status::Status,
    wire::{self, Leased},
};

// Errors that do not heal come back at once: without a pause the loop would do nothing but ask and
// log.
const LEASE_AGAIN_AFTER: Duration = Duration::from_secs(2);
/// Deadline of a lease call: the long poll and a little more.
const LEASE_CALL_WITHIN: Duration = Duration::from_secs(LEASE_POLL_SECONDS + 10);
/// What the last report may take beyond the grace time.
const LAST_REPORT_WITHIN: Duration = Duration::from_secs(2);

/// Works for the coordinator until the process is to stop, with `executor` on a thread of its own.
pub async fn run(
    args: Args,
    sharing: &SharingArgs,
    who: Description,
    executor: impl Executor,
    process: Process,
) -> anyhow::Result<()> {
    let stop = process.stop.clone();
    let sharing = Sharing::new(sharing, who.gpu.as_deref())?;
    let worker = Worker::new(args, sharing, who, executor, process)?;
    // After `stop` the work gets the grace time twice (`supervise`), and its report a little more.
    let patience = worker.args.grace() * 2 + LAST_REPORT_WITHIN;
    let hard_stop = worker.hard_stop.clone();
    let give_up = async move {
        stop.cancelled().await;
        tokio::time::sleep(patience).await;
        hard_stop.cancel();
        // It never ends by itself: cancelling `hard_stop` ends the calls that `live` waits for.
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
    status: Status,
    sharing: Sharing,
    /// Set once the device is to be given up.
    gives_up: AtomicBool,
    start_again: StartAgain,
    stop: CancellationToken,
    /// Cancelled when there is no time left for anything.
    hard_stop: CancellationToken,
}

impl Worker {
    fn new(
        args: Args,
        sharing: Sharing,
        who: Description,
        executor: impl Executor,
        process: Process,
    ) -> anyhow::Result<Self> {
        let status = Status::default();
        process.health.depends_on(status.clone());
        let meter = opentelemetry::global::meter(groklab_runtime::metrics::METER);
        metrics::observe(&meter, &status);
        let access = args.connect.access(Fallback::default())?;
        let client = connect(&args.coordinator, &access, status.clone())?;
        let hard_stop = CancellationToken::new();
        let cache = Cache::open(args.cache.clone(), args.cache_bytes)
            .with_context(|| format!("cache folder `{}`", args.cache.display()))?;
        let (runtime, hard) = (Handle::current(), hard_stop.clone());
        let artifacts = Artifacts::new(client.clone(), cache, runtime, hard);
        Ok(Self {
            compute: Compute::start(executor)?,
            client,
            artifacts,
            args,
            who,
            status,
            sharing,
            gives_up: AtomicBool::new(false),
            start_again: process.start_again,
            stop: process.stop,
            hard_stop,
        })
    }

    async fn live(self) -> anyhow::Result<()> {
        let mut registered = false;
        while !self.stop.is_cancelled() {
            let Some(lease) = self.register().await? else {
                break;
            };
            registered = true;
            self.status.set_registered(true);
            // It comes back when the worker has to introduce itself again.
            self.work_while_known(lease).await?;
            self.status.set_registered(false);
        }
        // A worker whose work hangs ends without a word: its job is to count as lost.
        if registered {
            report::leave(&self.client, self.who.id).await;
        }
        tracing::info!("worker ended");
        if self.gives_up.into_inner() {
            let lock = self.sharing.into_lock().context("give up the device")?;
            self.start_again.request(lock, &self.stop);
        }
        Ok(())
    }

    /// Leases and works until told to stop, or until the coordinator does not know this worker any
    /// more.
    async fn work_while_known(&self, lease: Duration) -> anyhow::Result<()> {
        while !self.stop.is_cancelled() {
            // A job that would wait long for the device is another worker's meanwhile.
            let waited = self.stop.run_until_cancelled(self.sharing.wait_for_turn());
            if waited.await.is_none() {
                break;
            }
            let status = match self.lease().await {
                Ok(jobs) => {
                    for job in jobs {
                        self.work(job, lease).await?;
                    }
                    continue;
                }
                Err(status) => status,
            };
            match status.code() {
                // It has forgotten this worker, as after its database was restored.
                Code::NotFound => return Ok(()),
                // What failed because of the stop is no failure.
                _ if self.stop.is_cancelled() => {}
                // A wrong token does not become right by waiting.
                Code::Unauthenticated | Code::PermissionDenied => anyhow::bail!(
                    "lease work at `{}`: {}",
                    self.args.coordinator,
                    status.message()
                ),
                code => {
                    let message = status.message();
                    tracing::error!(?code, message, "no work could be leased; trying again");
                    stopped_within(&self.stop, LEASE_AGAIN_AFTER).await;
                }
            }
        }
        Ok(())
    }

    /// Introduces this worker; the length of a lease, or none when told to stop first.
    async fn register(&self) -> anyhow::Result<Option<Duration>> {
        let who = &self.who;
        let request = wire::register(who, host_name());
        let answer = self.client.retry("register", &self.stop, |client| {
            let request = within(CALL_WITHIN, request.clone());
            async move { client.workers().register(request).await }
        });
        match answer.await {
            Ok(answer) => {
                let (kind, device) = (who.kind, &who.device);
                tracing::info!(worker.id = %who.id, %kind, device, "registered");
                let seconds = answer.get_ref().lease_seconds;
                Ok(Some(Duration::from_secs(seconds.into())))
            }
            Err(_) if self.stop.is_cancelled() => Ok(None),
            // What heals was tried until `stop`, so only a refusal comes here.
            Err(status) => anyhow::bail!(
                "register at `{}`: {}",
                self.args.coordinator,
                status.message()
            ),
        }
    }

    /// Waits for a job; none when the long poll ended without one.
    async fn lease(&self) -> Result<Vec<Leased>, tonic::Status> {
        let request = wire::lease(self.who.id, self.who.kind);
        let call = self.client.retry("lease", &self.stop, |client| {
            let request = within(LEASE_CALL_WITHIN, request.clone());
            async move { client.workers().lease(request).await }
        });
        let answer = tokio::select! {
            // Asked first, or a worker with job after job would never let another one in.
            biased;
            // A job may be on its way in the answer that is dropped here: `leave` gives it back.
            () = self.stop.cancelled() => return Ok(Vec::new()),
            reason = self.sharing.is_wanted() => {
                tracing::info!(reason, "giving up the device: starting again");
                self.gives_up.store(true, Ordering::Relaxed);
                self.stop.cancel();
                return Ok(Vec::new());
            }
            answer = call => answer?,
        };
        let jobs = answer.into_inner().jobs;
        jobs.into_iter().map(Leased::try_from).collect()
    }

    /// Does one job and reports how it ended. An error means that this process must end: its
    /// compute thread hangs.
    async fn work(&self, leased: Leased, lease: Duration) -> anyhow::Result<()> {
        let span = tracing::info_span!(
            "job",
            job.id = %leased.job,
            lease.fence = leased.fence.0,
            worker.id = %self.who.id,
            experiment.id = leased.experiment,
            attempt = leased.attempt,
        );
        trace::adopt_traceparent(&span, &leased.traceparent);
        self.status.job_started();
        let outcome = self
            .attempt(leased, lease, span.clone())
            .instrument(span)
            .await;
        self.status.job_ended();
        outcome
    }

    async fn attempt(
        &self,
        leased: Leased,
        lease: Duration,
        span: tracing::Span,
    ) -> anyhow::Result<()> {
        let claim = Claim {
            worker: self.who.id,
            job: leased.job,
            fence: leased.fence,
        };
        let signal = Arc::new(Signal::default());
        let context = Context {
            artifacts: self.artifacts.clone(),
            span,
            signal: signal.clone(),
        };
        let heartbeat = Heartbeat {
            client: self.client.clone(),
            claim,
            signal: signal.clone(),
            lease,
            stall: self.args.stall(),
        };
        let job = self.do_job(leased.work, context, &signal);
        match self.supervise(job, heartbeat, &signal).await? {
            Ok((seconds, outcome)) => {
                let done = report::CompletedJob {
                    claim,
                    seconds,
                    outcome,
                };
                report::complete(&self.client, done, &self.hard_stop).await;
            }
            Err(failure) => report::fail(&self.client, claim, failure, &self.hard_stop).await,
        }
        Ok(())
    }

    /// Does the job once the device is this worker's. The seconds are the work's own: neither
    /// waiting for the device nor the report counts.
    async fn do_job(
        &self,
        work: Work,
        context: Context,
        signal: &Signal,
    ) -> Result<(f64, Outcome), Failure> {
        tokio::select! {
            biased;
            // Nothing is done yet, so there is nothing to wait for.
            () = self.stop.cancelled() => return Err(Cancelled.into()),
            taken = self.sharing.take(signal) => taken?,
        }
        let started = Instant::now();
        let ended = self.compute.start_job(work, context).await;
        let seconds = started.elapsed().as_secs_f64();
        self.sharing.used();
        match ended {
            Ok(ended) => Ok((seconds, ended?)),
            Err(_) => Err(Failure::infrastructure("the compute thread ended")),
        }
    }

    /// Waits for the job beside the heartbeat; after `stop` for the grace time, then tells it to
    /// give the job back. An error: it hangs.
    async fn supervise<T>(
        &self,
        job: impl Future<Output = Result<T, Failure>>,
        heartbeat: Heartbeat,
        signal: &Signal,
    ) -> anyhow::Result<Result<T, Failure>> {
        let overdue = async {
            self.stop.cancelled().await;
            tokio::time::sleep(self.args.grace()).await;
            // The work looks at this between its parts; where it does not end within the second
            // grace time, the job is given back while it still runs.
            signal.drop_job();
            tokio::time::sleep(self.args.grace()).await;
        };
        tokio::select! {
            ended = job => Ok(ended),
            () = overdue => Ok(Err(Failure::from(Cancelled))),
            Hung = heartbeat.run() => anyhow::bail!(
                "the work has not moved for {} s: ending, so that another worker may have the job",
                self.args.stall().as_secs()
            ),
        }
    }
}

/// For people who look for the machine; a host without a name works as well.
fn host_name() -> String {
    match nix::unistd::gethostname() {
        Ok(name) => name.to_string_lossy().into_owned(),
        Err(_) => String::new(),
    }
}
