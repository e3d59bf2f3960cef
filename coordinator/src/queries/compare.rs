//! Two evaluations compared problem by problem, on the problems that both were asked.

use std::collections::HashMap;

use futures::TryStreamExt as _;
use groklab_domain::{
    Digest, ExperimentId, Split,
    experiment::{Experiment as Config, unlike},
    metrics::Comparison,
    records::{ComparisonReport, ComparisonSide, Outcomes},
};

use tokio::sync::Semaphore;

use super::{
    problems::problem_lines,
    whole::{readable_experiment, require_whole},
};
use crate::{
    error::{Error, Result},
    store::{Store, experiment, metric, verdict},
};

/// One evaluation, as a client names it.
#[derive(Debug, Clone)]
pub struct Evaluation {
    /// An id, a unique beginning of one, or a name.
    pub experiment: String,
    /// `None`: the last evaluated one.
    pub iteration: Option<u32>,
}

/// One side of the comparison.
struct Side {
    id: ExperimentId,
    name: String,
    iteration: u32,
    /// `None`: another version wrote it, and this one cannot read it.
    config: Option<Config>,
    outcomes: Outcomes,
}

/// Compares `after` with `before` on a split.
///
/// # Errors
/// An experiment that is not there, or an iteration that was not evaluated.
pub async fn compare_evaluations(
    store: &Store,
    before: &Evaluation,
    after: &Evaluation,
    split: Split,
) -> Result<ComparisonReport> {
    let before = side(store, before, split).await?;
    let after = side(store, after, split).await?;
    let after_outcomes = numbered_like(store, &before, &after, split).await?;
    require_whole(store, before.id).await?;
    require_whole(store, after.id).await?;
    // Renumbering has dropped from `after` what `before` was not asked; this drops the rest.
    let before_outcomes = before.outcomes.shared_with(&after_outcomes);
    Ok(ComparisonReport {
        split,
        before: before.report(),
        after: after.report(),
        unlike: unlike_settings(&before, &after),
        shared: before_outcomes.len() as u32,
        comparison: pair_up(before_outcomes, after_outcomes).await?,
    })
}

async fn side(store: &Store, evaluation: &Evaluation, split: Split) -> Result<Side> {
    let id = readable_experiment(store, &evaluation.experiment).await?;
    let mut db = store.connection().await?;
    let evaluated = metric::iterations(&mut db, id).await?;
    // Not the experiment's current iteration, whose evaluation may be under way.
    let wanted = evaluation.iteration.or(evaluated.last().copied());
    let Some(iteration) = wanted.filter(|iteration| evaluated.contains(iteration)) else {
        return Err(Error::Caller(format!(
            "evaluated are the iterations {evaluated:?}"
        )));
    };
    let stored = experiment::get(&mut db, id).await?;
    Ok(Side {
        id,
        config: stored.config().ok().cloned(),
        name: stored.name,
        iteration,
        outcomes: verdict::evaluation(&mut db, id, iteration, split).await?,
    })
}

/// By which settings the two sides measure differently; also that it cannot be told.
fn unlike_settings(before: &Side, after: &Side) -> Vec<String> {
    match (&before.config, &after.config) {
        (Some(before), Some(after)) => unlike(before, after),
        _ => vec!["settings that this version cannot read".to_owned()],
    }
}

/// What came out `after`, by the ordinals that `before` gives to the same problems: two experiments
/// may number one problem differently.
async fn numbered_like(
    store: &Store,
    before: &Side,
    after: &Side,
    split: Split,
) -> Result<Outcomes> {
    if before.id == after.id {
        return Ok(after.outcomes.clone());
    }
    // One split is enough: its problems are all that either side has outcomes of.
    let mut ordinals = HashMap::new();
    for (ordinal, identity) in identities(store, before.id, split).await? {
        ordinals.insert(identity, ordinal);
    }
    let identities: HashMap<u32, Digest> = identities(store, after.id, split).await?;
    let same_problem = |ordinal| ordinals.get(identities.get(&ordinal)?).copied();
    Ok(after.outcomes.renumbered(same_problem))
}

async fn identities(store: &Store, id: ExperimentId, split: Split) -> Result<HashMap<u32, Digest>> {
    let mut identities = HashMap::new();
    let mut problems = std::pin::pin!(problem_lines(store.clone(), id, Some(split)));
    while let Some(line) = problems.try_next().await? {
        identities.insert(line.problem, line.identity());
    }
    Ok(identities)
}

/// Comparisons that are computed at the same time; others wait for their turn.
const COMPUTED_AT_ONCE: usize = 1;
static COMPUTING: Semaphore = Semaphore::const_new(COMPUTED_AT_ONCE);

/// The exact test takes a while on many problems, so it does not hold up other answers.
async fn pair_up(before: Outcomes, after: Outcomes) -> Result<Option<Comparison>> {
    let permit = COMPUTING.acquire().await.expect("it is never closed");
    tokio::task::spawn_blocking(move || {
        // Held until the end also where nobody waits for the answer any more.
        let _permit = permit;
        before.against(&after)
    })
    .await
    .map_err(|error| Error::internal("compare two evaluations", error))
}

impl Side {
    fn report(&self) -> ComparisonSide {
        ComparisonSide {
            experiment: self.name.clone(),
            iteration: self.iteration,
            problems: self.outcomes.len() as u32,
        }
    }
}
