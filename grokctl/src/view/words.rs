//! Numbers, times and states as words.

use std::time::{SystemTime, UNIX_EPOCH};

use groklab_domain::{metrics::SplitMetrics, stats::Interval};
use groklab_proto::v1::{Experiment, Progress};

/// "64.1 %".
pub fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

/// "[51.8, 74.7]", in percent.
pub fn interval(interval: Interval) -> String {
    format!(
        "[{:.1}, {:.1}]",
        100.0 * interval.lower,
        100.0 * interval.upper
    )
}

/// "41/64 64.1 % [51.8, 74.7]".
pub fn greedy(score: &SplitMetrics) -> String {
    format!(
        "{}/{} {} {}",
        score.correct,
        score.total,
        percent(score.accuracy),
        interval(score.ci95)
    )
}

/// What a kind of work is called: "evaluate 1 · generate".
pub fn work(progress: &Progress) -> String {
    work_of(&progress.purpose, &progress.kind, progress.iteration)
}

/// The same from its parts.
pub fn work_of(purpose: &str, kind: &str, iteration: u32) -> String {
    match (purpose, kind) {
        ("eval", kind) => format!("evaluate {iteration} · {kind}"),
        (_, "train") => format!("train {iteration}"),
        (_, kind) => format!("rollout {iteration} · {kind}"),
    }
}

/// How long an experiment still takes if its iterations go on as they went: "about 12 min left"; nothing before one is over.
pub fn time_left(experiment: &Experiment, now_unix_ms: i64) -> Option<String> {
    let left = f64::from(experiment.iterations.saturating_sub(experiment.iteration));
    let elapsed = (now_unix_ms - experiment.iteration_began_unix_ms).max(0) as f64 / 1000.0;
    let known =
        experiment.seconds_per_iteration > 0.0 && left > 0.0 && experiment.state == "running";
    known.then(|| {
        format!(
            "about {} left",
            span((experiment.seconds_per_iteration * left - elapsed).max(1.0) as i64)
        )
    })
}

/// Milliseconds since 1970 by this machine's clock.
pub fn now_unix_ms() -> i64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |elapsed| elapsed.as_millis() as i64)
}

/// "12 s ago", "3 min ago", "5 h ago", "2 d ago".
pub fn ago(then_unix_ms: i64, now_unix_ms: i64) -> String {
    format!("{} ago", span((now_unix_ms - then_unix_ms).max(0) / 1000))
}

/// A span of whole seconds in its largest fitting unit.
pub fn span(seconds: i64) -> String {
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", seconds / 60),
        7200..=172_799 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// "2023-11-14 22:13:20Z".
pub fn timestamp(unix_ms: i64) -> String {
    let time = chrono::DateTime::from_timestamp_millis(unix_ms);
    time.map_or_else(
        || format!("{unix_ms} ms"),
        |time| time.format("%Y-%m-%d %H:%M:%SZ").to_string(),
    )
}

/// The time of day in UTC, "14:03:59Z": a log line needs no more.
pub fn clock(unix_ms: i64) -> String {
    let seconds = unix_ms.div_euclid(1000).rem_euclid(86_400);
    format!(
        "{:02}:{:02}:{:02}Z",
        seconds / 3600,
        seconds / 60 % 60,
        seconds % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_well() {
        assert_eq!(
            (percent(0.6406), interval([0.518, 0.747].into())),
            ("64.1 %".into(), "[51.8, 74.7]".into())
        );
        assert_eq!(
            [0, 119, 120, 7200, 200_000].map(span),
            ["0 s", "119 s", "2 min", "2 h", "2 d"]
        );
        assert_eq!(clock(1_700_000_000_000), "22:13:20Z");
        assert_eq!(timestamp(1_700_000_000_000), "2023-11-14 22:13:20Z");
    }

    #[test]
    fn the_time_left_is_known_once_an_iteration_is_over() {
        let mut experiment = Experiment {
            state: "running".into(),
            iterations: 5,
            iteration: 2,
            iteration_began_unix_ms: 0,
            ..Experiment::default()
        };
        assert_eq!(time_left(&experiment, 30_000), None);
        experiment.seconds_per_iteration = 100.0;
        assert_eq!(time_left(&experiment, 30_000).unwrap(), "about 4 min left");
        assert_eq!(time_left(&experiment, 900_000).unwrap(), "about 1 s left");
    }
}
