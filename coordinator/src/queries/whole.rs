//! That an answer is whole: nothing is read of an experiment that is being deleted, and an answer
//! during which that began ends in an error instead of short.

use futures::{Stream, StreamExt as _, TryStreamExt as _, stream};
use groklab_domain::{ExperimentId, ExperimentState};

use super::experiments::resolve_experiment;
use crate::{
    error::{Error, Result},
    store::{Store, experiment},
};

/// The experiment that a client means, whose rows are all there.
pub async fn readable_experiment(store: &Store, name: &str) -> Result<ExperimentId> {
    let id = resolve_experiment(store, name).await?;
    require_whole(store, id).await?;
    Ok(id)
}

/// Asked after reading: rows go only once the state says so.
pub async fn require_whole(store: &Store, id: ExperimentId) -> Result<()> {
    let mut db = store.connection().await?;
    let stored = experiment::get(&mut db, id).await?;
    if stored.state == ExperimentState::Deleting {
        return Err(Error::Conflict(format!("experiment {id} is being deleted")));
    }
    Ok(())
}

/// The records, and at their end an error if some of them may be missing.
pub fn whole<T: Send + 'static>(
    store: Store,
    id: ExperimentId,
    records: impl Stream<Item = Result<T>> + Send + 'static,
) -> impl Stream<Item = Result<T>> + Send + 'static {
    let end = stream::once(async move { require_whole(&store, id).await });
    records.chain(end.map_ok(|()| stream::empty::<Result<T>>()).try_flatten())
}
