//! What a fork has from its parent and cannot change: what is asked, of which model, with which
//! draws, and the shape of the adapter that it trains on.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{
    invalid::Invalid,
    schema::{Experiment, Problems},
    training::Start,
};

/// The shape of an adapter, as its `adapter_config.json` says it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct AdapterShape {
    #[serde(rename = "r")]
    pub rank: u32,
    #[serde(rename = "lora_alpha")]
    pub alpha: f64,
    #[serde(rename = "target_modules")]
    pub targets: BTreeSet<String>,
}

/// Whether `fork` trains on from the adapter that it starts from, so that its shape stays.
pub fn trains_on(fork: &Experiment) -> bool {
    fork.train.start == Start::Continue && fork.train.method.method().trains()
}

/// The values of `fork` that differ from its parent's and may not.
pub fn changed_in_fork(parent: &Experiment, fork: &Experiment) -> Vec<Invalid> {
    let mut kept = Kept::default();
    kept.compare("seed", &parent.seed, &fork.seed);
    kept.compare("model.source", &parent.model.source, &fork.model.source);
    kept.compare("model.chat", &parent.model.chat, &fork.model.chat);
    // Taken apart, so that a key that is added does not compile until it is compared.
    let Problems {
        families,
        difficulty,
        train,
        val,
        test,
        ood,
        rules,
        problems_per_rule,
        seed,
        visible,
        hidden,
        holdout,
        held_out,
        learnable,
        versions,
    } = &parent.problems;
    let after = &fork.problems;
    kept.compare("problems.families", families, &after.families);
    kept.compare("problems.difficulty", difficulty, &after.difficulty);
    kept.compare("problems.train", train, &after.train);
    kept.compare("problems.val", val, &after.val);
    kept.compare("problems.test", test, &after.test);
    kept.compare("problems.ood", ood, &after.ood);
    kept.compare("problems.rules", rules, &after.rules);
    let per_rule = &after.problems_per_rule;
    kept.compare("problems.problems_per_rule", problems_per_rule, per_rule);
    kept.compare("problems.seed", seed, &after.seed);
    kept.compare("problems.visible", visible, &after.visible);
    kept.compare("problems.hidden", hidden, &after.hidden);
    kept.compare("problems.holdout", holdout, &after.holdout);
    kept.compare("problems.held_out", held_out, &after.held_out);
    kept.compare("problems.learnable", learnable, &after.learnable);
    kept.compare("problems.versions", versions, &after.versions);
    kept.0
}

/// The values of `fork`, which trains on from an adapter, that are not the adapter's.
pub fn changed_from_adapter(shape: &AdapterShape, fork: &Experiment) -> Vec<Invalid> {
    let mut kept = Kept::default();
    let targets: BTreeSet<String> = fork.train.targets.iter().cloned().collect();
    kept.of_adapter("train.rank", &shape.rank, &fork.train.rank);
    kept.of_adapter("train.alpha", &shape.alpha, &fork.train.alpha);
    kept.of_adapter("train.targets", &shape.targets, &targets);
    kept.0
}

#[derive(Default)]
struct Kept(Vec<Invalid>);

impl Kept {
    fn compare<T: PartialEq + Serialize>(&mut self, key: &'static str, before: &T, after: &T) {
        let fix = format!("a fork keeps its parent's, {}", json(before));
        self.require_equal(key, before, after, fix);
    }

    fn of_adapter<T: PartialEq + Serialize>(&mut self, key: &'static str, before: &T, after: &T) {
        let fix = format!(
            "with `train.start` = \"continue\" the adapter that it starts from fixes it, {}; with \
             \"restart\" every iteration makes an adapter of its own",
            json(before)
        );
        self.require_equal(key, before, after, fix);
    }

    fn require_equal<T: PartialEq + Serialize>(
        &mut self,
        key: &'static str,
        before: &T,
        after: &T,
        fix: String,
    ) {
        if before != after {
            let value = json(after);
            self.0.push(Invalid { key, value, fix });
        }
    }
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("values of an experiment are numbers, texts and lists")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::parse;

    fn experiment(rest: &str) -> Experiment {
        parse(&format!("name = \"e\"\n{rest}\n[model]\nsource = \"m\"\n")).unwrap()
    }

    fn refused(invalid: &[Invalid]) -> Vec<String> {
        invalid.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_fork_keeps_problems_seed_and_model() {
        let parent = experiment("iterations = 3");
        let mut fork = experiment("iterations = 9\n[train]\nrank = 4\n[evaluate]\nevery = 3");
        assert_eq!(changed_in_fork(&parent, &fork), []);
        fork.seed = 7;
        fork.model.source = "other".to_owned();
        fork.problems.train = 5;
        fork.problems.difficulty = [2, 3];
        fork.problems.held_out = vec!["rpn".to_owned()];
        assert_eq!(
            refused(&changed_in_fork(&parent, &fork)),
            [
                "`seed` = 7: a fork keeps its parent's, 0",
                "`model.source` = \"other\": a fork keeps its parent's, \"m\"",
                "`problems.difficulty` = [2,3]: a fork keeps its parent's, [1,5]",
                "`problems.train` = 5: a fork keeps its parent's, 48",
                "`problems.held_out` = [\"rpn\"]: a fork keeps its parent's, []",
            ]
        );
    }

    /// Before rules fell into splits by hash, files named them and asked nothing of ood.
    #[test]
    fn an_experiment_of_before_can_be_forked() {
        let held_out = "[problems]\nholdout = \"rule\"\nheld_out = [\"rpn/operators=+-\"]";
        let parent = experiment(held_out);
        assert_eq!(changed_in_fork(&parent, &experiment(held_out)), []);
    }

    #[test]
    fn the_adapter_that_is_trained_on_fixes_its_shape() {
        let config = r#"{"r": 16, "lora_alpha": 32, "target_modules": ["v_proj", "q_proj"]}"#;
        let shape: AdapterShape = serde_json::from_str(config).unwrap();
        let targets = "targets = [\"q_proj\", \"v_proj\"]";
        let same = experiment(&format!("[train]\nstart = \"continue\"\n{targets}"));
        assert!(trains_on(&same) && changed_from_adapter(&shape, &same).is_empty());
        let other = experiment("[train]\nrank = 8\nalpha = 16.5");
        assert!(!trains_on(&other), "it restarts");
        let refused = refused(&changed_from_adapter(&shape, &other));
        let begin: Vec<&str> = refused.iter().map(|text| &text[..14]).collect();
        assert_eq!(
            begin,
            ["`train.rank` =", "`train.alpha` ", "`train.targets"]
        );
        assert!(refused[0].contains("= 8: with `train.start` = \"continue\""));
        assert!(refused[0].contains("fixes it, 16;"), "{}", refused[0]);
    }
}
