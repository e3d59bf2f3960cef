//! `none`: the model is evaluated, again and again, and never trained.

use super::contract::{Chosen, JudgedRollout, Method, Objective};
use crate::{Verdict, experiment::Train};

pub struct NoTraining;

impl Method for NoTraining {
    fn pool(&self) -> &'static [Verdict] {
        &[]
    }

    fn choose(&self, _: &Train, _: &[JudgedRollout]) -> Vec<Chosen> {
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
