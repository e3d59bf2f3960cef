//! Progress where there is no terminal: lines with the time, only when something changed, and of
//! mere progress at most one every few seconds.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use groklab_domain::records::{ExperimentRecord, ExperimentUpdate, Progress};
use groklab_pages::figures::percent;

use super::{
    json::read_lines,
    progress_view::ProgressView,
    sentences::{evaluation_line, event_line, iteration_line, state_line},
    words::{clock, now_unix_ms, time_left, work},
};
use crate::{console::Console, failure::Failure};

/// The shortest time between two lines of mere progress.
const PROGRESS_EVERY: Duration = Duration::from_secs(5);

pub struct Plain {
    console: Console,
    /// The lines shown last, without their time.
    shown_state: String,
    shown_progress: String,
    /// How far each work was when the last line of progress was shown.
    measured: Option<Measured>,
}

/// The units that each kind of work had done at a time.
struct Measured {
    at: Instant,
    units_done: HashMap<String, u64>,
}

impl Plain {
    pub fn new(console: Console) -> Self {
        Self {
            console,
            shown_state: String::new(),
            shown_progress: String::new(),
            measured: None,
        }
    }

    /// The lines that this update is worth at `now`.
    fn lines(&mut self, update: &ExperimentUpdate, now: Instant) -> Result<Vec<String>, Failure> {
        let mut lines: Vec<String> = update.events.iter().map(event_line).collect();
        for evaluation in read_lines("a line of metrics", &update.metrics)? {
            lines.push(stamped(&evaluation_line(&evaluation)));
        }
        for iteration in read_lines("a line of iterations", &update.iterations)? {
            lines.push(stamped(&iteration_line(&iteration)));
        }
        lines.extend(self.state_line(&update.experiment));
        lines.extend(self.progress_line(&update.experiment, now));
        Ok(lines)
    }

    fn state_line(&mut self, experiment: &ExperimentRecord) -> Option<String> {
        let line = state_line(experiment);
        if line == self.shown_state {
            return None;
        }
        self.shown_state.clone_from(&line);
        Some(stamped(&line))
    }

    fn progress_line(&mut self, experiment: &ExperimentRecord, now: Instant) -> Option<String> {
        let line = progress_line(&experiment.progress, None);
        if line.is_empty() || line == self.shown_progress {
            return None;
        }
        // A state or a result is said at once; mere progress would fill the log.
        if let Some(before) = &self.measured
            && now.duration_since(before.at) < PROGRESS_EVERY
        {
            return None;
        }
        let since = self.measured.replace(measure(&experiment.progress, now));
        let line_with_rates = match since {
            Some(before) => {
                let seconds = now.duration_since(before.at).as_secs_f64();
                progress_line(&experiment.progress, Some((&before.units_done, seconds)))
            }
            None => line.clone(),
        };
        // Compared without rates, which change even where nothing is done.
        self.shown_progress = line;
        match time_left(experiment, now_unix_ms()) {
            Some(left) => Some(stamped(&format!("{line_with_rates} · {left}"))),
            None => Some(stamped(&line_with_rates)),
        }
    }
}

impl ProgressView for Plain {
    fn update(&mut self, update: &ExperimentUpdate) -> Result<(), Failure> {
        for line in self.lines(update, Instant::now())? {
            self.console.note(line);
        }
        Ok(())
    }

    fn finish(&mut self) {}
}

fn measure(progress: &[Progress], at: Instant) -> Measured {
    let mut units_done = HashMap::new();
    for part in progress {
        units_done.insert(work(part), part.units_done);
    }
    Measured { at, units_done }
}

/// How far each unfinished work is; with `before`, what had been done so many seconds ago, also how
/// fast it goes.
fn progress_line(progress: &[Progress], before: Option<(&HashMap<String, u64>, f64)>) -> String {
    let mut parts = Vec::new();
    for part in progress {
        if part.jobs_done < part.jobs_total {
            parts.push(progress_part(part, before));
        }
    }
    parts.join(" · ")
}

fn progress_part(part: &Progress, before: Option<(&HashMap<String, u64>, f64)>) -> String {
    let (work, done, total) = (work(part), part.units_done, part.units_total);
    // Before its jobs exist nobody knows how many units there are.
    let share = match total {
        0 => 0.0,
        total => done as f64 / total as f64,
    };
    let mut rate = String::new();
    if let Some((units_done, seconds)) = before
        && let Some(before) = units_done.get(&work)
        && done > *before
    {
        rate = format!(", {:.1}/s", (done - before) as f64 / seconds);
    }
    format!("{work} {done}/{total} ({}{rate})", percent(share))
}

fn stamped(line: &str) -> String {
    format!("{} {line}", clock(now_unix_ms()))
}

#[cfg(test)]
mod tests {
    use groklab_domain::{JobKind, Purpose};

    use super::*;
    use crate::sample;

    fn update(done: u64) -> ExperimentUpdate {
        let progress = Progress {
            iteration: 0,
            kind: JobKind::Generate,
            purpose: Purpose::Eval,
            jobs_done: 0,
            jobs_total: 2,
            jobs_leased: 0,
            units_done: done,
            units_total: 64,
        };
        let experiment = ExperimentRecord {
            progress: vec![progress],
            ..sample::experiment("q")
        };
        sample::update(experiment)
    }

    #[test]
    fn says_only_what_changed_and_progress_rarely() {
        let mut plain = Plain::new(Console::new(false));
        let start = Instant::now();
        let later = |s| start + Duration::from_secs(s);
        let said = |lines: Vec<String>| {
            lines
                .iter()
                .map(|line| line[10..].to_owned())
                .collect::<Vec<_>>()
        };
        let first = plain.lines(&update(8), start).unwrap();
        assert_eq!(
            said(first),
            ["q is running", "evaluate 0 · generate 8/64 (12.5 %)"]
        );
        assert_eq!(
            plain.lines(&update(16), later(1)).unwrap().len(),
            0,
            "too soon"
        );
        assert_eq!(
            plain.lines(&update(8), later(6)).unwrap().len(),
            0,
            "nothing new"
        );
        assert_eq!(
            said(plain.lines(&update(16), later(6)).unwrap()),
            ["evaluate 0 · generate 16/64 (25.0 %, 1.3/s)"]
        );
        let mut with_event = update(16);
        with_event.events = vec![sample::event(1)];
        let lines = plain.lines(&with_event, later(7)).unwrap();
        assert_eq!(
            lines,
            ["00:00:00Z warn: verify job of iteration 0 (eval, chunk 3) came back undone: lost"]
        );
    }
}
