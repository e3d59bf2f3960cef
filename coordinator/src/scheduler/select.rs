//! Closes the rollouts of an iteration: which correct ones are trained on, and the training set as an artifact.

use std::collections::HashMap;

use groklab_domain::{
    experiment::History,
    selection::{self, Candidate},
};
use serde::Serialize;
use sqlx::PgConnection;

use crate::{
    blobs::Blobs,
    error::{Error, Result},
    store::{
        artifact,
        experiment::Experiment,
        iteration, problem,
        rollout::{self, Correct},
    },
};

/// One line of a training set.
#[derive(Debug, Serialize)]
struct Example<'a> {
    problem: u32,
    sample: u32,
    prompt: &'a str,
    /// The sampled token ids.
    completion: &'a [u32],
}

/// Selects, stores the training set and records both.
pub async fn select(db: &mut PgConnection, blobs: &Blobs, experiment: &Experiment) -> Result<()> {
    let (id, i, train) = (
        experiment.id,
        experiment.iteration,
        &experiment.config()?.train,
    );
    let first = if train.history == History::All { 0 } else { i };
    let correct = rollout::correct(db, id, first, i).await?;
    let codes: Vec<_> = correct
        .iter()
        .map(|rollout| String::from_utf8_lossy(&rollout.code))
        .collect();
    let candidates: Vec<_> = correct
        .iter()
        .zip(&codes)
        .map(|(r, code)| Candidate {
            problem: r.problem,
            sample: r.sample,
            code: code.as_ref(),
        })
        .collect();
    let selected: Vec<&Correct> = selection::rft(&candidates, train.max_per_problem as usize)
        .into_iter()
        .map(|at| &correct[at])
        .collect();
    let count =
        u32::try_from(selected.len()).map_err(|_| Error::broken("more than 2³² examples"))?;
    let set = if selected.is_empty() {
        None
    } else {
        let (digest, size) = blobs
            .put_bytes(lines(db, experiment, &selected).await?.into())
            .await?;
        artifact::insert(db, digest, size).await?;
        Some(digest)
    };
    iteration::set_selection(db, id, i, count, set).await
}

/// JSON lines, ordered by problem and sample.
async fn lines(
    db: &mut PgConnection,
    experiment: &Experiment,
    selected: &[&Correct],
) -> Result<Vec<u8>> {
    let keys: Vec<problem::Key> = selected
        .iter()
        .map(|rollout| (experiment.id, rollout.problem))
        .collect();
    let problems = problem::some(db, &keys).await?;
    let mut out = Vec::new();
    for page in selected.chunks(1000) {
        let ids: Vec<i64> = page.iter().map(|rollout| rollout.rollout_id).collect();
        let tokens: HashMap<i64, Vec<u32>> = rollout::tokens(db, &ids).await?.into_iter().collect();
        for rollout in page {
            let lost = || {
                Error::broken(format!(
                    "rollout {} has no tokens or no problem",
                    rollout.rollout_id
                ))
            };
            let prompt = problems
                .get(&(experiment.id, rollout.problem))
                .ok_or_else(lost)?
                .prompt
                .as_str();
            let completion = tokens.get(&rollout.rollout_id).ok_or_else(lost)?;
            let example = Example {
                problem: rollout.problem,
                sample: rollout.sample,
                prompt,
                completion,
            };
            serde_json::to_writer(&mut out, &example)
                .map_err(|error| Error::internal("write a training example", error))?;
            out.push(b'\n');
        }
    }
    Ok(out)
}
