//! How far a download is: a bar in bytes on a terminal, elsewhere a line now and then.

use std::{
    io::{IsTerminal as _, stderr},
    time::{Duration, Instant},
};

use hf_hub::api::Progress;
use indicatif::{ProgressBar, ProgressStyle};

const BETWEEN_LINES: Duration = Duration::from_secs(10);
const BAR: &str = "{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec}, {eta} left";

/// The files of one model on their way.
pub(super) struct Fetching<'a> {
    model: &'a str,
    bar: Option<ProgressBar>,
    /// Bytes of all files; 0 where the hub does not say.
    total: u64,
    /// Bytes that are here, of earlier files and of this one.
    before: u64,
    current: u64,
    file: String,
    began: Instant,
    said: Instant,
}

impl<'a> Fetching<'a> {
    /// Says that `files` of `model` are fetched, `total` bytes.
    pub fn begin(model: &'a str, files: usize, total: u64) -> Self {
        let bar = stderr().is_terminal().then(|| bar(total));
        if bar.is_none() {
            tracing::info!(model, files, bytes = total, "fetching from the hub");
        }
        Self {
            model,
            bar,
            total,
            before: 0,
            current: 0,
            file: String::new(),
            began: Instant::now(),
            said: Instant::now(),
        }
    }

    pub fn end(self) {
        match self.bar {
            Some(bar) => bar.finish_and_clear(),
            None => tracing::info!(
                model = self.model,
                bytes = self.before + self.current,
                seconds = self.began.elapsed().as_secs(),
                "fetched from the hub"
            ),
        }
    }

    fn show(&mut self) {
        let done = self.before + self.current;
        if let Some(bar) = &self.bar {
            bar.set_position(done);
        } else if self.said.elapsed() >= BETWEEN_LINES {
            self.said = Instant::now();
            let (model, file, total) = (self.model, &self.file, self.total);
            tracing::info!(
                model,
                file,
                bytes = done,
                of = total,
                "fetching from the hub"
            );
        }
    }
}

fn bar(total: u64) -> ProgressBar {
    let bar = ProgressBar::new(total);
    // A template that cannot be read must not spoil the download.
    if let Ok(style) = ProgressStyle::with_template(BAR) {
        bar.set_style(style);
    }
    bar
}

// hf-hub takes what it reports to by value.
impl Progress for &mut Fetching<'_> {
    /// Called again when a download begins anew, or behind what an earlier one left.
    fn init(&mut self, _: usize, file: &str) {
        if self.file != file {
            self.before += self.current;
            self.file = file.to_owned();
        }
        self.current = 0;
        if let Some(bar) = &self.bar {
            bar.set_message(file.to_owned());
        }
    }

    fn update(&mut self, bytes: usize) {
        self.current += bytes as u64;
        self.show();
    }

    fn finish(&mut self) {}
}
