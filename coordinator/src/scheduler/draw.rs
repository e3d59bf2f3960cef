//! Which train problems an iteration samples.

use std::collections::HashMap;

use groklab_domain::{
    Purpose, Split, Tally,
    curriculum::{self, Candidate},
    experiment::Curriculum,
    seed::ProblemSeed,
};
use sqlx::PgConnection;

use crate::{
    error::Result,
    store::{experiment::Experiment, problem::Heading, verdict},
};

/// The train problems that the current iteration samples, by ordinal. The iterations before it are
/// over, so that whoever asks gets the same.
pub async fn rolled_out(
    db: &mut PgConnection,
    experiment: &Experiment,
    headings: &[Heading],
) -> Result<Vec<u32>> {
    let config = experiment.config()?;
    let train: Vec<&Heading> = headings
        .iter()
        .filter(|h| h.split == Split::Train)
        .collect();
    let mut latest = HashMap::new();
    if config.generate.curriculum == Curriculum::Success {
        let ordinals: Vec<u32> = train.iter().map(|heading| heading.ordinal).collect();
        latest = latest_verdicts(db, experiment, &ordinals).await?;
    }
    let mut candidates = Vec::with_capacity(train.len());
    for heading in train {
        candidates.push(Candidate {
            problem: heading.as_ref(),
            seed: ProblemSeed::of(heading.identity, heading.ordinal),
            latest: latest.get(&heading.ordinal).copied().unwrap_or_default(),
        });
    }
    Ok(curriculum::draw(config, experiment.iteration, &candidates))
}

/// The verdicts on the latest samples of each problem before the current iteration, by ordinal.
async fn latest_verdicts(
    db: &mut PgConnection,
    experiment: &Experiment,
    problems: &[u32],
) -> Result<HashMap<u32, Tally>> {
    let mut latest: HashMap<u32, Tally> = HashMap::new();
    // Back from the last one: where evaluations sample, each has all of them.
    for earlier in (0..experiment.iteration).rev() {
        if problems.iter().all(|problem| latest.contains_key(problem)) {
            break;
        }
        for (problem, tally) in samples(db, experiment, earlier).await? {
            latest.entry(problem).or_insert(tally);
        }
    }
    Ok(latest)
}

/// The verdicts on an iteration's samples, by ordinal: the greedy completions say less of how
/// likely a model is to be right.
async fn samples(
    db: &mut PgConnection,
    experiment: &Experiment,
    iteration: u32,
) -> Result<HashMap<u32, Tally>> {
    let mut purposes = vec![Purpose::Train];
    // Else all of an evaluation is greedy.
    if experiment.config()?.evaluate.samples > 0 {
        purposes.push(Purpose::Eval);
    }
    let mut tallies: HashMap<u32, Tally> = HashMap::new();
    for purpose in purposes {
        for outcome in verdict::outcomes(db, experiment.id, iteration, purpose).await? {
            if !outcome.greedy {
                let tally = tallies.entry(outcome.problem).or_default();
                tally.passed += u32::from(outcome.verification.correct());
                tally.total += 1;
            }
        }
    }
    Ok(tallies)
}
