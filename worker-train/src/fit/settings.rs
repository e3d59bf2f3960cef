//! `train.toml`: the keys of an experiment's `[train]` table and a few more, all optional.

use groklab_domain::experiment::{self, History, Invalid, Method, Schedule, Start, TARGETS, Train};
use groklab_model::{Error, LoraSpec, Settings};
use serde::Deserialize;

use crate::train::schedule;

/// The file. What is absent has the default of an experiment, or is what the adapter to start from says.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct File {
    // What an experiment selects its training set by: taken, so that its table can be used as it is, without any effect on a given file.
    pub method: Option<Method>,
    pub history: Option<History>,
    pub max_per_problem: Option<u32>,

    pub start: Option<Start>,
    pub rank: Option<u32>,
    pub alpha: Option<f64>,
    pub dropout: Option<f64>,
    pub targets: Option<Vec<String>>,
    pub learning_rate: Option<f64>,
    pub betas: Option<[f64; 2]>,
    pub eps: Option<f64>,
    pub weight_decay: Option<f64>,
    pub max_grad_norm: Option<f64>,
    pub schedule: Option<Schedule>,
    pub warmup_steps: Option<u32>,
    pub epochs: Option<u32>,
    pub steps: Option<u64>,
    pub batch_tokens: Option<u32>,
    pub batch_size: Option<usize>,
    pub seed: Option<u64>,
}

/// How long a run goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Length {
    Steps(u64),
    Epochs(u32),
}

/// What a step consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Batch {
    /// So many examples, in the order of the file.
    Size(usize),
    /// Up to so many tokens, shuffled.
    Tokens(usize),
}

impl File {
    /// Reads and checks the text of a file; errors name line, key, value and fix.
    pub(super) fn parse(text: &str) -> Result<Self, experiment::Error> {
        experiment::parse_checked(text, Self::check)
    }

    fn check(&self) -> Vec<Invalid> {
        // The keys of an experiment have its limits; there they stand in a table.
        let mut found = self.train().check();
        found.iter_mut().for_each(|bad| bad.key = bad.key.strip_prefix("train.").unwrap_or(bad.key));
        let mut require = |ok: bool, key, value: String, fix: &str| {
            if !ok {
                found.push(Invalid { key, value, fix: fix.into() });
            }
        };
        let [first, second] = self.betas.unwrap_or([0.9, 0.999]);
        let betas = [first, second].iter().all(|beta| (0.0..1.0).contains(beta));
        require(betas, "betas", format!("[{first}, {second}]"), "use two numbers from 0 to below 1");
        let eps = self.eps.unwrap_or(1e-8);
        require((1e-16..=1.0).contains(&eps), "eps", format!("{eps:e}"), "use 1e-16 to 1");
        let (steps, size) = (self.steps.unwrap_or(1), self.batch_size.unwrap_or(1));
        require((1..=1_000_000).contains(&steps), "steps", steps.to_string(), "use 1 to 1000000");
        require((1..=65_536).contains(&size), "batch_size", size.to_string(), "use 1 to 65536");
        require(self.steps.is_none() || self.epochs.is_none(), "steps", steps.to_string(), "give `steps` or `epochs`, not both");
        let both = self.batch_size.is_some() && self.batch_tokens.is_some();
        require(!both, "batch_size", size.to_string(), "give `batch_size` or `batch_tokens`, not both");
        require(self.method != Some(Method::None), "method", "\"none\"".into(), "that is not to train; leave it out");
        found
    }

    /// As an experiment would have it.
    fn train(&self) -> Train {
        let all = Train::default();
        Train {
            rank: self.rank.unwrap_or(all.rank),
            alpha: self.alpha.unwrap_or(all.alpha),
            dropout: self.dropout.unwrap_or(all.dropout),
            targets: self.targets.clone().unwrap_or(all.targets),
            learning_rate: self.learning_rate.unwrap_or(all.learning_rate),
            schedule: self.schedule.unwrap_or(all.schedule),
            warmup_steps: self.warmup_steps.unwrap_or(all.warmup_steps),
            weight_decay: self.weight_decay.unwrap_or(all.weight_decay),
            max_grad_norm: self.max_grad_norm.unwrap_or(all.max_grad_norm),
            epochs: self.epochs.unwrap_or(all.epochs),
            batch_tokens: self.batch_tokens.unwrap_or(all.batch_tokens),
            max_per_problem: self.max_per_problem.unwrap_or(all.max_per_problem),
            ..all
        }
    }

    pub(super) fn seed(&self) -> u64 {
        self.seed.unwrap_or(0)
    }

    pub(super) fn keeps_optimiser(&self) -> bool {
        self.start == Some(Start::Continue)
    }

    pub(super) fn length(&self) -> Length {
        self.steps.map_or_else(|| Length::Epochs(self.train().epochs), Length::Steps)
    }

    pub(super) fn batch(&self) -> Batch {
        self.batch_size.map_or_else(|| Batch::Tokens(self.train().batch_tokens as usize), Batch::Size)
    }

    /// The adapter's shape: that of the adapter to start from, where the file does not say otherwise.
    pub(super) fn spec(&self, init: Option<&LoraSpec>) -> Result<LoraSpec, Error> {
        let train = self.train();
        let names = |targets: &[String]| targets.iter().map(|name| name.parse()).collect::<Result<Vec<_>, Error>>();
        let mut targets = match (&self.targets, init) {
            (None, Some(init)) => init.targets.clone(),
            (Some(named), _) => names(named)?,
            (None, None) => names(&TARGETS.map(String::from))?,
        };
        targets.sort_unstable();
        Ok(LoraSpec {
            rank: self.rank.map(i64::from).or(init.map(|init| init.rank)).unwrap_or(train.rank.into()),
            alpha: self.alpha.or(init.map(|init| init.alpha)).unwrap_or(train.alpha),
            dropout: self.dropout.or(init.map(|init| init.dropout)).unwrap_or(train.dropout),
            targets,
        })
    }

    pub(super) fn settings(&self, total_steps: u64) -> Settings {
        let (train, all) = (self.train(), Settings::default());
        Settings {
            learning_rate: train.learning_rate,
            betas: self.betas.map_or(all.betas, |[first, second]| (first, second)),
            eps: self.eps.unwrap_or(all.eps),
            weight_decay: train.weight_decay,
            max_grad_norm: train.max_grad_norm,
            warmup_steps: u64::from(train.warmup_steps),
            total_steps,
            schedule: schedule(train.schedule),
            seed: self.seed(),
            ..all
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_line_key_value_and_fix() {
        let table = [
            ("seed = 1\nlearning_rat = 1e-3\n", "line 2: unknown key `learning_rat`; did you mean `learning_rate`?"),
            ("rank = 0\n", "line 1: `rank` = 0: use 1 to 512"),
            ("rank = \"big\"\n", "line 1: `rank` = \"big\": invalid type"),
            ("betas = [0.9, 1.0]\n", "line 1: `betas` = [0.9, 1]: use two numbers"),
            ("\nsteps = 3\nepochs = 1\n", "line 2: `steps` = 3: give `steps` or `epochs`"),
            ("batch_size = 2\nbatch_tokens = 64\n", "line 1: `batch_size` = 2: give `batch_size` or"),
            ("method = \"none\"\n", "line 1: `method` = \"none\": that is not to train"),
            ("schedule = \"step\"\n", "line 1: `schedule` = \"step\": unknown variant"),
            ("targets = [\"q_proj\", \"lm_head\"]\n", "line 1: `targets` = \"lm_head\": known are"),
            ("steps = 0\n", "line 1: `steps` = 0: use 1"),
        ];
        for (text, says) in table {
            let error = File::parse(text).unwrap_err().to_string();
            assert!(error.contains(says), "{text:?}: {error}");
        }
    }

    #[test]
    fn the_table_of_an_experiment_is_taken_as_it_is() {
        let table = experiment::Train::default();
        let file = File::parse(&toml::to_string(&table).unwrap()).unwrap();
        assert_eq!((file.length(), file.batch()), (Length::Epochs(2), Batch::Tokens(2048)));
        assert_eq!(file.train(), table);
        assert_eq!(File::default().train(), table);
        let init = LoraSpec { rank: 4, alpha: 8.0, dropout: 0.0, targets: vec!["v_proj".parse().unwrap()] };
        assert_eq!(File::default().spec(Some(&init)).unwrap(), init);
        assert_eq!(file.spec(Some(&init)).unwrap().rank, 16);
    }
}
