//! What training is told: the `[train]` keys of an experiment, and what `fit --config` reads beside them.

use std::path::Path;

use anyhow::Context;
use groklab_domain::experiment;
use groklab_model::{Schedule, Settings};
use groklab_runtime::alone::wrong;
use serde::Deserialize;

/// The model's settings for a run of `total_steps` with the keys of `[train]`.
pub(crate) fn of(train: &experiment::Train, total_steps: u64, seed: u64) -> Settings {
    Settings {
        learning_rate: train.learning_rate,
        weight_decay: train.weight_decay,
        max_grad_norm: train.max_grad_norm,
        warmup_steps: u64::from(train.warmup_steps),
        total_steps,
        schedule: match train.schedule {
            experiment::Schedule::Constant => Schedule::Constant,
            experiment::Schedule::Linear => Schedule::Linear,
            experiment::Schedule::Cosine => Schedule::Cosine,
        },
        checkpointing: train.gradient_checkpointing,
        seed,
        ..Settings::default()
    }
}

/// Keys beside those of `[train]`.
const OWN: [&str; 7] = ["betas", "eps", "steps", "batch_size", "micro_batch_tokens", "seed", "epochs"];

/// The configuration of a run.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Table {
    pub train: experiment::Train,
    /// `rank`, `alpha` or `targets` were given.
    pub names_shape: bool,
    pub betas: Option<[f64; 2]>,
    pub eps: Option<f64>,
    /// Optimiser steps, instead of `epochs`.
    pub steps: Option<usize>,
    /// Examples of a step in file order, instead of `batch_tokens`.
    pub batch_size: Option<usize>,
    /// Tokens in memory at once; a step's gradients are accumulated over such parts.
    pub micro_batch_tokens: Option<usize>,
    pub seed: u64,
}

#[derive(Deserialize)]
struct Own {
    betas: Option<[f64; 2]>,
    eps: Option<f64>,
    steps: Option<usize>,
    batch_size: Option<usize>,
    micro_batch_tokens: Option<usize>,
    #[serde(default)]
    seed: u64,
}

impl Table {
    /// Reads `path`, or takes the defaults.
    ///
    /// # Errors
    /// The file cannot be read, or names the key that is unknown, wrong or contradicts another.
    pub fn read(path: Option<&Path>) -> anyhow::Result<Self> {
        let Some(path) = path else { return Ok(Self::default()) };
        let text = std::fs::read_to_string(path).with_context(|| format!("read `{}`", path.display()))?;
        Self::parse(&text).map_err(|reason| wrong(format!("`{}`: {reason}", path.display())))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let own: Own = toml::from_str(text).map_err(|error| error.to_string())?;
        let mut table: toml::Table = toml::from_str(text).map_err(|error| error.to_string())?;
        for (a, b) in [("steps", "epochs"), ("batch_size", "batch_tokens")] {
            if table.contains_key(a) && table.contains_key(b) {
                return Err(format!("`{a}` and `{b}` exclude each other"));
            }
        }
        let names_shape = ["rank", "alpha", "targets"].iter().any(|key| table.contains_key(*key));
        table.retain(|key, _| key == "epochs" || !OWN.contains(&key));
        // What is left must be keys of `[train]`; one by one, so that a wrong value is named by its key.
        for (key, value) in &table {
            let alone = toml::Table::from_iter([(key.clone(), value.clone())]);
            let parsed: Result<experiment::Train, toml::de::Error> = alone.try_into();
            parsed.map_err(|error| {
                format!("`{key}` = {value}: {}; known beside the keys of [train] are {}", error.message(), OWN.join(", "))
            })?;
        }
        let train: experiment::Train = table.try_into().map_err(|error: toml::de::Error| error.message().to_owned())?;
        let Own { betas, eps, steps, batch_size, micro_batch_tokens, seed } = own;
        let read = Self { train, names_shape, betas, eps, steps, batch_size, micro_batch_tokens, seed };
        read.check().map(|()| read)
    }

    fn check(&self) -> Result<(), String> {
        let train = &self.train;
        let share = |value: f64| (0.0..1.0).contains(&value);
        let positive = |value: f64| value.is_finite() && value > 0.0;
        let wrong = [
            ("learning_rate", positive(train.learning_rate)),
            ("max_grad_norm", positive(train.max_grad_norm)),
            ("weight_decay", train.weight_decay.is_finite() && train.weight_decay >= 0.0),
            ("dropout", share(train.dropout)),
            ("betas", self.betas.is_none_or(|betas| betas.into_iter().all(share))),
            ("eps", self.eps.is_none_or(positive)),
            ("steps", self.steps != Some(0)),
            ("epochs", train.epochs > 0),
            ("batch_size", self.batch_size != Some(0)),
            ("batch_tokens", train.batch_tokens > 0),
            ("micro_batch_tokens", self.micro_batch_tokens != Some(0)),
            ("rank", train.rank > 0),
            ("alpha", positive(train.alpha)),
        ];
        wrong.into_iter().find(|(_, sound)| !sound).map_or(Ok(()), |(key, _)| Err(format!("`{key}` is out of range")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_an_experiment_and_of_a_run_stand_side_by_side() {
        let table = Table::parse("rank = 8\nbatch_size = 4\nsteps = 3\nbetas = [0.8, 0.9]\nschedule = \"cosine\"\nseed = 5").unwrap();
        assert_eq!((table.train.rank, table.batch_size, table.steps, table.seed), (8, Some(4), Some(3), 5));
        assert_eq!((table.betas, table.train.schedule), (Some([0.8, 0.9]), experiment::Schedule::Cosine));
        assert_eq!(table.train.epochs, experiment::Train::default().epochs);
        assert_eq!(Table::parse("").unwrap(), Table::default());
    }

    #[test]
    fn every_key_of_train_reaches_the_model() {
        let text = "learning_rate = 0.5\nweight_decay = 0.25\nmax_grad_norm = 2.0\nwarmup_steps = 3\nschedule = \"linear\"\n\
                    gradient_checkpointing = true";
        let settings = of(&Table::parse(text).unwrap().train, 9, 7);
        assert_eq!((settings.learning_rate, settings.weight_decay, settings.max_grad_norm), (0.5, 0.25, 2.0));
        assert_eq!((settings.warmup_steps, settings.total_steps, settings.seed), (3, 9, 7));
        assert!(settings.schedule == Schedule::Linear && settings.checkpointing);
        assert!(!of(&Table::default().train, 9, 7).checkpointing);
    }

    #[test]
    fn a_wrong_key_is_named() {
        let message = |text: &str| Table::parse(text).unwrap_err();
        assert!(message("lerning_rate = 1").contains("lerning_rate"));
        assert!(message("rank = \"four\"").contains("rank"));
        assert!(message("steps = 1\nepochs = 2").contains("`steps` and `epochs`"));
        assert!(message("dropout = 1.0").contains("`dropout`"));
        assert!(message("steps = 0").contains("`steps`"));
    }
}
