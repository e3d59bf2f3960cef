//! Everything a coordinator counts and measures, declared in one place. No id is ever a label.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use groklab_domain::{AttemptOutcome, ExperimentState, JobKind};
use groklab_runtime::{metrics::DURATION_BUCKETS, rpc::Finished};
use opentelemetry::{
    KeyValue,
    metrics::{AsyncInstrument, Counter, Histogram, Meter},
};

use crate::store::{
    Store,
    queue::{OpenJobs, Workers},
};

/// Upper ends of the histogram of calls that share a transaction.
const GROUP_SIZE_BUCKETS: [f64; 8] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0];

/// The instruments that code counts with; cheap to clone.
#[derive(Debug, Clone)]
pub struct Metrics {
    grpc_requests: Counter<u64>,
    grpc_request_duration: Histogram<f64>,
    calls_refused: Counter<u64>,
    job_attempts: Counter<u64>,
    job_duration: Histogram<f64>,
    lease_wait: Histogram<f64>,
    leases_lost: Counter<u64>,
    scheduler_step_duration: Histogram<f64>,
    group_commit_size: Histogram<u64>,
    artifact_operations: Counter<u64>,
    artifact_bytes: Counter<u64>,
    experiments_paused: Counter<u64>,
}

/// Why a call was refused before it was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    Rate,
    Certificate,
    NoToken,
    OtherRole,
    UnknownToken,
}

/// Why an experiment was paused without being asked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PauseReason {
    /// A job's attempts were used up.
    Attempts,
    /// Its next step failed.
    Step,
}

/// What is done with an artifact's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArtifactOperation {
    Put,
    Get,
    Remove,
}

impl Metrics {
    pub fn new(meter: &Meter) -> Self {
        let counter = |name, description| counter(meter, name, description);
        let seconds = |name, description| duration(meter, name, description);
        Self {
            grpc_requests: counter("groklab_grpc_requests_total", "Calls that were answered"),
            grpc_request_duration: seconds(
                "groklab_grpc_request_duration_seconds",
                "From a call's arrival to the end of its answer",
            ),
            calls_refused: counter(
                "groklab_calls_refused_total",
                "Calls refused before they were looked at",
            ),
            job_attempts: counter("groklab_job_attempts_total", "Attempts at jobs that ended"),
            job_duration: seconds(
                "groklab_job_duration_seconds",
                "What the work of a job took, as its worker measured it",
            ),
            lease_wait: seconds(
                "groklab_lease_wait_seconds",
                "How long a worker's call waited for the job it got",
            ),
            leases_lost: counter("groklab_leases_lost_total", "Leases that expired"),
            scheduler_step_duration: seconds(
                "groklab_scheduler_step_duration_seconds",
                "What one step of an experiment's loop took",
            ),
            group_commit_size: group_size(meter),
            artifact_operations: counter(
                "groklab_artifact_operations_total",
                "Operations on the artifact store",
            ),
            artifact_bytes: counter("groklab_artifact_bytes_total", "Bytes of artifacts moved"),
            experiments_paused: counter(
                "groklab_experiment_paused_total",
                "Experiments paused because something failed",
            ),
        }
    }

    pub fn call_finished(&self, call: &Finished<'_>) {
        let method = [
            KeyValue::new("service", call.service.to_owned()),
            KeyValue::new("method", call.method.to_owned()),
        ];
        self.grpc_request_duration
            .record(call.took.as_secs_f64(), &method);
        // Codes would multiply the buckets; they go with the count alone.
        let [service, method] = method;
        let code = KeyValue::new("code", format!("{:?}", call.code));
        self.grpc_requests.add(1, &[service, method, code]);
    }

    pub fn call_refused(&self, refusal: Refusal) {
        let reason = KeyValue::new("reason", refusal.as_str());
        self.calls_refused.add(1, &[reason]);
    }

    pub fn attempt_ended(&self, kind: JobKind, outcome: AttemptOutcome) {
        let outcome_label = KeyValue::new("outcome", outcome.as_str());
        self.job_attempts.add(1, &[of_kind(kind), outcome_label]);
        if outcome == AttemptOutcome::Lost {
            self.leases_lost.add(1, &[of_kind(kind)]);
        }
    }

    pub fn job_took(&self, kind: JobKind, seconds: f64) {
        self.job_duration.record(seconds, &[of_kind(kind)]);
    }

    pub fn lease_waited(&self, kind: JobKind, wait: Duration) {
        self.lease_wait.record(wait.as_secs_f64(), &[of_kind(kind)]);
    }

    pub fn step_took(&self, took: Duration) {
        self.scheduler_step_duration.record(took.as_secs_f64(), &[]);
    }

    pub fn committed_together(&self, calls: usize) {
        self.group_commit_size.record(calls as u64, &[]);
    }

    /// `bytes` is what was moved; none where the operation failed.
    pub fn artifact_moved(&self, operation: ArtifactOperation, bytes: Option<u64>) {
        let result = if bytes.is_some() { "ok" } else { "error" };
        let op = KeyValue::new("op", operation.as_str());
        let result = KeyValue::new("result", result);
        self.artifact_operations
            .add(1, &[op.clone(), result.clone()]);
        self.artifact_bytes
            // 0 is added as well, so that the series is there before the first byte.
            .add(bytes.unwrap_or_default(), &[op, result]);
    }

    pub fn experiment_paused(&self, reason: PauseReason) {
        let class = KeyValue::new("reason_class", reason.as_str());
        self.experiments_paused.add(1, &[class]);
    }
}

impl Refusal {
    fn as_str(self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::Certificate => "certificate",
            Self::NoToken => "no_token",
            Self::OtherRole => "other_role",
            Self::UnknownToken => "unknown_token",
        }
    }
}

impl PauseReason {
    fn as_str(self) -> &'static str {
        match self {
            Self::Attempts => "attempts",
            Self::Step => "step",
        }
    }
}

impl ArtifactOperation {
    fn as_str(self) -> &'static str {
        match self {
            Self::Put => "put",
            Self::Get => "get",
            Self::Remove => "remove",
        }
    }
}

fn counter(meter: &Meter, name: &'static str, description: &'static str) -> Counter<u64> {
    meter
        .u64_counter(name)
        .with_description(description)
        .build()
}

fn duration(meter: &Meter, name: &'static str, description: &'static str) -> Histogram<f64> {
    meter
        .f64_histogram(name)
        .with_description(description)
        .with_unit("s")
        .with_boundaries(DURATION_BUCKETS.to_vec())
        .build()
}

fn group_size(meter: &Meter) -> Histogram<u64> {
    meter
        .u64_histogram("groklab_group_commit_size")
        .with_description("Calls that shared one transaction")
        // The last one is the most that share a transaction.
        .with_boundaries(GROUP_SIZE_BUCKETS.to_vec())
        .build()
}

fn of_kind(kind: JobKind) -> KeyValue {
    KeyValue::new("kind", kind.as_str())
}

/// What was last seen of the state that others keep: the database and the artifact store.
#[derive(Debug, Clone, Default)]
pub struct Observed(Arc<Mutex<Census>>);

/// One look at the whole.
#[derive(Debug, Clone, Default)]
pub struct Census {
    pub jobs: BTreeMap<JobKind, OpenJobs>,
    pub experiments: BTreeMap<ExperimentState, u64>,
    pub workers: Workers,
    /// Where it is not, all else here is as it was when the database last answered.
    pub database_up: bool,
    pub artifact_store_up: bool,
}

impl Observed {
    pub fn update(&self, change: impl FnOnce(&mut Census)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Copied, so that nobody waits while metrics are read.
    fn census(&self) -> Census {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// Lets the meter read what was last observed, and the connections to the database.
pub fn observe(meter: &Meter, observed: &Observed, store: &Store) {
    gauge(meter, "groklab_jobs", "Open jobs", observed, each_job_state);
    gauge(
        meter,
        "groklab_experiments",
        "Experiments",
        observed,
        each_experiment_state,
    );
    gauge(
        meter,
        "groklab_workers",
        "Workers that have not left",
        observed,
        each_worker_state,
    );
    gauge(
        meter,
        "groklab_database_up",
        "Whether the database answered when it was last asked: 1 or 0",
        observed,
        |census, gauge| gauge.observe(census.database_up.into(), &[]),
    );
    gauge(
        meter,
        "groklab_artifact_store_up",
        "Whether the artifact store answered when it was last asked: 1 or 0",
        observed,
        |census, gauge| gauge.observe(census.artifact_store_up.into(), &[]),
    );
    observe_oldest(meter, observed);
    let store = store.clone();
    meter
        .u64_observable_gauge("groklab_db_connections")
        .with_description("Connections to the database")
        .with_callback(move |gauge| each_connection_state(&store, gauge))
        .build();
}

fn observe_oldest(meter: &Meter, observed: &Observed) {
    let observed = observed.clone();
    meter
        .f64_observable_gauge("groklab_oldest_ready_job_age_seconds")
        .with_description("How long the oldest ready job has been ready; 0 where there is none")
        .with_unit("s")
        .with_callback(move |gauge| {
            for (kind, jobs) in observed.census().jobs {
                gauge.observe(jobs.oldest_ready_seconds, &[of_kind(kind)]);
            }
        })
        .build();
}

fn gauge(
    meter: &Meter,
    name: &'static str,
    description: &'static str,
    observed: &Observed,
    read: fn(&Census, &dyn AsyncInstrument<u64>),
) {
    let observed = observed.clone();
    meter
        .u64_observable_gauge(name)
        .with_description(description)
        .with_callback(move |gauge| read(&observed.census(), gauge))
        .build();
}

fn each_job_state(census: &Census, gauge: &dyn AsyncInstrument<u64>) {
    for (&kind, jobs) in &census.jobs {
        for (state, count) in [
            ("ready", jobs.ready),
            ("leased", jobs.leased),
            ("waiting", jobs.waiting),
        ] {
            gauge.observe(count, &[of_kind(kind), KeyValue::new("state", state)]);
        }
    }
}

fn each_experiment_state(census: &Census, gauge: &dyn AsyncInstrument<u64>) {
    for (state, &count) in &census.experiments {
        gauge.observe(count, &[KeyValue::new("state", state.as_str())]);
    }
}

fn each_worker_state(census: &Census, gauge: &dyn AsyncInstrument<u64>) {
    for &kind in JobKind::ALL {
        for state in ["idle", "busy", "gone"] {
            let counted = census.workers.get(&(kind, state.to_owned()));
            // A state that nobody is in is 0 rather than absent: alerts compare it.
            let labels = [of_kind(kind), KeyValue::new("state", state)];
            gauge.observe(counted.copied().unwrap_or_default(), &labels);
        }
    }
}

fn each_connection_state(store: &Store, gauge: &dyn AsyncInstrument<u64>) {
    // The two are read one after the other, so idle may exceed open for a moment.
    let open = u64::from(store.pool().size());
    let idle = store.pool().num_idle() as u64;
    gauge.observe(idle, &[KeyValue::new("state", "idle")]);
    let used = open.saturating_sub(idle);
    gauge.observe(used, &[KeyValue::new("state", "used")]);
}

#[cfg(test)]
mod tests {
    use groklab_runtime::metrics::Instruments;

    use super::*;

    #[test]
    fn a_lost_attempt_is_a_lost_lease() {
        let instruments = Instruments::for_tests();
        let metrics = Metrics::new(&instruments.meter());
        metrics.attempt_ended(JobKind::Verify, AttemptOutcome::Done);
        metrics.attempt_ended(JobKind::Verify, AttemptOutcome::Lost);
        let text = instruments.text().unwrap();
        for line in [
            "groklab_job_attempts_total{kind=\"verify\",outcome=\"done\"} 1",
            "groklab_job_attempts_total{kind=\"verify\",outcome=\"lost\"} 1",
            "groklab_leases_lost_total{kind=\"verify\"} 1",
        ] {
            assert!(text.lines().any(|shown| shown == line), "{line}\n{text}");
        }
    }

    #[test]
    fn a_failed_transfer_moves_nothing() {
        let instruments = Instruments::for_tests();
        let metrics = Metrics::new(&instruments.meter());
        metrics.artifact_moved(ArtifactOperation::Put, Some(5));
        metrics.artifact_moved(ArtifactOperation::Put, None);
        let text = instruments.text().unwrap();
        for line in [
            "groklab_artifact_bytes_total{op=\"put\",result=\"ok\"} 5",
            "groklab_artifact_bytes_total{op=\"put\",result=\"error\"} 0",
            "groklab_artifact_operations_total{op=\"put\",result=\"error\"} 1",
        ] {
            assert!(text.lines().any(|shown| shown == line), "{line}\n{text}");
        }
    }
}
