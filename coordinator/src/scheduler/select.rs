//! Closes the rollouts of an iteration: which of them are trained on, as the method chooses, and
//! the training set as an artifact.

use std::collections::HashMap;

use bytes::Bytes;
use groklab_domain::{
    Digest,
    experiment::History,
    method::{Chosen, JudgedRollout},
};
use serde::Serialize;
use sqlx::PgConnection;

use crate::{
    blobs::Blobs,
    error::{Error, Result},
    store::{Store, artifact, experiment::Experiment, iteration, problem, rollout},
};

const ROLLOUTS_PER_STATEMENT: usize = 1000;

/// One line of a training set.
#[derive(Debug, Serialize)]
struct Example<'a> {
    /// Whose prompt it is, and which of the completion's samples.
    problem: u32,
    sample: u32,
    prompt: &'a str,
    /// The sampled token ids.
    completion: &'a [u32],
    /// What its tokens count.
    weight: f32,
}

/// What an iteration is trained on. It follows from stored results alone, so whoever prepares it
/// gets the same.
#[derive(Debug)]
pub struct Selection {
    iteration: u32,
    examples: u32,
    /// The training set's digest and size in bytes; None where there is nothing to train on.
    set: Option<(Digest, u64)>,
}

impl Selection {
    /// Chooses and uploads the training set; records nothing. The iteration's rollouts are
    /// complete.
    pub async fn prepare(store: &Store, blobs: &Blobs, experiment: &Experiment) -> Result<Self> {
        let (i, config) = (experiment.iteration, experiment.config()?);
        let method = config.train.method.method();
        let first = match config.train.history {
            History::All => 0,
            History::Iteration => i,
        };
        let mut db = store.connection().await?;
        let pool = method.pool(&config.train);
        let rollouts = rollout::trainable(&mut db, experiment.id, first, i, pool).await?;
        let chosen = method.choose(config, i, &rollouts);
        let examples =
            u32::try_from(chosen.len()).map_err(|_| Error::broken("more than 2³² examples"))?;
        let set = if chosen.is_empty() {
            None
        } else {
            let lines = training_set(&mut db, experiment, &rollouts, &chosen).await?;
            drop(db);
            let (digest, bytes) = blobs.put_bytes(lines).await?;
            // Recorded at once, so that it can be collected should nothing ever refer to it.
            artifact::insert(&mut *store.connection().await?, digest, bytes).await?;
            Some((digest, bytes))
        };
        Ok(Self {
            iteration: i,
            examples,
            set,
        })
    }

    /// Records it, in the transaction that holds the experiment's row.
    pub async fn store(self, db: &mut PgConnection, experiment: &Experiment) -> Result<()> {
        if self.iteration != experiment.iteration {
            // Another coordinator went on meanwhile; the next look finds what is due now.
            return Err(Error::Busy {
                what: format!("iteration {} is over", self.iteration),
                source: None,
            });
        }
        if let Some((digest, bytes)) = self.set {
            artifact::insert(db, digest, bytes).await?;
        }
        let digest = self.set.map(|(digest, _)| digest);
        iteration::set_selection(db, experiment.id, self.iteration, self.examples, digest).await
    }
}

/// JSON lines, in the order chosen.
async fn training_set(
    db: &mut PgConnection,
    experiment: &Experiment,
    rollouts: &[JudgedRollout],
    chosen: &[Chosen],
) -> Result<Bytes> {
    let keys: Vec<problem::Key> = chosen
        .iter()
        .map(|chosen| (experiment.id, chosen.problem))
        .collect();
    let problems = problem::get_many(db, &keys).await?;
    let mut lines = Vec::new();
    for page in chosen.chunks(ROLLOUTS_PER_STATEMENT) {
        let ids: Vec<i64> = page
            .iter()
            .map(|chosen| rollouts[chosen.place].rollout_id)
            .collect();
        let tokens: HashMap<i64, Vec<u32>> = rollout::tokens(db, &ids).await?.into_iter().collect();
        for chosen in page {
            let rollout = &rollouts[chosen.place];
            let (Some(problem), Some(completion)) = (
                problems.get(&(experiment.id, chosen.problem)),
                tokens.get(&rollout.rollout_id),
            ) else {
                return Err(Error::broken(format!(
                    "rollout {} has no tokens or no problem",
                    rollout.rollout_id
                )));
            };
            let example = Example {
                problem: chosen.problem,
                sample: rollout.sample,
                prompt: &problem.prompt,
                completion,
                weight: chosen.weight,
            };
            serde_json::to_writer(&mut lines, &example)
                .map_err(|error| Error::internal("write a training example", error))?;
            lines.push(b'\n');
        }
    }
    Ok(lines.into())
}
