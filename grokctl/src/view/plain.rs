//! Progress where there is no terminal: lines with the time, only when something changed, and of mere progress at most one every
//! few seconds.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use groklab_domain::metrics::IterationLine;
use groklab_proto::v1::{Experiment, WatchUpdate};

use super::{
    View, evaluation_line,
    words::{clock, now_unix_ms, percent, time_left, work},
};
use crate::{console::Console, failure::Failure, results};

/// The shortest time between two lines of mere progress.
const PROGRESS_EVERY: Duration = Duration::from_secs(5);

pub struct Plain {
    console: Console,
    state: String,
    progress: String,
    /// When the last line of progress was, and the units of each work then.
    progressed: Option<(Instant, HashMap<String, u64>)>,
}

impl Plain {
    pub fn new(console: Console) -> Self {
        Self {
            console,
            state: String::new(),
            progress: String::new(),
            progressed: None,
        }
    }

    /// The lines that this update is worth at `now`.
    fn lines(&mut self, update: &WatchUpdate, now: Instant) -> Result<Vec<String>, Failure> {
        let mut lines: Vec<String> = update.events.iter().map(event_line).collect();
        for evaluation in results::lines("a line of metrics", &update.metrics_json)? {
            lines.push(stamped(&evaluation_line(&evaluation)));
        }
        for iteration in results::lines("a line of iterations", &update.iterations_json)? {
            lines.push(stamped(&iteration_line(&iteration)));
        }
        if let Some(experiment) = &update.experiment {
            lines.extend(self.state_line(experiment));
            lines.extend(self.progress_line(experiment, now));
        }
        Ok(lines)
    }

    fn state_line(&mut self, experiment: &Experiment) -> Option<String> {
        let line = state_line(experiment);
        let changed = self.state != line;
        self.state.clone_from(&line);
        changed.then(|| stamped(&line))
    }

    fn progress_line(&mut self, experiment: &Experiment, now: Instant) -> Option<String> {
        let line = progress_line(experiment);
        let due = self
            .progressed
            .as_ref()
            .is_none_or(|(then, _)| now.duration_since(*then) >= PROGRESS_EVERY);
        if line.is_empty() || line == self.progress || !due {
            return None;
        }
        self.progress.clone_from(&line);
        let units: HashMap<String, u64> = experiment
            .progress
            .iter()
            .map(|p| (work(p), p.units_done))
            .collect();
        let line = match self.progressed.replace((now, units)) {
            Some((then, before)) => with_rates(experiment, &before, now.duration_since(then)),
            None => line,
        };
        let left = time_left(experiment, now_unix_ms())
            .map(|left| format!(" · {left}"))
            .unwrap_or_default();
        Some(stamped(&format!("{line}{left}")))
    }
}

impl View for Plain {
    fn update(&mut self, update: &WatchUpdate) -> Result<(), Failure> {
        for line in self.lines(update, Instant::now())? {
            self.console.note(line);
        }
        Ok(())
    }

    fn finish(&mut self) {}
}

/// "quickstart is paused: no worker could …".
pub fn state_line(experiment: &Experiment) -> String {
    let reason = if experiment.reason.is_empty() {
        String::new()
    } else {
        format!(": {}", experiment.reason)
    };
    format!("{} is {}{reason}", experiment.name, experiment.state)
}

/// "iteration 1 · 43 of 192 rollouts correct, 28 selected, loss 0.9100 → 0.2000".
pub fn iteration_line(line: &IterationLine) -> String {
    let (r, t) = (&line.rollouts, &line.training);
    let loss = match (t.first_loss, t.last_loss) {
        (Some(first), Some(last)) => format!(
            ", trained on {} examples, loss {first:.4} → {last:.4}",
            t.examples
        ),
        _ => ", nothing trained".to_owned(),
    };
    format!(
        "iteration {} · {} of {} rollouts correct, {} shortcuts, {} selected{loss}",
        line.iteration, r.correct, r.total, r.shortcuts, r.selected
    )
}

/// An event with its time and, unless it is mere information, its level.
pub fn event_line(event: &groklab_proto::v1::Event) -> String {
    let level = if event.level == "info" {
        String::new()
    } else {
        format!("{}: ", event.level)
    };
    format!("{} {level}{}", clock(event.unix_ms), event.message)
}

fn progress_line(experiment: &Experiment) -> String {
    with_rates(experiment, &HashMap::new(), Duration::ZERO)
}

/// How far each unfinished work is, and how fast it went since it had done `before`, `span` ago.
fn with_rates(experiment: &Experiment, before: &HashMap<String, u64>, span: Duration) -> String {
    let unfinished = experiment
        .progress
        .iter()
        .filter(|p| p.jobs_done < p.jobs_total);
    let part = |p: &groklab_proto::v1::Progress| {
        let share = if p.units_total > 0 {
            p.units_done as f64 / p.units_total as f64
        } else {
            0.0
        };
        let since = before
            .get(&work(p))
            .map_or(0, |before| p.units_done.saturating_sub(*before));
        let rate = if since > 0 {
            format!(", {:.1}/s", since as f64 / span.as_secs_f64())
        } else {
            String::new()
        };
        format!(
            "{} {}/{} ({}{rate})",
            work(p),
            p.units_done,
            p.units_total,
            percent(share)
        )
    };
    unfinished.map(part).collect::<Vec<_>>().join(" · ")
}

fn stamped(line: &str) -> String {
    format!("{} {line}", clock(now_unix_ms()))
}

#[cfg(test)]
mod tests {
    use groklab_proto::v1::{Event, Progress};

    use super::*;

    fn update(done: u64) -> WatchUpdate {
        let progress = Progress {
            iteration: 0,
            kind: "generate".into(),
            purpose: "eval".into(),
            jobs_total: 2,
            units_done: done,
            units_total: 64,
            ..Progress::default()
        };
        let experiment = Experiment {
            name: "q".into(),
            state: "running".into(),
            progress: vec![progress],
            ..Experiment::default()
        };
        WatchUpdate {
            experiment: Some(experiment),
            ..WatchUpdate::default()
        }
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
        let event = Event {
            unix_ms: 0,
            level: "warn".into(),
            message: "lost a lease".into(),
            ..Event::default()
        };
        let lines = plain
            .lines(
                &WatchUpdate {
                    events: vec![event],
                    ..WatchUpdate::default()
                },
                later(7),
            )
            .unwrap();
        assert_eq!(lines, ["00:00:00Z warn: lost a lease"]);
    }
}
