//! A pilot: what the untrained model makes of the rules that an experiment would train on, and
//! which of them it can learn from.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{
    Holdout, Split,
    experiment::{Curriculum, Evaluate, Experiment, Stop, measured},
    method::MethodName,
    records::RolloutLine,
    words::words,
};

/// The version of the file; another one is refused.
const FORMAT: u32 = 1;

words! {
    /// What a model can do about a rule before training.
    pub enum Learnability {
        /// Its greedy completion is right: training can only sharpen it.
        Solved = "solved",
        /// Not greedily, but some sample is right: training has something to start from.
        Learnable = "learnable",
        /// No sample is right: this model finds nothing to train on.
        OutOfReach = "out_of_reach",
    }
}

/// What was found, as it is written to a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pilot {
    pub version: u32,
    /// The settings that decide what was found, by key. A model in a file is named without its
    /// folder.
    pub measured: BTreeMap<String, String>,
    /// In order of their names.
    pub rules: Vec<PilotRule>,
}

/// One rule, `family/rule`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PilotRule {
    pub rule: String,
    pub standing: Learnability,
    pub problems: u32,
    /// Problems whose greedy completion is correct.
    pub greedy: u32,
    /// Sampled completions over all problems, and how many of them are correct.
    pub samples: u32,
    pub correct: u32,
}

impl PilotRule {
    pub fn family(&self) -> &str {
        let split = self.rule.split_once('/');
        split.map_or(&self.rule, |(family, _)| family)
    }
}

/// The experiment of a pilot: no training, one evaluation that asks the first `rules` rules that
/// `config` would train on, sampled as its iterations would sample them.
pub fn experiment(config: &Experiment, rules: u32, samples: u32) -> Experiment {
    let mut pilot = config.clone();
    // A name has 64 bytes, all of them ASCII.
    pilot.name.truncate(64 - "-pilot".len());
    pilot.name.push_str("-pilot");
    (pilot.iterations, pilot.keep_checkpoints) = (0, None);
    pilot.train.method = MethodName::None;
    let problems = &mut pilot.problems;
    (problems.train, problems.val, problems.problems_per_rule) = (rules, 0, 1);
    // As little of the other splits as a file may ask: nothing is learned from them here.
    (problems.test, problems.ood) = (1, problems.ood.min(1));
    // The same rules are trained on, and so few could not show every parameter of that one problem.
    if problems.holdout == Holdout::Composition {
        problems.holdout = Holdout::Rule;
    }
    problems.learnable = Vec::new();
    pilot.generate.problems = None;
    pilot.generate.curriculum = Curriculum::Uniform;
    pilot.evaluate = Evaluate {
        every: 1,
        samples,
        temperature: config.generate.temperature,
        top_p: config.generate.top_p,
        pass_at: Some(vec![1, samples]),
    };
    pilot.stop = Stop::default();
    pilot
}

/// What was found so far, as rollouts come.
#[derive(Debug, Default)]
pub struct Findings(BTreeMap<String, PilotRule>);

impl Findings {
    /// Counts a rollout of a pilot's evaluation.
    pub fn add(&mut self, rollout: &RolloutLine) {
        // The others are there because a file must ask something of test.
        if rollout.split != Split::Train {
            return;
        }
        let name = format!("{}/{}", rollout.family, rollout.rule);
        let rule = self.0.entry(name).or_insert_with_key(|name| PilotRule {
            rule: name.clone(),
            standing: Learnability::OutOfReach,
            problems: 0,
            greedy: 0,
            samples: 0,
            correct: 0,
        });
        let correct = u32::from(rollout.correct == Some(true));
        if rollout.greedy {
            rule.problems += 1;
            rule.greedy += correct;
        } else {
            rule.samples += 1;
            rule.correct += correct;
        }
        rule.standing = match rule {
            _ if rule.greedy == rule.problems => Learnability::Solved,
            _ if rule.greedy + rule.correct > 0 => Learnability::Learnable,
            _ => Learnability::OutOfReach,
        };
    }

    /// All of it, once the rollouts of `experiment`, a pilot's, have come.
    pub fn into_pilot(self, experiment: &Experiment) -> Pilot {
        Pilot {
            version: FORMAT,
            measured: settings(experiment),
            rules: self.0.into_values().collect(),
        }
    }
}

impl Pilot {
    /// Reads a file's text.
    ///
    /// # Errors
    /// It is no pilot's, or of another version.
    pub fn read(text: &str) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Version {
            version: u32,
        }
        let none = |error| format!("it is no file that `grokctl pilot` wrote: {error}");
        // First, for another version may have other fields.
        let Version { version } = serde_json::from_str(text).map_err(none)?;
        if version != FORMAT {
            return Err(format!(
                "it has version {version}, this build reads {FORMAT}: make the pilot again"
            ));
        }
        serde_json::from_str(text).map_err(none)
    }

    pub fn learnable(&self) -> impl Iterator<Item = &str> {
        let rules = self.rules.iter();
        let learnable = rules.filter(|rule| rule.standing == Learnability::Learnable);
        learnable.map(|rule| rule.rule.as_str())
    }

    /// "problems.visible 1 → 2" for each setting that `config` has and the pilot did not, and that
    /// decides what a model can learn. The versions of families are filled in.
    pub fn unlike(&self, config: &Experiment) -> Vec<String> {
        let mut unlike = Vec::new();
        for (key, now) in settings(&experiment(config, 1, 1)) {
            match self.measured.get(&key) {
                Some(then) if *then != now => unlike.push(format!("{key} {then} → {now}")),
                // A family that the pilot did not ask.
                _ => {}
            }
        }
        unlike
    }
}

/// What decides how a model does on a problem, by key; all but how often was sampled, which is the
/// pilot's own.
fn settings(pilot: &Experiment) -> BTreeMap<String, String> {
    let mut pilot = pilot.clone();
    // Where the model lies on one machine says nothing on another.
    let source = &mut pilot.model.source;
    if let Some((_, file)) = source.rsplit_once('/').filter(|_| source.starts_with('/')) {
        *source = file.to_owned();
    }
    let mut settings = BTreeMap::new();
    for (key, value) in measured(&pilot) {
        // It evaluates as training samples.
        let key = match key {
            "evaluate.samples" => continue,
            "evaluate.temperature" => "generate.temperature",
            "evaluate.top_p" => "generate.top_p",
            key => key,
        };
        settings.insert(key.to_owned(), value);
    }
    let problems = &pilot.problems;
    let mut add = |key: String, value: String| settings.insert(key, value);
    add(
        "problems.difficulty".to_owned(),
        format!("{:?}", problems.difficulty),
    );
    add("problems.visible".to_owned(), problems.visible.to_string());
    add("problems.hidden".to_owned(), problems.hidden.to_string());
    let revision = pilot.model.revision.clone().unwrap_or_default();
    add("model.revision".to_owned(), revision);
    for (family, version) in &problems.versions {
        add(format!("problems.versions.{family}"), version.to_string());
    }
    settings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Finish, Purpose, experiment::parse};

    fn config(rest: &str) -> Experiment {
        parse(&format!(
            "name = \"e\"\nmodel.source = \"/models/m.gguf\"\n{rest}"
        ))
        .unwrap()
    }

    fn rollout(rule: &str, sample: u32, correct: bool) -> RolloutLine {
        RolloutLine {
            iteration: 0,
            purpose: Purpose::Eval,
            split: Split::Train,
            family: "letters".to_owned(),
            rule: rule.to_owned(),
            problem: 0,
            sample,
            greedy: sample == 0,
            text: String::new(),
            tokens: 1,
            prompt_tokens: 1,
            finish: Finish::Stop,
            mean_logprob: 0.0,
            candidate: None,
            verdict: None,
            correct: Some(correct),
            shortcut: None,
            visible: None,
            hidden: None,
            first_failure: None,
            error: None,
            code: None,
            cpu_ms: None,
            wall_ms: None,
            peak_memory_kb: None,
        }
    }

    #[test]
    fn rules_are_told_by_greedy_and_samples() {
        let pilot = experiment(&config(""), 3, 2);
        let mut rollouts = Vec::new();
        for (rule, correct) in [
            ("a", [true, false, false]),
            ("b", [false, false, true]),
            ("c", [false, false, false]),
        ] {
            for (sample, correct) in (0..).zip(correct) {
                rollouts.push(rollout(rule, sample, correct));
            }
        }
        rollouts.push(RolloutLine {
            split: Split::Test,
            ..rollout("d", 0, true)
        });
        let mut findings = Findings::default();
        rollouts.iter().for_each(|rollout| findings.add(rollout));
        let pilot = findings.into_pilot(&pilot);
        let found: Vec<_> = pilot
            .rules
            .iter()
            .map(|rule| {
                (
                    rule.rule.as_str(),
                    rule.standing,
                    rule.correct,
                    rule.samples,
                )
            })
            .collect();
        assert_eq!(
            found,
            [
                ("letters/a", Learnability::Solved, 0, 2),
                ("letters/b", Learnability::Learnable, 1, 2),
                ("letters/c", Learnability::OutOfReach, 0, 2),
            ]
        );
        assert_eq!(pilot.learnable().collect::<Vec<_>>(), ["letters/b"]);
        let text = serde_json::to_string(&pilot).unwrap();
        assert_eq!(Pilot::read(&text).as_ref(), Ok(&pilot));
        assert!(!text.contains("/models"), "{text}");
        let other = text.replace("\"version\":1", "\"version\":2");
        assert!(
            Pilot::read(&other)
                .unwrap_err()
                .contains("make the pilot again")
        );
    }

    #[test]
    fn a_pilot_may_run_and_samples_as_training_would() {
        let file = "[generate]\ntemperature = 1.0\ntop_p = 0.9\nproblems = 4\n\
            curriculum = \"success\"\n[problems]\nood = 9\nproblems_per_rule = 3\n";
        let mut config = config(file);
        config.name = "n".repeat(64);
        let pilot = experiment(&config, 60, 32);
        assert_eq!(pilot.check(), []);
        let evaluate = &pilot.evaluate;
        assert_eq!(
            (evaluate.temperature, evaluate.top_p, evaluate.samples),
            (1.0, 0.9, 32)
        );
        assert_eq!(
            (pilot.problems.train, pilot.problems.problems_per_rule),
            (60, 1)
        );
    }

    #[test]
    fn other_settings_are_named() {
        let pilot = Findings::default().into_pilot(&experiment(&config(""), 9, 32));
        assert_eq!(
            pilot.unlike(&config("seed = 4\n[problems]\ntrain = 7")),
            Vec::<String>::new()
        );
        let other = config("[problems]\nvisible = 1\n[generate]\ntemperature = 0.5\n");
        assert_eq!(
            pilot.unlike(&other),
            ["generate.temperature 0.8 → 0.5", "problems.visible 2 → 1"]
        );
    }
}
