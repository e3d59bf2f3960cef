//! Everything `worker-verify` counts, in one place: candidates by verdict, how long they took, zygotes, second opinions, the
//! queue. Counts for the whole process, from its start.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

use groklab_domain::Verdict;

use crate::judge::verify::Outcome;

/// Upper ends of the histogram's buckets, milliseconds; the last bucket has none.
const BOUNDS: [u64; 12] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 1024, 4096, 16384];

/// This process's counts.
pub static METRICS: Metrics = Metrics::new();

/// Counts. Cheap to add to from any thread.
#[derive(Debug)]
pub struct Metrics {
    verdicts: [AtomicU64; Verdict::ALL.len()],
    /// Runs by how long they took.
    latency: [AtomicU64; BOUNDS.len() + 1],
    /// Candidates that were handed in and have no verdict yet.
    pub queue: AtomicU64,
    pub zygotes_started: AtomicU64,
    /// Zygotes that were replaced before their time, because not everything went as it must.
    pub zygotes_unsound: AtomicU64,
    /// Winners that were verified a second time on the cold path.
    pub second_opinions: AtomicU64,
    /// Second opinions that did not pass the winner.
    pub disagreements: AtomicU64,
}

impl Metrics {
    const fn new() -> Self {
        Self {
            verdicts: [const { AtomicU64::new(0) }; Verdict::ALL.len()],
            latency: [const { AtomicU64::new(0) }; BOUNDS.len() + 1],
            queue: AtomicU64::new(0),
            zygotes_started: AtomicU64::new(0),
            zygotes_unsound: AtomicU64::new(0),
            second_opinions: AtomicU64::new(0),
            disagreements: AtomicU64::new(0),
        }
    }

    /// Counts one candidate's final verdict.
    pub fn judged(&self, outcome: &Outcome) {
        if let Some(place) = Verdict::ALL
            .iter()
            .position(|verdict| *verdict == outcome.verdict)
        {
            self.verdicts[place].fetch_add(1, Relaxed);
        }
    }

    /// Counts how long one run took, from taking the candidate up to its verdict.
    pub fn took(&self, took: Duration) {
        let bucket = BOUNDS
            .iter()
            .position(|bound| took.as_millis() < u128::from(*bound))
            .unwrap_or(BOUNDS.len());
        self.latency[bucket].fetch_add(1, Relaxed);
    }

    /// Candidates that have a verdict.
    pub fn total(&self) -> u64 {
        self.verdicts.iter().map(|count| count.load(Relaxed)).sum()
    }
}

/// `verdicts passed=3 timeout=1 | latency_ms <4=3 <256=1 | queue=0 …`
impl fmt::Display for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seen = |count: &AtomicU64| Some(count.load(Relaxed)).filter(|count| *count > 0);
        write!(f, "verdicts")?;
        for (verdict, count) in Verdict::ALL.iter().zip(&self.verdicts) {
            seen(count).map_or(Ok(()), |count| write!(f, " {verdict}={count}"))?;
        }
        write!(f, " | latency_ms")?;
        for (place, count) in self.latency.iter().enumerate() {
            match (seen(count), BOUNDS.get(place)) {
                (Some(count), Some(bound)) => write!(f, " <{bound}={count}")?,
                (Some(count), None) => write!(f, " more={count}")?,
                (None, _) => {}
            }
        }
        write!(
            f,
            " | queue={} | zygotes started={} unsound={} | second_opinions={} disagreements={}",
            self.queue.load(Relaxed),
            self.zygotes_started.load(Relaxed),
            self.zygotes_unsound.load(Relaxed),
            self.second_opinions.load(Relaxed),
            self.disagreements.load(Relaxed),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_show_where_they_belong() {
        let metrics = Metrics::new();
        for (verdict, ms) in [
            (Verdict::Passed, 3),
            (Verdict::Passed, 0),
            (Verdict::Timeout, 99_999),
        ] {
            metrics.judged(&Outcome {
                verdict,
                ..Outcome::empty()
            });
            metrics.took(Duration::from_millis(ms));
        }
        let text = metrics.to_string();
        assert!(
            text.starts_with("verdicts passed=2 timeout=1 | latency_ms <1=1 <4=1 more=1 | queue=0"),
            "{text}"
        );
        assert_eq!(metrics.total(), 3);
    }
}
