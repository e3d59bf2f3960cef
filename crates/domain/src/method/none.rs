//! `none`: the model is evaluated, again and again, and never trained.

use super::contract::{Chosen, JudgedRollout, Method, Objective, Pool};
use crate::experiment::{Experiment, Train};

pub struct NoTraining;

impl Method for NoTraining {
    fn trains(&self) -> bool {
        false
    }

    fn pool(&self, _: &Train) -> Pool {
        Pool {
            verdicts: &[],
            greedy: false,
        }
    }

    fn choose(&self, _: &Experiment, _: u32, _: &[JudgedRollout]) -> Vec<Chosen> {
        Vec::new()
    }

    fn objective(&self) -> Objective {
        Objective::Likelihood
    }

    fn describe(&self, _: &Train) -> &'static str {
        "evaluated without training"
    }

    fn describe_settings(&self, _: &Train) -> String {
        "none: evaluation only".to_owned()
    }
}
