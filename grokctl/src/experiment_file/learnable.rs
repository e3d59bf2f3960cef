//! `problems.learnable`: rules by their names, or in files that `grokctl pilot` wrote.

use groklab_domain::{experiment::Experiment, pilot::Pilot};

use super::paths::Said;

/// The rules, and what of the experiment differs from the pilots that found them.
#[derive(Debug, Default)]
pub struct Learnable {
    pub rules: Vec<String>,
    pub warnings: Vec<String>,
}

impl Learnable {
    /// Reads the files among `names`; other names stay as they are. `said` makes a path of a name.
    pub fn read<'a>(
        experiment: &Experiment,
        names: &'a [String],
        said: impl Fn(&'a str) -> Said<'a>,
    ) -> Result<Self, String> {
        let mut learnable = Self::default();
        for name in names {
            if !is_file(name) {
                learnable.add(name);
                continue;
            }
            let said = said(name);
            let text = said
                .read()
                .map_err(|why| format!("{why}; `grokctl pilot` writes it"))?;
            let pilot = Pilot::read(&text).map_err(|why| said.wrong(&why))?;
            if pilot.learnable().next().is_none() {
                return Err(said.wrong("it found nothing learnable"));
            }
            pilot.learnable().for_each(|rule| learnable.add(rule));
            for unlike in pilot.unlike(experiment) {
                learnable.warnings.push(format!(
                    "{name} was made with another {unlike}: what was learnable there may not be \
                     here"
                ));
            }
        }
        Ok(learnable)
    }

    fn add(&mut self, rule: &str) {
        // Two pilots may have found the same.
        if !self.rules.iter().any(|known| known == rule) {
            self.rules.push(rule.to_owned());
        }
    }
}

/// No rule's name ends so.
pub fn is_file(name: &str) -> bool {
    name.ends_with(".json")
}
