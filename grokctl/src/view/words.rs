//! Numbers, times and states as words.

use std::time::{SystemTime, UNIX_EPOCH};

use groklab_domain::{metrics::SplitMetrics, stats::Interval};
use groklab_proto::v1::Progress;

/// "64.1 %".
pub fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

/// "[51.8, 74.7]", in percent.
pub fn interval(interval: Interval) -> String {
    format!("[{:.1}, {:.1}]", 100.0 * interval.lower, 100.0 * interval.upper)
}

/// "41/64 64.1 % [51.8, 74.7]".
pub fn greedy(score: &SplitMetrics) -> String {
    format!("{}/{} {} {}", score.correct, score.total, percent(score.accuracy), interval(score.ci95))
}

/// What a kind of work is called: "evaluate 1 · generate".
pub fn work(progress: &Progress) -> String {
    match (progress.purpose.as_str(), progress.kind.as_str()) {
        ("eval", kind) => format!("evaluate {} · {kind}", progress.iteration),
        (_, "train") => format!("train {}", progress.iteration),
        (_, kind) => format!("rollout {} · {kind}", progress.iteration),
    }
}

/// Milliseconds since 1970 by this machine's clock.
pub fn now_unix_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_millis() as i64)
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

/// The time of day in UTC, "14:03:59Z": a log line needs no more.
pub fn clock(unix_ms: i64) -> String {
    let seconds = unix_ms.div_euclid(1000).rem_euclid(86_400);
    format!("{:02}:{:02}:{:02}Z", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_well() {
        assert_eq!((percent(0.6406), interval([0.518, 0.747].into())), ("64.1 %".into(), "[51.8, 74.7]".into()));
        assert_eq!([0, 119, 120, 7200, 200_000].map(span), ["0 s", "119 s", "2 min", "2 h", "2 d"]);
        assert_eq!(clock(1_700_000_000_000), "22:13:20Z");
    }
}
