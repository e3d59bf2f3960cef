//! Times, spans and kinds of work as words.

use std::time::{SystemTime, UNIX_EPOCH};

use groklab_domain::{
    ExperimentState, JobKind, Purpose,
    records::{ExperimentRecord, Progress},
};

/// What a kind of work is called: "evaluate 1 · generate".
pub fn work(progress: &Progress) -> String {
    work_label(progress.purpose, progress.kind, progress.iteration)
}

/// The same from its parts.
pub fn work_label(purpose: Purpose, kind: JobKind, iteration: u32) -> String {
    match (purpose, kind) {
        (Purpose::Eval, kind) => format!("evaluate {iteration} · {kind}"),
        (Purpose::Train, JobKind::Train) => format!("train {iteration}"),
        (Purpose::Train, kind) => format!("rollout {iteration} · {kind}"),
    }
}

/// How long an experiment still takes if its iterations go on as they went: "about 12 min left";
/// nothing before one is over.
pub fn time_left(experiment: &ExperimentRecord, now_unix_ms: i64) -> Option<String> {
    let iterations_left = experiment.iterations.saturating_sub(experiment.iteration);
    let seconds_per_iteration = experiment.seconds_per_iteration;
    let is_running = experiment.state == ExperimentState::Running;
    if !is_running || iterations_left == 0 || seconds_per_iteration <= 0.0 {
        return None;
    }
    // The clocks of the two machines may differ.
    let elapsed_ms = (now_unix_ms - experiment.iteration_began_unix_ms).max(0);
    let seconds = seconds_per_iteration * f64::from(iterations_left) - elapsed_ms as f64 / 1000.0;
    // An iteration that takes longer than the ones before does not end in the past.
    Some(format!("about {} left", span(seconds.max(1.0) as i64)))
}

/// Milliseconds since 1970 by this machine's clock.
pub fn now_unix_ms() -> i64 {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(elapsed) => elapsed.as_millis() as i64,
        Err(_) => 0,
    }
}

/// "12 s ago", "3 min ago", "5 h ago", "2 d ago".
pub fn ago(then_unix_ms: i64, now_unix_ms: i64) -> String {
    format!("{} ago", span((now_unix_ms - then_unix_ms).max(0) / 1000))
}

/// "1 job", "1,234 jobs".
pub fn count(number: u64, what: &str) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    let plural = if number == 1 { "" } else { "s" };
    format!("{grouped} {what}{plural}")
}

/// "12 bytes", "41.2 MB", in units of a thousand.
pub fn bytes(number: u64) -> String {
    let (mut size, mut unit) = (number as f64, "bytes");
    for larger in ["kB", "MB", "GB", "TB"] {
        if size < 1000.0 {
            break;
        }
        (size, unit) = (size / 1000.0, larger);
    }
    match unit {
        "bytes" => format!("{number} bytes"),
        _ => format!("{size:.1} {unit}"),
    }
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
    match chrono::DateTime::from_timestamp_millis(unix_ms) {
        Some(time) => time.format("%Y-%m-%d %H:%M:%SZ").to_string(),
        None => format!("{unix_ms} ms"),
    }
}

/// The time of day in UTC, "14:03:59Z": a log line needs no more.
pub fn clock(unix_ms: i64) -> String {
    let seconds = unix_ms.div_euclid(1000).rem_euclid(86_400);
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    format!("{hours:02}:{minutes:02}:{:02}Z", seconds % 60)
}

/// At most `max_chars` characters of the first line, the last one `…` where some are missing.
pub fn shortened(text: &str, max_chars: usize) -> String {
    let line = text.lines().next().unwrap_or_default();
    if line.chars().count() <= max_chars {
        return line.to_owned();
    }
    let mut short: String = line.chars().take(max_chars - 1).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    #[test]
    fn numbers_and_bytes_are_read_at_a_glance() {
        let counts = [0, 1, 999, 1_000, 1_234_567].map(|number| count(number, "job"));
        assert_eq!(
            counts,
            [
                "0 jobs",
                "1 job",
                "999 jobs",
                "1,000 jobs",
                "1,234,567 jobs"
            ]
        );
        let sizes = [0, 999, 1_000, 41_234_567, 5_000_000_000].map(bytes);
        assert_eq!(
            sizes,
            ["0 bytes", "999 bytes", "1.0 kB", "41.2 MB", "5.0 GB"]
        );
    }

    #[test]
    fn reads_well() {
        assert_eq!(
            [0, 119, 120, 7200, 200_000].map(span),
            ["0 s", "119 s", "2 min", "2 h", "2 d"]
        );
        assert_eq!(clock(1_700_000_000_000), "22:13:20Z");
        assert_eq!(timestamp(1_700_000_000_000), "2023-11-14 22:13:20Z");
    }

    #[test]
    fn the_time_left_is_known_once_an_iteration_is_over() {
        let mut experiment = sample::experiment("quick");
        experiment.iterations = 5;
        experiment.iteration = 2;
        assert_eq!(time_left(&experiment, 30_000), None);
        experiment.seconds_per_iteration = 100.0;
        assert_eq!(time_left(&experiment, 30_000).unwrap(), "about 4 min left");
        assert_eq!(time_left(&experiment, 900_000).unwrap(), "about 1 s left");
    }

    #[test]
    fn long_texts_are_shortened_by_characters() {
        assert_eq!(
            (shortened("ääää", 4), shortened("äääää", 4)),
            ("ääää".into(), "äää…".into())
        );
    }
}
