//! `rft`: rejection-sampling fine-tuning, also called expert iteration. The correct rollouts are
//! trained on as they were written, all with the same weight: each normalised code once per
//! problem, and at most `max_per_problem` of them. `train.select` puts a control in their place.
//!
//! STaR (Zelikman et al., 2022) and ReST-EM (Singh et al., 2023) start every iteration from the
//! base (`start = "restart"`). Departures: STaR's rationalisation is left out, and ReST-EM's
//! duplicates are not.

use super::{
    contract::{Chosen, JudgedRollout, Method, Objective, Pool},
    selection,
};
use crate::experiment::{Experiment, Select, Train};

pub struct RejectionSampling;

impl Method for RejectionSampling {
    fn trains(&self) -> bool {
        true
    }

    fn pool(&self, settings: &Train) -> Pool {
        Pool {
            verdicts: selection::verdicts(settings.select),
            greedy: settings.select == Select::Greedy,
        }
    }

    fn choose(
        &self,
        config: &Experiment,
        iteration: u32,
        rollouts: &[JudgedRollout],
    ) -> Vec<Chosen> {
        selection::choose(config, iteration, rollouts)
    }

    fn objective(&self) -> Objective {
        Objective::Likelihood
    }

    fn describe(&self, settings: &Train) -> &'static str {
        match settings.select {
            Select::Verified => {
                "trained on its own solutions that were proven correct (rejection-sampling \
                 fine-tuning)"
            }
            Select::Visible => {
                "trained on its own solutions that passed the cases their prompts show (a weak \
                 verifier)"
            }
            Select::Parses => {
                "trained on its own completions whose code Python can read, right or wrong (a \
                 control)"
            }
            Select::Any => "trained on its own completions, right or wrong (a control)",
            Select::Greedy => "trained on its own greedy completions, right or wrong (a control)",
            Select::Shuffled => {
                "trained on its own proven solutions, each under the prompt of another rule (a \
                 control)"
            }
        }
    }

    fn describe_settings(&self, settings: &Train) -> String {
        let select = match settings.select {
            Select::Verified => String::new(),
            control => format!(" on a control (select = \"{control}\")"),
        };
        format!(
            "rft{select}, LoRA rank {}, learning rate {}, {} epochs, start {}",
            settings.rank, settings.learning_rate, settings.epochs, settings.start
        )
    }
}
