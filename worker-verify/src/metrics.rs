//! Everything `worker-verify` counts, declared in one place: candidates by verdict, how long runs
//! take, the queue, zygotes, second opinions, and what the sandbox is made of. A value is a handle:
//! clones count together, and `register` shows the counts to whoever serves them.

use std::{fmt, time::Duration};

use groklab_domain::Verdict;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
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

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct VerdictLabel {
    verdict: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PathLabel {
    path: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct AgreedLabel {
    agreed: &'static str,
}

/// What the sandbox is made of on this machine.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct SandboxLabels {
    pub cgroups: String,
    pub python: String,
    pub nsjail: String,
    pub isolation: String,
}

/// Counts from the start of the process. Cheap to add to from any thread.
#[derive(Debug, Clone)]
pub struct Metrics {
    candidates: Family<VerdictLabel, Counter>,
    duration: Family<PathLabel, Histogram, fn() -> Histogram>,
    queue: Gauge,
    zygotes_started: Counter,
    zygotes_unsound: Counter,
    second_opinions: Family<AgreedLabel, Counter>,
    sandbox: Family<SandboxLabels, Gauge>,
}

impl Default for Metrics {
    fn default() -> Self {
        let histogram: fn() -> Histogram = || Histogram::new(DURATION_BUCKETS_SECONDS);
        let metrics = Self {
            candidates: Family::default(),
            duration: Family::new_with_constructor(histogram),
            queue: Gauge::default(),
            zygotes_started: Counter::default(),
            zygotes_unsound: Counter::default(),
            second_opinions: Family::default(),
            sandbox: Family::default(),
        };
        // Every series is there from the start, at zero: an alert on growth then sees the first
        // one.
        for verdict in Verdict::ALL {
            metrics.candidates_with(*verdict);
        }
        for agreed in ["yes", "no", "unknown"] {
            metrics
                .second_opinions
                .get_or_create_owned(&AgreedLabel { agreed });
        }
        metrics
    }
}

impl Metrics {
    /// Shows the counts under their names, which are complete: the registry adds no prefix.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "groklab_verify_candidates",
            "Candidates by their final verdict",
            self.candidates.clone(),
        );
        // The registry adds `_seconds` to this name and `_total` to those of counters.
        registry.register_with_unit(
            "groklab_verify_duration",
            "Time of one run in the sandbox, by the path it took",
            Unit::Seconds,
            self.duration.clone(),
        );
        registry.register(
            "groklab_verify_queue",
            "Candidates handed in that have no verdict yet",
            self.queue.clone(),
        );
        registry.register(
            "groklab_zygotes_started",
            "Warm interpreters started",
            self.zygotes_started.clone(),
        );
        registry.register(
            "groklab_zygotes_unsound",
            "Warm interpreters replaced before their time because something went wrong",
            self.zygotes_unsound.clone(),
        );
        registry.register(
            "groklab_verify_second_opinions",
            "Winners verified once more on the cold path, by whether it agreed",
            self.second_opinions.clone(),
        );
        registry.register(
            "groklab_sandbox_info",
            "What the sandbox is made of; always 1",
            self.sandbox.clone(),
        );
    }

    /// Counts one candidate's final verdict.
    pub fn count_verdict(&self, verdict: Verdict) {
        self.candidates_with(verdict).inc();
    }

    /// Counts one run and how long it took.
    pub fn observe_run(&self, path: RunPath, took: Duration) {
        let path = match path {
            RunPath::Warm => "warm",
            RunPath::Cold => "cold",
        };
        let duration = self.duration.get_or_create_owned(&PathLabel { path });
        duration.observe(took.as_secs_f64());
    }

    /// So many candidates were handed in.
    pub fn count_queued(&self, candidates: usize) {
        self.queue.inc_by(queue_length(candidates));
    }

    /// So many candidates wait no longer, because they have a verdict or were given up.
    pub fn count_unqueued(&self, candidates: usize) {
        self.queue.dec_by(queue_length(candidates));
    }

    pub fn count_zygote_started(&self) {
        self.zygotes_started.inc();
    }

    /// A zygote is replaced before its time, because not everything went as it must.
    pub fn count_zygote_unsound(&self) {
        self.zygotes_unsound.inc();
    }

    pub fn count_second_opinion(&self, opinion: SecondOpinion) {
        let agreed = match opinion {
            SecondOpinion::Agrees => "yes",
            SecondOpinion::Differs => "no",
            SecondOpinion::Missing => "unknown",
        };
        self.second_opinions_that(agreed).inc();
    }

    /// Says once what the sandbox is made of.
    pub fn describe_sandbox(&self, labels: &SandboxLabels) {
        self.sandbox.get_or_create(labels).set(1);
    }

    /// Candidates that have a verdict.
    pub fn total(&self) -> u64 {
        let mut total = 0;
        for verdict in Verdict::ALL {
            total += self.candidates_with(*verdict).get();
        }
        total
    }

    fn candidates_with(&self, verdict: Verdict) -> Counter {
        let verdict = verdict.as_str();
        self.candidates
            .get_or_create_owned(&VerdictLabel { verdict })
    }

    fn second_opinions_that(&self, agreed: &'static str) -> Counter {
        self.second_opinions
            .get_or_create_owned(&AgreedLabel { agreed })
    }
}

fn queue_length(candidates: usize) -> i64 {
    i64::try_from(candidates).unwrap_or(i64::MAX)
}

/// `verdicts passed=3 timeout=1 | queue=0 …`, for the log.
impl fmt::Display for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "verdicts")?;
        for verdict in Verdict::ALL {
            let count = self.candidates_with(*verdict).get();
            if count > 0 {
                write!(f, " {verdict}={count}")?;
            }
        }
        let [agreed, differed] = ["yes", "no"].map(|word| self.second_opinions_that(word).get());
        write!(
            f,
            " | queue={} | zygotes started={} unsound={} | second_opinions agreed={agreed} \
             disagreements={differed}",
            self.queue.get(),
            self.zygotes_started.get(),
            self.zygotes_unsound.get(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_client::encoding::text::encode;

    fn counted() -> Metrics {
        let metrics = Metrics::default();
        for verdict in [Verdict::Passed, Verdict::Passed, Verdict::Timeout] {
            metrics.count_verdict(verdict);
        }
        for ms in [3, 0, 99_999] {
            metrics.observe_run(RunPath::Warm, Duration::from_millis(ms));
        }
        metrics.count_second_opinion(SecondOpinion::Differs);
        metrics
    }

    #[test]
    fn counts_show_where_they_belong() {
        let metrics = counted();
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
        let metrics = counted();
        metrics.describe_sandbox(&SandboxLabels {
            cgroups: "v1".to_owned(),
            python: "3.11.2".to_owned(),
            nsjail: "/usr/bin/nsjail".to_owned(),
            isolation: "warm".to_owned(),
        });
        let mut registry = Registry::default();
        metrics.register(&mut registry);
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
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
            "groklab_sandbox_info{cgroups=\"v1\",python=\"3.11.2\",nsjail=\"/usr/bin/nsjail\",\
             isolation=\"warm\"} 1",
        ] {
            assert!(
                text.lines().any(|found| found == line)
                    || text.lines().any(|found| sorted(found) == sorted(line)),
                "{line} is not in\n{text}"
            );
        }
    }

    /// Labels may come in any order.
    fn sorted(line: &str) -> Vec<&str> {
        let mut parts: Vec<&str> = line.split(['{', ',', '}']).collect();
        parts.sort_unstable();
        parts
    }
}
