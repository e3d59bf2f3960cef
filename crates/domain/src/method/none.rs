//! `none`: the model is evaluated, again and again, and never trained.

use super::contract::{Chosen, JudgedRollout, Method, Objective, Pool};
use crate::experiment::Train;

pub struct NoTraining;

impl Method for NoTraining {
    fn pool(&self) -> Pool {
        Pool::Empty
    }

    fn choose(&self, _: &Train, _: &[JudgedRollout<'_>]) -> Vec<Chosen> {
        Vec::new()
    }

    fn objective(&self) -> Objective {
        Objective::Likelihood
    }

    fn describe(&self) -> &'static str {
        "evaluated without training"
    }

    fn describe_settings(&self, _: &Train) -> String {
        "none: evaluation only".to_owned()
    }
}
