//! Everything `worker-verify` counts, declared in one place: candidates by verdict, how long runs
//! take, the queue, zygotes, second opinions, and what the sandbox is made of. A value is a handle:
//! clones count together, and `register` lets a meter read the counts.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use groklab_domain::Verdict;
use opentelemetry::{
    KeyValue,
    metrics::{AsyncInstrument, Histogram, Meter},
};

use crate::judge::outcome::SecondOpinion;

/// Upper ends of the buckets of run durations. A warm run takes milliseconds, a cold one tens of
/// them, and what runs into its limits seconds.
const DURATION_BUCKETS_SECONDS: [f64; 12] = [
    0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 1.024, 4.096, 16.384,
];

/// The two ways a candidate is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunPath {
    Warm,
    Cold,
}

/// What the sandbox is made of on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SandboxLabels {
    pub cgroups: String,
    pub python: String,
    pub nsjail: String,
    pub isolation: String,
}

/// Hands one metric's numbers to whoever reads them.
type Show = fn(&Counts, &dyn AsyncInstrument<u64>);

/// Counts from the start of the process. Cheap to add to from any thread.
#[derive(Debug, Clone)]
pub struct Metrics(Arc<Counts>);

#[derive(Debug)]
struct Counts {
    /// Every verdict is there from the start, at zero: an alert on growth then sees the first one.
    candidates: BTreeMap<Verdict, AtomicU64>,
    queue: AtomicU64,
    zygotes_started: AtomicU64,
    zygotes_unsound: AtomicU64,
    opinions_agreed: AtomicU64,
    opinions_differed: AtomicU64,
    opinions_missing: AtomicU64,
    /// Absent until a meter reads the counts; durations are of no use to the log.
    duration: OnceLock<Histogram<f64>>,
    sandbox: OnceLock<SandboxLabels>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut candidates = BTreeMap::new();
        for &verdict in Verdict::ALL {
            candidates.insert(verdict, AtomicU64::new(0));
        }
        Self(Arc::new(Counts {
            candidates,
            queue: AtomicU64::new(0),
            zygotes_started: AtomicU64::new(0),
            zygotes_unsound: AtomicU64::new(0),
            opinions_agreed: AtomicU64::new(0),
            opinions_differed: AtomicU64::new(0),
            opinions_missing: AtomicU64::new(0),
            duration: OnceLock::new(),
            sandbox: OnceLock::new(),
        }))
    }
}

impl Metrics {
    /// Lets `meter` read the counts, under the names given here.
    pub fn register(&self, meter: &Meter) {
        let duration = meter
            .f64_histogram("groklab_verify_duration_seconds")
            .with_description("Time of one run in the sandbox, by the path it took")
            .with_unit("s")
            .with_boundaries(DURATION_BUCKETS_SECONDS.to_vec())
            .build();
        let first = self.0.duration.set(duration).is_ok();
        debug_assert!(first, "a process has one meter");
        self.observe_counters(meter);
        self.observe_gauges(meter);
    }

    fn observe_counters(&self, meter: &Meter) {
        let counters: [(_, _, Show); 4] = [
            (
                "groklab_verify_candidates_total",
                "Candidates by their final verdict",
                Counts::show_candidates,
            ),
            (
                "groklab_zygotes_started_total",
                "Warm interpreters started",
                Counts::show_zygotes_started,
            ),
            (
                "groklab_zygotes_unsound_total",
                "Warm interpreters replaced before their time because something went wrong",
                Counts::show_zygotes_unsound,
            ),
            (
                "groklab_verify_second_opinions_total",
                "Winners verified once more on the cold path, by whether it agreed",
                Counts::show_second_opinions,
            ),
        ];
        for (name, description, show) in counters {
            let counts = self.0.clone();
            meter
                .u64_observable_counter(name)
                .with_description(description)
                .with_callback(move |counter| show(&counts, counter))
                .build();
        }
    }

    fn observe_gauges(&self, meter: &Meter) {
        let gauges: [(_, _, Show); 2] = [
            (
                "groklab_verify_queue",
                "Candidates handed in that have no verdict yet",
                Counts::show_queue,
            ),
            (
                "groklab_sandbox_info",
                "What the sandbox is made of; its value is 1",
                Counts::show_sandbox,
            ),
        ];
        for (name, description, show) in gauges {
            let counts = self.0.clone();
            meter
                .u64_observable_gauge(name)
                .with_description(description)
                .with_callback(move |gauge| show(&counts, gauge))
                .build();
        }
    }

    /// Counts one candidate's final verdict.
    pub fn count_verdict(&self, verdict: Verdict) {
        self.0.candidates[&verdict].fetch_add(1, Relaxed);
    }

    /// Counts one run and how long it took.
    pub fn observe_run(&self, path: RunPath, took: Duration) {
        let path = match path {
            RunPath::Warm => "warm",
            RunPath::Cold => "cold",
        };
        if let Some(duration) = self.0.duration.get() {
            duration.record(took.as_secs_f64(), &[KeyValue::new("path", path)]);
        }
    }

    /// So many candidates were handed in.
    pub fn count_queued(&self, candidates: usize) {
        self.0.queue.fetch_add(candidates as u64, Relaxed);
    }

    /// So many candidates wait no longer, because they have a verdict or were given up.
    pub fn count_unqueued(&self, candidates: usize) {
        self.0.queue.fetch_sub(candidates as u64, Relaxed);
    }

    pub fn count_zygote_started(&self) {
        self.0.zygotes_started.fetch_add(1, Relaxed);
    }

    /// A zygote is replaced before its time, because not everything went as it must.
    pub fn count_zygote_unsound(&self) {
        self.0.zygotes_unsound.fetch_add(1, Relaxed);
    }

    pub fn count_second_opinion(&self, opinion: SecondOpinion) {
        let count = match opinion {
            SecondOpinion::Agrees => &self.0.opinions_agreed,
            SecondOpinion::Differs => &self.0.opinions_differed,
            SecondOpinion::Missing => &self.0.opinions_missing,
        };
        count.fetch_add(1, Relaxed);
    }

    /// Says once what the sandbox is made of.
    pub fn describe_sandbox(&self, labels: &SandboxLabels) {
        self.0.sandbox.get_or_init(|| labels.clone());
    }

    /// Candidates that have a verdict.
    pub fn total(&self) -> u64 {
        let mut total = 0;
        for count in self.0.candidates.values() {
            total += count.load(Relaxed);
        }
        total
    }
}

impl Counts {
    fn show_candidates(&self, counter: &dyn AsyncInstrument<u64>) {
        for (verdict, count) in &self.candidates {
            let label = KeyValue::new("verdict", verdict.as_str());
            counter.observe(count.load(Relaxed), &[label]);
        }
    }

    fn show_zygotes_started(&self, counter: &dyn AsyncInstrument<u64>) {
        counter.observe(self.zygotes_started.load(Relaxed), &[]);
    }

    fn show_zygotes_unsound(&self, counter: &dyn AsyncInstrument<u64>) {
        counter.observe(self.zygotes_unsound.load(Relaxed), &[]);
    }

    fn show_second_opinions(&self, counter: &dyn AsyncInstrument<u64>) {
        for (agreed, count) in [
            ("yes", &self.opinions_agreed),
            ("no", &self.opinions_differed),
            ("unknown", &self.opinions_missing),
        ] {
            counter.observe(count.load(Relaxed), &[KeyValue::new("agreed", agreed)]);
        }
    }

    fn show_queue(&self, gauge: &dyn AsyncInstrument<u64>) {
        gauge.observe(self.queue.load(Relaxed), &[]);
    }

    fn show_sandbox(&self, gauge: &dyn AsyncInstrument<u64>) {
        let Some(sandbox) = self.sandbox.get() else {
            return;
        };
        let labels = [
            KeyValue::new("cgroups", sandbox.cgroups.clone()),
            KeyValue::new("python", sandbox.python.clone()),
            KeyValue::new("nsjail", sandbox.nsjail.clone()),
            KeyValue::new("isolation", sandbox.isolation.clone()),
        ];
        gauge.observe(1, &labels);
    }
}

/// `verdicts passed=3 timeout=1 | queue=0 …`, for the log.
impl fmt::Display for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = &*self.0;
        write!(f, "verdicts")?;
        for (verdict, count) in &counts.candidates {
            let count = count.load(Relaxed);
            if count > 0 {
                write!(f, " {verdict}={count}")?;
            }
        }
        write!(
            f,
            " | queue={} | zygotes started={} unsound={} | second_opinions agreed={} \
             disagreements={}",
            counts.queue.load(Relaxed),
            counts.zygotes_started.load(Relaxed),
            counts.zygotes_unsound.load(Relaxed),
            counts.opinions_agreed.load(Relaxed),
            counts.opinions_differed.load(Relaxed),
        )
    }
}

#[cfg(test)]
mod tests {
    use groklab_runtime::metrics::Instruments;

    use super::*;

    fn count_some(metrics: &Metrics) {
        for verdict in [Verdict::Passed, Verdict::Passed, Verdict::Timeout] {
            metrics.count_verdict(verdict);
        }
        for ms in [3, 0, 99_999] {
            metrics.observe_run(RunPath::Warm, Duration::from_millis(ms));
        }
        metrics.count_second_opinion(SecondOpinion::Differs);
    }

    #[test]
    fn counts_show_where_they_belong() {
        let metrics = Metrics::default();
        count_some(&metrics);
        let text = metrics.to_string();
        assert!(
            text.starts_with("verdicts passed=2 timeout=1 | queue=0 | zygotes started=0"),
            "{text}"
        );
        assert!(text.ends_with("agreed=0 disagreements=1"), "{text}");
        assert_eq!(metrics.total(), 3);
    }

    #[test]
    fn every_metric_has_its_name_and_its_unit() {
        let metrics = Metrics::default();
        let instruments = Instruments::for_tests();
        metrics.register(&instruments.meter());
        count_some(&metrics);
        metrics.describe_sandbox(&SandboxLabels {
            cgroups: "v1".to_owned(),
            python: "3.11.2".to_owned(),
            nsjail: "/usr/bin/nsjail".to_owned(),
            isolation: "warm".to_owned(),
        });
        let text = instruments.text().unwrap();
        for line in [
            "groklab_verify_candidates_total{verdict=\"passed\"} 2",
            "groklab_verify_candidates_total{verdict=\"forbidden\"} 0",
            "groklab_verify_duration_seconds_bucket{path=\"warm\",le=\"0.004\"} 2",
            "groklab_verify_duration_seconds_bucket{path=\"warm\",le=\"16.384\"} 2",
            "groklab_verify_duration_seconds_count{path=\"warm\"} 3",
            "groklab_verify_queue 0",
            "groklab_zygotes_started_total 0",
            "groklab_zygotes_unsound_total 0",
            "groklab_verify_second_opinions_total{agreed=\"no\"} 1",
            "groklab_verify_second_opinions_total{agreed=\"yes\"} 0",
            "groklab_sandbox_info{cgroups=\"v1\",isolation=\"warm\",nsjail=\"/usr/bin/nsjail\",\
             python=\"3.11.2\"} 1",
        ] {
            assert!(
                text.lines().any(|found| found == line),
                "{line} is not in\n{text}"
            );
        }
    }
}
