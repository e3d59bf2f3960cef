//! Standard error: notes and progress. On a terminal they share it with the bars. Standard output is for data alone.

use std::io::{IsTerminal, Write};

use indicatif::MultiProgress;

use crate::failure::Failure;

/// A cheap handle on standard error and on how results are printed.
#[derive(Debug, Clone)]
pub struct Console {
    bars: Option<MultiProgress>,
    json: bool,
}

impl Console {
    /// Bars are drawn where standard error is a terminal and results are for a person.
    pub fn new(json: bool) -> Self {
        let bars = std::io::stderr().is_terminal() && !json;
        Self { bars: bars.then(MultiProgress::new), json }
    }

    pub fn json(&self) -> bool {
        self.json
    }

    pub fn bars(&self) -> Option<&MultiProgress> {
        self.bars.as_ref()
    }

    /// One line for the person who watches; above the bars if there are any.
    pub fn note(&self, text: impl AsRef<str>) {
        let text = text.as_ref();
        let drawn = self.bars.as_ref().is_some_and(|bars| bars.println(text).is_ok());
        if !drawn {
            // Standard error that cannot be written to leaves nobody to tell.
            let _ = writeln!(std::io::stderr(), "{text}");
        }
    }

    /// One line of results on standard output; a reader that has gone away (`| head`) is not an error.
    pub fn print(&self, text: impl AsRef<str>) {
        let show = || {
            let mut out = std::io::stdout();
            let _ = writeln!(out, "{}", text.as_ref()).and_then(|()| out.flush());
        };
        match &self.bars {
            Some(bars) => bars.suspend(show),
            None => show(),
        }
    }

    /// `value` as one line of JSON on standard output.
    pub fn print_json(&self, value: &impl serde::Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string(value).map_err(|error| Failure::other("write JSON").because(error))?;
        self.print(text);
        Ok(())
    }
}
