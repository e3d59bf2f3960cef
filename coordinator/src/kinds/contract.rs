//! What a kind of job has to say. Functions that read the database read for all jobs of a
//! transaction at once.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Display,
};

use groklab_domain::{
    Commit, Digest, ExperimentId, PythonVersion,
    experiment::Experiment as Config,
    job::{Batch, Job},
    records::Event,
};
use groklab_proto::v1::{self, job::Work};
use sqlx::PgConnection;
use tonic::Status;

use crate::{
    error::{Error, Result},
    store::{
        event,
        experiment::{self, Experiment},
        worker,
    },
};

/// Why results are refused, in words for the attempt's record.
pub type Refusal = String;

/// One kind of job.
pub trait Kind {
    /// What a worker sends when it is done.
    type Wire;
    /// That, parsed: what it says, before it is compared with the job.
    type Results;
    /// What results are checked against and stored with, beside their experiments.
    type Context;
    /// A job that was lost so often is split into single rollouts.
    const LOSSES_BEFORE_SPLIT: Option<u32> = None;

    /// The messages of these jobs, in their order.
    async fn messages(
        db: &mut PgConnection,
        jobs: &[Job],
        experiments: &Experiments,
    ) -> Result<Vec<Work>>;

    fn parse(wire: Self::Wire) -> Result<Self::Results, Refusal>;

    /// What the results were made with.
    fn made_with(results: &Self::Results) -> MadeWith;

    async fn context(
        db: &mut PgConnection,
        completed: &[(&Job, &Self::Results)],
    ) -> Result<Self::Context>;

    /// Whether the results are this job's.
    fn check(
        job: &Job,
        results: &Self::Results,
        context: &Self::Context,
        config: &Config,
    ) -> Result<(), Refusal>;

    /// Stores results that passed [`Kind::check`], and whatever follows from them but the next job.
    async fn store(
        db: &mut PgConnection,
        checked: &[(&Job, &Self::Results)],
        context: &Self::Context,
    ) -> Result<()>;
}

/// What all results of an experiment must be made with alike: the first ones fix it.
#[derive(Debug, Clone, Copy, Default)]
pub struct MadeWith {
    /// Of the base model's weights; None where no model was at work.
    pub base: Option<Digest>,
    /// Of a base model on the hub. The digest decides whether two are the same; this says where it
    /// came from.
    pub commit: Option<Commit>,
    /// None where no candidate was run.
    pub python: Option<PythonVersion>,
}

impl MadeWith {
    /// Whether it says something that the experiment does not say yet.
    pub fn fixes(self, experiment: &Experiment) -> bool {
        (experiment.base_digest.is_none() && self.base.is_some())
            || (experiment.python.is_none() && self.python.is_some())
    }
}

/// The experiments of a transaction's jobs.
#[derive(Debug, Default)]
pub struct Experiments {
    by_id: HashMap<ExperimentId, Experiment>,
    /// What this transaction's results fix.
    fixed: Vec<(ExperimentId, MadeWith)>,
}

impl Experiments {
    pub fn new(by_id: HashMap<ExperimentId, Experiment>) -> Self {
        Self {
            by_id,
            fixed: Vec::new(),
        }
    }

    pub fn of(&self, job: &Job) -> Result<&Experiment> {
        self.by_id
            .get(&job.experiment)
            .ok_or_else(|| Error::missing("experiment", job.experiment))
    }

    /// The first results of an experiment fix what all are made with; no others are taken after
    /// them.
    pub fn fix(&mut self, id: ExperimentId, with: MadeWith) -> Result<(), Refusal> {
        let experiment = self.by_id.get_mut(&id).ok_or("its experiment is gone")?;
        let base = newly_fixed("base model", &mut experiment.base_digest, with.base)?;
        let newly = MadeWith {
            base,
            commit: with.commit.filter(|_| base.is_some()),
            python: newly_fixed("Python", &mut experiment.python, with.python)?,
        };
        self.fixed.push((id, newly));
        Ok(())
    }

    pub async fn store_fixed(&self, db: &mut PgConnection) -> Result<()> {
        for &(id, newly) in &self.fixed {
            let MadeWith {
                base,
                commit,
                python,
            } = newly;
            if let Some(base) = base {
                experiment::fix_base(db, id, base, commit).await?;
            }
            if let Some(needed) = python {
                experiment::fix_python(db, id, needed).await?;
                for (host, python) in worker::of_other_python(db, needed).await? {
                    let unfit = Event::WorkerUnfit {
                        host,
                        python,
                        needed,
                    };
                    event::insert_once(db, id, &unfit).await?;
                }
            }
        }
        Ok(())
    }
}

/// `found`, where it is the first of its experiment and so fixes it.
fn newly_fixed<T: Copy + PartialEq + Display>(
    what: &str,
    fixed: &mut Option<T>,
    found: Option<T>,
) -> Result<Option<T>, Refusal> {
    match (*fixed, found) {
        (None, Some(_)) => {
            *fixed = found;
            Ok(found)
        }
        (Some(fixed), Some(found)) if fixed != found => Err(format!(
            "made with {what} {found}, the experiment's is {fixed}"
        )),
        _ => Ok(None),
    }
}

/// A field's parse error as a refusal.
pub(super) fn parsed<T>(result: Result<T, Status>) -> Result<T, Refusal> {
    result.map_err(|status| status.message().to_owned())
}

/// Results by their (problem, sample), in order; one that comes twice is refused.
pub(super) fn in_order<T>(results: Vec<T>, key: fn(&T) -> (u32, u32)) -> Result<Vec<T>, Refusal> {
    let count = results.len();
    let mut by_key = BTreeMap::new();
    for result in results {
        by_key.insert(key(&result), result);
    }
    if by_key.len() == count {
        return Ok(by_key.into_values().collect());
    }
    Err(format!(
        "{count} results, {} of them different",
        by_key.len()
    ))
}

/// Whether these results, which are in order, are those of the batch: every (problem, sample) once.
pub(super) fn check_covers(
    batch: &Batch,
    results: impl Iterator<Item = (u32, u32)> + Clone,
) -> Result<(), Refusal> {
    if results.clone().eq(batch.rollouts()) {
        return Ok(());
    }
    let wanted: std::collections::HashSet<_> = batch.rollouts().collect();
    let count = results.clone().count();
    let found = results.filter(|key| wanted.contains(key)).count();
    Err(format!(
        "{count} results, {found} of them the job's, for a job of {} rollouts",
        batch.len()
    ))
}

/// The base model as messages name it.
pub(super) fn base_model(experiment: &Experiment) -> Result<v1::BaseModel> {
    let model = &experiment.config()?.model;
    let chat_json = if model.chat.is_default() {
        String::new()
    } else {
        serde_json::to_string(&model.chat)
            .map_err(|error| Error::internal("write chat settings", error))?
    };
    Ok(v1::BaseModel {
        source: model.source.clone(),
        // Empty until the first result has fixed it.
        digest: experiment
            .base_digest
            .map_or_else(String::new, |digest| digest.to_string()),
        chat_json,
        // The commit, once that is fixed.
        revision: model.revision.clone().unwrap_or_default(),
    })
}
