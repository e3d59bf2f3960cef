//! Progress on a terminal: a bar per kind of work under way, and above them a growing line per evaluated iteration.

use std::{collections::BTreeMap, time::Duration};

use groklab_proto::v1::{Progress, WatchUpdate};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::{
    View, evaluation_line,
    plain::{event_line, iteration_line, state_line},
    words::work,
};
use crate::{console::Console, failure::Failure, results};

/// The order in which work happens within one iteration; the key of a bar.
type Key = (u32, u8, u8);

pub struct Bars {
    bars: MultiProgress,
    console: Console,
    shown: BTreeMap<Key, ProgressBar>,
    state: String,
}

impl Bars {
    pub fn new(bars: MultiProgress, console: Console) -> Self {
        Self { bars, console, shown: BTreeMap::new(), state: String::new() }
    }

    fn show(&mut self, progress: &[Progress]) {
        let wanted: BTreeMap<Key, &Progress> = progress.iter().filter(|p| p.units_total > 0).map(|p| (key(p), p)).collect();
        let gone: Vec<Key> = self.shown.keys().filter(|key| !wanted.contains_key(key)).copied().collect();
        for key in gone {
            if let Some(bar) = self.shown.remove(&key) {
                bar.finish_and_clear();
                self.bars.remove(&bar);
            }
        }
        for (key, progress) in wanted {
            let place = self.shown.range(..key).count();
            let bar = self.shown.entry(key).or_insert_with(|| self.bars.insert(place, new_bar(progress)));
            bar.set_length(progress.units_total);
            // A job that is run again starts over; the bar shows what is stored.
            bar.set_position(progress.units_done);
            bar.set_message(doing(progress));
            if progress.jobs_done == progress.jobs_total && !bar.is_finished() {
                bar.abandon_with_message("done");
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
            self.console.note(evaluation_line(&evaluation));
        }
        if let Some(experiment) = &update.experiment {
            let state = state_line(experiment);
            if state != self.state {
                self.console.note(&state);
                self.state = state;
            }
            self.show(&experiment.progress);
        }
        Ok(())
    }

    fn finish(&mut self) {
        std::mem::take(&mut self.shown).into_values().for_each(|bar| bar.finish_and_clear());
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

fn new_bar(progress: &Progress) -> ProgressBar {
    let template = "{prefix:<24} {bar:30} {pos:>6}/{len:<6} {per_sec:>12} eta {eta:>4}  {msg}";
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::new(progress.units_total).with_style(style).with_prefix(work(progress)).with_position(progress.units_done);
    bar.reset_eta();
    bar.enable_steady_tick(Duration::from_secs(1));
    bar
}
