//! Progress on a terminal: a bar per kind of work under way, and above them a growing line per evaluated iteration.

use std::{collections::BTreeMap, time::Duration};

use groklab_proto::v1::{Progress, WatchUpdate, Worker};
use indicatif::{MultiProgress, ProgressBar, ProgressState, ProgressStyle};

use super::{
    View, evaluation_lines,
    plain::{event_line, iteration_line, state_line},
    tables::activity,
    words::{now_unix_ms, time_left, work},
};
use crate::{console::Console, failure::Failure, results};

/// Busy workers that get a line of their own.
const MOST_WORKERS: usize = 8;

/// The order in which work happens within one iteration; the key of a bar.
type Key = (u32, u8, u8);

pub struct Bars {
    bars: MultiProgress,
    console: Console,
    shown: BTreeMap<Key, ProgressBar>,
    /// A line per busy worker, and the time left, under the bars.
    footer: Vec<ProgressBar>,
    left: Option<String>,
    state: String,
}

impl Bars {
    pub fn new(bars: MultiProgress, console: Console) -> Self {
        Self {
            bars,
            console,
            shown: BTreeMap::new(),
            footer: Vec::new(),
            left: None,
            state: String::new(),
        }
    }

    fn show(&mut self, progress: &[Progress]) {
        let wanted: BTreeMap<Key, &Progress> = progress
            .iter()
            .filter(|p| p.units_total > 0)
            .map(|p| (key(p), p))
            .collect();
        let gone: Vec<Key> = self
            .shown
            .keys()
            .filter(|key| !wanted.contains_key(key))
            .copied()
            .collect();
        for key in gone {
            if let Some(bar) = self.shown.remove(&key) {
                bar.finish_and_clear();
                self.bars.remove(&bar);
            }
        }
        for (key, progress) in wanted {
            let place = self.shown.range(..key).count();
            let bar = self
                .shown
                .entry(key)
                .or_insert_with(|| self.bars.insert(place, new_bar(progress)));
            bar.set_length(progress.units_total);
            // A job that is run again starts over; the bar shows what is stored.
            bar.set_position(progress.units_done);
            let done = progress.jobs_done == progress.jobs_total;
            bar.set_message(if done {
                "done".to_owned()
            } else {
                doing(progress)
            });
            if done && !bar.is_finished() {
                bar.abandon();
            }
        }
    }
}

impl View for Bars {
    fn update(&mut self, update: &WatchUpdate) -> Result<(), Failure> {
        // What merely happened is drawn by the bars; what a person should know is said.
        for event in update.events.iter().filter(|event| event.level != "info") {
            self.console.note(event_line(event));
        }
        for iteration in results::lines("a line of iterations", &update.iterations_json)? {
            self.console.note(iteration_line(&iteration));
        }
        for evaluation in results::lines("a line of metrics", &update.metrics_json)? {
            evaluation_lines(&evaluation)
                .iter()
                .for_each(|line| self.console.note(line));
        }
        if let Some(experiment) = &update.experiment {
            let state = state_line(experiment);
            if state != self.state {
                self.console.note(&state);
                self.state = state;
            }
            self.show(&experiment.progress);
            self.left = time_left(experiment, now_unix_ms());
        }
        Ok(())
    }

    fn workers(&mut self, workers: &[Worker]) {
        let now = now_unix_ms();
        let busy = workers
            .iter()
            .filter(|worker| worker.alive)
            .filter_map(|worker| {
                Some(format!(
                    "{} {}: {}",
                    worker.host,
                    worker.device,
                    activity(worker, now)?
                ))
            });
        let lines: Vec<String> = busy.take(MOST_WORKERS).chain(self.left.clone()).collect();
        while self.footer.len() < lines.len() {
            let style = ProgressStyle::with_template("  {msg}")
                .unwrap_or_else(|_| ProgressStyle::default_bar());
            self.footer
                .push(self.bars.add(ProgressBar::new(1).with_style(style)));
        }
        for bar in self.footer.drain(lines.len()..) {
            bar.finish_and_clear();
            self.bars.remove(&bar);
        }
        self.footer
            .iter()
            .zip(lines)
            .for_each(|(bar, line)| bar.set_message(line));
    }

    fn finish(&mut self) {
        std::mem::take(&mut self.shown)
            .into_values()
            .for_each(|bar| bar.finish_and_clear());
        std::mem::take(&mut self.footer)
            .into_iter()
            .for_each(|bar| bar.finish_and_clear());
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        self.finish();
    }
}

fn key(progress: &Progress) -> Key {
    let purpose = u8::from(progress.purpose != "eval");
    let kind = match progress.kind.as_str() {
        "generate" => 0,
        "verify" => 1,
        _ => 2,
    };
    (progress.iteration, purpose, kind)
}

fn doing(progress: &Progress) -> String {
    match progress.jobs_leased {
        0 => "waiting".to_owned(),
        1 => "1 job running".to_owned(),
        n => format!("{n} jobs running"),
    }
}

/// Units a second; nothing until there is something to divide by.
fn rate(state: &ProgressState, out: &mut dyn std::fmt::Write) {
    let rate = state.per_sec();
    let shown =
        state.elapsed() > Duration::from_secs(5) && rate.is_finite() && !state.is_finished();
    // Writing to a line of text cannot fail.
    let _ = if shown {
        write!(out, "{rate:.1}/s")
    } else {
        write!(out, "–")
    };
}

fn new_bar(progress: &Progress) -> ProgressBar {
    let template = "{prefix:<22} {bar:20} {pos:>5}/{len:<5} {rate:>8} eta {eta:>4}  {msg}";
    let style = ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .with_key("rate", rate);
    let bar = ProgressBar::new(progress.units_total)
        .with_style(style)
        .with_prefix(work(progress))
        .with_position(progress.units_done);
    bar.reset_eta();
    bar.enable_steady_tick(Duration::from_secs(1));
    bar
}
