//! Progress on a terminal: a bar per kind of work under way, and above them a growing line per
//! evaluated iteration.

use std::{
    collections::{BTreeMap, HashSet},
    fmt,
    time::Duration,
};

use groklab_domain::{
    JobKind, Purpose,
    records::{ExperimentUpdate, Level, Progress, WorkerRecord},
};
use indicatif::{MultiProgress, ProgressBar, ProgressState, ProgressStyle};

use super::{
    json::read_lines,
    progress_view::ProgressView,
    sentences::{evaluation_lines, event_line, iteration_line, state_line},
    tables::activity,
    words::{now_unix_ms, time_left, work},
};
use crate::{console::Console, failure::Failure};

/// Busy workers that get a line of their own.
const MAX_WORKER_LINES: usize = 8;
/// Earlier a rate says more about the first job than about the work.
const RATE_AFTER: Duration = Duration::from_secs(5);
const REDRAW_EVERY: Duration = Duration::from_secs(1);
const BAR_TEMPLATE: &str = "{prefix:<22} {bar:20} {pos:>5}/{len:<5} {rate:>8} eta {eta:>4}  {msg}";
const FOOTER_TEMPLATE: &str = "  {msg}";

/// The place of a bar: the order in which work happens within one iteration.
type Place = (u32, bool, JobKind);

pub struct Bars {
    bars: MultiProgress,
    console: Console,
    shown: BTreeMap<Place, ProgressBar>,
    /// A line per busy worker, and the time left, under the bars.
    footer: Vec<ProgressBar>,
    time_left: Option<String>,
    shown_state: String,
}

impl Bars {
    pub fn new(bars: MultiProgress, console: Console) -> Self {
        Self {
            bars,
            console,
            shown: BTreeMap::new(),
            footer: Vec::new(),
            time_left: None,
            shown_state: String::new(),
        }
    }

    fn show(&mut self, progress: &[Progress]) {
        self.remove_others(progress);
        for part in progress {
            // A bar of unknown length would look finished.
            if part.units_total > 0 {
                self.show_part(part);
            }
        }
    }

    /// Removes the bars of work that is over.
    fn remove_others(&mut self, progress: &[Progress]) {
        let mut wanted = HashSet::new();
        for part in progress {
            if part.units_total > 0 {
                wanted.insert(place(part));
            }
        }
        let places: Vec<Place> = self.shown.keys().copied().collect();
        for place in places {
            if !wanted.contains(&place)
                && let Some(bar) = self.shown.remove(&place)
            {
                bar.finish_and_clear();
                self.bars.remove(&bar);
            }
        }
    }

    fn show_part(&mut self, part: &Progress) {
        let place = place(part);
        if !self.shown.contains_key(&place) {
            // Bars are drawn in the order of the work, whichever begins first.
            let index = self.shown.range(..place).count();
            let bar = self.bars.insert(index, new_bar(part));
            self.shown.insert(place, bar);
        }
        let bar = &self.shown[&place];
        bar.set_length(part.units_total);
        // A job that is run again starts over; the bar shows what is stored.
        bar.set_position(part.units_done);
        if part.jobs_done < part.jobs_total {
            bar.set_message(jobs_running(part.jobs_leased));
            return;
        }
        bar.set_message("done");
        if !bar.is_finished() {
            bar.abandon();
        }
    }

    fn show_footer(&mut self, lines: Vec<String>) {
        while self.footer.len() < lines.len() {
            let bar = ProgressBar::new(1).with_style(style(FOOTER_TEMPLATE));
            self.footer.push(self.bars.add(bar));
        }
        for bar in self.footer.drain(lines.len()..) {
            bar.finish_and_clear();
            self.bars.remove(&bar);
        }
        for (bar, line) in self.footer.iter().zip(lines) {
            bar.set_message(line);
        }
    }
}

impl ProgressView for Bars {
    fn update(&mut self, update: &ExperimentUpdate) -> Result<(), Failure> {
        for event in &update.events {
            // What merely happened is drawn by the bars; what a person should know is said.
            if event.level > Level::Info {
                self.console.note(event_line(event));
            }
        }
        for iteration in read_lines("a line of iterations", &update.iterations)? {
            self.console.note(iteration_line(&iteration));
        }
        for evaluation in read_lines("a line of metrics", &update.metrics)? {
            for line in evaluation_lines(&evaluation) {
                self.console.note(line);
            }
        }
        let state = state_line(&update.experiment);
        if state != self.shown_state {
            self.console.note(&state);
            self.shown_state = state;
        }
        self.show(&update.experiment.progress);
        self.time_left = time_left(&update.experiment, now_unix_ms());
        Ok(())
    }

    fn workers(&mut self, workers: &[WorkerRecord]) {
        let now = now_unix_ms();
        let mut lines = Vec::new();
        for worker in workers {
            if let Some(job) = &worker.job
                && worker.alive
                && lines.len() < MAX_WORKER_LINES
            {
                let activity = activity(worker, job, now);
                lines.push(format!("{} {}: {activity}", worker.host, worker.device));
            }
        }
        lines.extend(self.time_left.clone());
        self.show_footer(lines);
    }

    fn finish(&mut self) {
        for bar in std::mem::take(&mut self.shown).into_values() {
            bar.finish_and_clear();
        }
        for bar in std::mem::take(&mut self.footer) {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Bars {
    fn drop(&mut self) {
        self.finish();
    }
}

/// The evaluation of an adapter stands above the rollouts made with it.
fn place(progress: &Progress) -> Place {
    let is_training = progress.purpose == Purpose::Train;
    (progress.iteration, is_training, progress.kind)
}

fn jobs_running(jobs: u32) -> String {
    match jobs {
        0 => "waiting".to_owned(),
        1 => "1 job running".to_owned(),
        jobs => format!("{jobs} jobs running"),
    }
}

/// Units a second; nothing until there is something to divide by.
fn write_rate(state: &ProgressState, out: &mut dyn fmt::Write) {
    let rate = state.per_sec();
    let is_known = state.elapsed() > RATE_AFTER && rate.is_finite() && !state.is_finished();
    // Writing to a line of text cannot fail.
    let _ = if is_known {
        write!(out, "{rate:.1}/s")
    } else {
        write!(out, "–")
    };
}

fn new_bar(progress: &Progress) -> ProgressBar {
    let bar = ProgressBar::new(progress.units_total)
        .with_style(style(BAR_TEMPLATE).with_key("rate", write_rate))
        .with_prefix(work(progress))
        .with_position(progress.units_done);
    // What was done before this command began says nothing about the speed now.
    bar.reset_eta();
    bar.enable_steady_tick(REDRAW_EVERY);
    bar
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}
