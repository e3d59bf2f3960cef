//! What `fit --config` reads: the `[train]` keys of an experiment, and those that only a run of its own has.

use std::path::Path;

use anyhow::Context;
use groklab_domain::experiment;
use groklab_runtime::alone::wrong;
use serde::Deserialize;

/// Keys beside those of `[train]`.
const OWN: [&str; 8] = ["betas", "eps", "steps", "batch_size", "micro_batch_tokens", "gradient_checkpointing", "seed", "epochs"];

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
    pub gradient_checkpointing: bool,
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
    gradient_checkpointing: bool,
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
        let Own { betas, eps, steps, batch_size, micro_batch_tokens, gradient_checkpointing, seed } = own;
        let read = Self { train, names_shape, betas, eps, steps, batch_size, micro_batch_tokens, gradient_checkpointing, seed };
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
    fn a_wrong_key_is_named() {
        let message = |text: &str| Table::parse(text).unwrap_err();
        assert!(message("lerning_rate = 1").contains("lerning_rate"));
        assert!(message("rank = \"four\"").contains("rank"));
        assert!(message("steps = 1\nepochs = 2").contains("`steps` and `epochs`"));
        assert!(message("dropout = 1.0").contains("`dropout`"));
        assert!(message("steps = 0").contains("`steps`"));
    }
}
