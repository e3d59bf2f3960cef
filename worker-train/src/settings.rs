//! What training is told: the `[train]` keys of an experiment, and what `fit --config` reads beside
//! them.

use std::{fmt::Display, path::Path};

use anyhow::Context;
use groklab_domain::experiment;
use groklab_model::{Placement, Schedule, Settings};
use groklab_runtime::offline::wrong;
use serde::{Deserialize, Deserializer};

/// What a run is beside the keys of `[train]`.
#[derive(Clone, Copy)]
pub(crate) struct Run {
    pub total_steps: u64,
    /// Runs over which the schedule goes on, this one among them; 0: it is this run's own.
    pub runs_left: u64,
    pub seed: u64,
    /// Where it is computed: a GPU takes larger parts.
    pub placement: Placement,
}

/// The model's settings for a run with the keys of `[train]`.
pub(crate) fn of(train: &experiment::Train, run: Run) -> Settings {
    Settings {
        learning_rate: train.learning_rate,
        weight_decay: train.weight_decay,
        max_grad_norm: train.max_grad_norm,
        warmup_steps: u64::from(train.warmup_steps),
        total_steps: run.total_steps,
        runs_left: run.runs_left,
        schedule: match train.schedule {
            experiment::Schedule::Constant => Schedule::Constant,
            experiment::Schedule::Linear => Schedule::Linear,
            experiment::Schedule::Cosine => Schedule::Cosine,
        },
        checkpointing: train.gradient_checkpointing,
        seed: run.seed,
        ..Settings::on(run.placement)
    }
}

/// Keys beside those of `[train]`.
const OWN: [&str; 6] = [
    "betas",
    "eps",
    "steps",
    "batch_size",
    "micro_batch_tokens",
    "seed",
];

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
    #[serde(default, deserialize_with = "pair")]
    betas: Option<[f64; 2]>,
    eps: Option<f64>,
    steps: Option<usize>,
    batch_size: Option<usize>,
    micro_batch_tokens: Option<usize>,
    #[serde(default)]
    seed: u64,
}

fn pair<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<[f64; 2]>, D::Error> {
    experiment::exactly_two(deserializer).map(Some)
}

impl Table {
    /// Reads `path`, or takes the defaults.
    ///
    /// # Errors
    /// The file cannot be read, or names the key that is unknown, wrong or contradicts another.
    pub fn read(path: Option<&Path>) -> anyhow::Result<Self> {
        let Some(path) = path else {
            return Ok(Self::default());
        };
        let bytes = std::fs::read(path).with_context(|| format!("read `{}`", path.display()))?;
        let text = str::from_utf8(&bytes)
            .map_err(|error| wrong(format!("`{}`: {error}", path.display())))?;
        Self::parse(text).map_err(|reason| wrong(format!("`{}`: {reason}", path.display())))
    }

    fn parse(text: &str) -> Result<Self, String> {
        let mut table: toml::Table = toml::from_str(text).map_err(|error| error.to_string())?;
        for (a, b) in [("steps", "epochs"), ("batch_size", "batch_tokens")] {
            if table.contains_key(a) && table.contains_key(b) {
                return Err(format!("`{a}` and `{b}` exclude each other"));
            }
        }
        // Asked of the text: once it is read, a default looks like a value that was given.
        let names_shape = ["rank", "alpha", "targets"]
            .iter()
            .any(|key| table.contains_key(*key));
        table
            .iter()
            .try_for_each(|(key, value)| check_type(key, value))?;
        let refused = |error: toml::de::Error| experiment::plain(error.message());
        let Own {
            betas,
            eps,
            steps,
            batch_size,
            micro_batch_tokens,
            seed,
        } = table.clone().try_into().map_err(refused)?;
        // `Own` ignores keys that it does not know, `Train` refuses them: so the former's are taken
        // out.
        table.retain(|key, _| !OWN.contains(&key));
        let train: experiment::Train = table.try_into().map_err(refused)?;
        let read = Self {
            train,
            names_shape,
            betas,
            eps,
            steps,
            batch_size,
            micro_batch_tokens,
            seed,
        };
        read.check().map(|()| read)
    }

    fn check(&self) -> Result<(), String> {
        let train = &self.train;
        let share = |value: f64| (0.0..1.0).contains(&value);
        let positive = |value: f64| value.is_finite() && value > 0.0;
        let positives = [
            ("learning_rate", Some(train.learning_rate)),
            ("max_grad_norm", Some(train.max_grad_norm)),
            ("alpha", Some(train.alpha)),
            ("eps", self.eps),
        ];
        for (key, value) in positives {
            require(
                value.is_none_or(positive),
                key,
                value,
                "use a number above 0",
            )?;
        }
        let counts = [
            ("steps", self.steps),
            ("epochs", Some(train.epochs as usize)),
            ("batch_size", self.batch_size),
            ("batch_tokens", Some(train.batch_tokens as usize)),
            ("micro_batch_tokens", self.micro_batch_tokens),
            ("rank", Some(train.rank as usize)),
        ];
        for (key, count) in counts {
            require(count != Some(0), key, count, "use 1 or more")?;
        }
        let decay = train.weight_decay;
        require(
            decay.is_finite() && decay >= 0.0,
            "weight_decay",
            Some(decay),
            "use 0 or more",
        )?;
        let shares = self
            .betas
            .into_iter()
            .flatten()
            .map(|beta| ("betas", beta))
            .chain([("dropout", train.dropout)]);
        shares.into_iter().try_for_each(|(key, value)| {
            require(
                share(value),
                key,
                Some(value),
                "use 0 or more, and less than 1",
            )
        })
    }
}

/// Whether a key is known and its value of the right kind; by itself, so that it can be named.
fn check_type(key: &str, value: &toml::Value) -> Result<(), String> {
    let alone = toml::Table::from_iter([(key.to_owned(), value.clone())]);
    let checked = if OWN.contains(&key) {
        alone.try_into::<Own>().map(drop)
    } else {
        alone.try_into::<experiment::Train>().map(drop)
    };
    checked.map_err(|error| match error.message() {
        unknown if unknown.starts_with("unknown field ") => {
            format!(
                "unknown key `{key}`; known are the keys of an experiment's [train] and {}",
                OWN.join(", ")
            )
        }
        message => format!("`{key}` = {value}: {}", experiment::plain(message)),
    })
}

fn require(sound: bool, key: &str, value: Option<impl Display>, fix: &str) -> Result<(), String> {
    match value {
        Some(value) if !sound => Err(format!("`{key}` = {value}: {fix}")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_an_experiment_and_of_a_run_stand_side_by_side() {
        let table = Table::parse(
            "rank = 8\nbatch_size = 4\nsteps = 3\nbetas = [0.8, \
            0.9]\nschedule = \"cosine\"\nseed = 5",
        )
        .unwrap();
        assert_eq!(
            (table.train.rank, table.batch_size, table.steps, table.seed),
            (8, Some(4), Some(3), 5)
        );
        assert_eq!(
            (table.betas, table.train.schedule),
            (Some([0.8, 0.9]), experiment::Schedule::Cosine)
        );
        assert_eq!(table.train.epochs, experiment::Train::default().epochs);
        assert_eq!(Table::parse("").unwrap(), Table::default());
    }

    #[test]
    fn every_key_of_train_reaches_the_model() {
        let text = "learning_rate = 0.5\nweight_decay = 0.25\nmax_grad_norm = 2.0\nwarmup_steps = \
            3\nschedule = \"linear\"\n\
                    gradient_checkpointing = true";
        let run = Run {
            total_steps: 9,
            runs_left: 2,
            seed: 7,
            placement: Placement::CPU,
        };
        let settings = of(&Table::parse(text).unwrap().train, run);
        assert_eq!(
            (
                settings.learning_rate,
                settings.weight_decay,
                settings.max_grad_norm
            ),
            (0.5, 0.25, 2.0)
        );
        assert_eq!(
            (settings.warmup_steps, settings.total_steps, settings.seed),
            (3, 9, 7)
        );
        assert!(settings.schedule == Schedule::Linear && settings.checkpointing);
        assert!(!of(&Table::default().train, run).checkpointing);
    }

    #[test]
    fn a_wrong_key_is_named() {
        let message = |text: &str| Table::parse(text).unwrap_err();
        assert!(message("lerning_rate = 1").contains(
            "unknown key `lerning_rate`; known are the keys of an experiment's [train] and betas"
        ));
        assert!(message("steps = 1\nepochs = 2").contains("`steps` and `epochs`"));
        let table = [
            (
                "rank = \"four\"",
                "`rank` = \"four\": use a whole number from 0 to 4294967295",
            ),
            (
                "schedule = \"step\"",
                "`schedule` = \"step\": use one of `constant`, `linear`, `cosine`",
            ),
            (
                "steps = 1.5",
                "`steps` = 1.5: use a whole number, 0 or more",
            ),
            (
                "betas = [0.9]",
                "`betas` = [0.9]: use exactly two values; here they are 1",
            ),
            (
                "betas = [0.9, 0.95, 0.99]",
                "`betas` = [0.9, 0.95, 0.99]: use exactly two values; here they are 3",
            ),
            (
                "betas = [0.9, 1.0]",
                "`betas` = 1: use 0 or more, and less than 1",
            ),
            ("betas = 0.9", "`betas` = 0.9: use a list in brackets"),
            (
                "dropout = 1.0",
                "`dropout` = 1: use 0 or more, and less than 1",
            ),
            ("eps = nan", "`eps` = NaN: use a number above 0"),
            ("steps = 0", "`steps` = 0: use 1 or more"),
            ("rank = 0", "`rank` = 0: use 1 or more"),
            ("weight_decay = -1", "`weight_decay` = -1: use 0 or more"),
        ];
        for (text, expected) in table {
            assert_eq!(message(text), expected);
        }
    }
}
