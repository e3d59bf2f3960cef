//! Standard error: notes and progress. On a terminal they share it with the bars. Standard output
//! is for data alone, and what could not be written to it is a failure.

use std::{
    io::IsTerminal,
    sync::{Arc, OnceLock},
};

use groklab_runtime::output;
use indicatif::MultiProgress;

use crate::failure::{Exit, Failure};

/// A cheap handle on standard error and on how results are printed.
#[derive(Debug, Clone)]
pub struct Console {
    bars: Option<MultiProgress>,
    json: bool,
    /// Of a command that works on without its output: the first failure to print.
    unprinted: Option<Arc<OnceLock<Failure>>>,
}

impl Console {
    /// Bars are drawn where standard error is a terminal and results are for a person.
    pub fn new(json: bool) -> Self {
        // Bars in a log file would be unreadable.
        let bars = std::io::stderr().is_terminal() && !json;
        Self {
            bars: bars.then(MultiProgress::new),
            json,
            unprinted: None,
        }
    }

    /// For a command that does more than print: it goes on when standard output breaks, and
    /// [`Console::conclude`] says so at its end.
    pub fn working(self) -> Self {
        Self {
            unprinted: Some(Arc::default()),
            ..self
        }
    }

    pub fn json(&self) -> bool {
        self.json
    }

    pub fn bars(&self) -> Option<&MultiProgress> {
        self.bars.as_ref()
    }

    /// Whether results are shown in colours.
    pub fn colours(&self) -> bool {
        // See https://no-color.org: set but empty means nothing.
        let unwanted = std::env::var_os("NO_COLOR").unwrap_or_default();
        output::is_terminal() && unwanted.is_empty()
    }

    /// One line for the person who watches; above the bars if there are any.
    pub fn note(&self, text: impl AsRef<str>) {
        let text = text.as_ref();
        // Written past the bars, it would be drawn over.
        match &self.bars {
            Some(bars) if bars.println(text).is_ok() => {}
            _ => output::complain(text),
        }
    }

    /// One line of results on standard output. When nobody reads on (`| head`) this fails too, with
    /// [`Exit::Ok`]: nothing more is wanted.
    pub fn print(&self, text: impl AsRef<str>) -> Result<(), Failure> {
        let Some(unprinted) = &self.unprinted else {
            return self.write(text.as_ref());
        };
        // After a gap nothing more is written, so that a reader has a beginning and never a
        // mixture.
        if unprinted.get().is_none()
            && let Err(failure) = self.write(text.as_ref())
        {
            unprinted.get_or_init(|| failure);
        }
        Ok(())
    }

    /// `value` as one line of JSON on standard output.
    pub fn print_json(&self, value: &impl serde::Serialize) -> Result<(), Failure> {
        let text = serde_json::to_string(value)
            .map_err(|error| Failure::other("write JSON").because(error))?;
        self.print(text)
    }

    /// What a command ends with: quietly where nobody read on, and never well where something could
    /// not be printed.
    pub fn conclude(&self, outcome: Result<Exit, Failure>) -> Result<Exit, Failure> {
        match (outcome, self.unprinted()) {
            (Err(failure), _) if failure.exit == Exit::Ok => Ok(Exit::Ok),
            (Ok(Exit::Ok), Some(unprinted)) => Err(unprinted.clone()),
            (outcome, Some(unprinted)) => {
                // The command's own failure decides the exit code, and both are worth knowing.
                self.note(unprinted.report());
                outcome
            }
            (outcome, None) => outcome,
        }
    }

    /// What could not be printed, unless nobody wanted it.
    fn unprinted(&self) -> Option<&Failure> {
        let unprinted = self.unprinted.as_ref()?.get()?;
        (unprinted.exit != Exit::Ok).then_some(unprinted)
    }

    fn write(&self, text: &str) -> Result<(), Failure> {
        let written = match &self.bars {
            Some(bars) => bars.suspend(|| output::line(text)),
            None => output::line(text),
        };
        Ok(written?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_could_not_print_never_ends_well() {
        let full = || Failure::from(output::Error::Write(std::io::Error::other("full")));
        let gone = || Failure::from(output::Error::ReaderGone);
        let console = Console::new(true);
        assert_eq!(console.conclude(Err(full())), Err(full()));
        assert_eq!(
            console.conclude(Err(gone())),
            Ok(Exit::Ok),
            "nobody wants more"
        );
        let after = |failure: Failure, outcome| {
            let console = Console::new(true).working();
            console.unprinted.as_ref().unwrap().set(failure).unwrap();
            assert_eq!(console.print("not behind a gap"), Ok(()));
            console.conclude(outcome)
        };
        assert_eq!(after(full(), Ok(Exit::Ok)), Err(full()));
        assert_eq!(after(full(), Ok(Exit::Unfinished)), Ok(Exit::Unfinished));
        assert_eq!(after(gone(), Ok(Exit::Ok)), Ok(Exit::Ok));
        assert_eq!(
            after(full(), Err(Failure::interrupted())),
            Err(Failure::interrupted())
        );
    }
}
