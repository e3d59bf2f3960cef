//! A stored experiment as a source of records, for whatever draws them beside a coordinator.

use futures::{Stream, TryStreamExt as _};
use groklab_domain::{
    ExperimentId, Split,
    experiment::Experiment,
    metrics::{IterationLine, MetricsLine},
    records::{ExperimentSource, JsonLine, Outcomes, ProblemLine, RolloutFilter, RolloutLine},
};
use serde::de::DeserializeOwned;
use sqlx::postgres::PgConnectOptions;

use super::{
    experiments::resolve_experiment, metrics_page::as_json_lines, problems::problem_lines,
    rollouts::rollout_lines,
};
use crate::{
    error::{Error, Result},
    store::{Store, experiment, iteration, metric, verdict},
};

/// One experiment in Postgres.
#[derive(Debug, Clone)]
pub struct StoredExperiment {
    store: Store,
    id: ExperimentId,
}

impl StoredExperiment {
    /// Finds an experiment by an id, a unique beginning of one, or a name.
    pub async fn open(options: PgConnectOptions, name: &str) -> Result<Self> {
        let store = Store::open(options).await?;
        let id = resolve_experiment(&store, name).await?;
        Ok(Self { store, id })
    }

    pub async fn close(&self) {
        self.store.close().await;
    }
}

impl ExperimentSource for StoredExperiment {
    type Error = Error;

    async fn config(&self) -> Result<Experiment> {
        let mut db = self.store.connection().await?;
        let stored = experiment::get(&mut db, self.id).await?;
        stored.config().cloned()
    }

    async fn metrics(&self) -> Result<Vec<MetricsLine>> {
        let mut db = self.store.connection().await?;
        read_all(as_json_lines(
            metric::lines(&mut db, self.id, 0, None).await?,
        ))
    }

    async fn iterations(&self) -> Result<Vec<IterationLine>> {
        let mut db = self.store.connection().await?;
        read_all(as_json_lines(
            iteration::lines(&mut db, self.id, 0, None).await?,
        ))
    }

    async fn problems(
        &self,
        split: Split,
        visit: &mut (dyn FnMut(ProblemLine) + Send),
    ) -> Result<()> {
        visit_all(
            problem_lines(self.store.clone(), self.id, Some(split)),
            visit,
        )
        .await
    }

    async fn rollouts(
        &self,
        filter: &RolloutFilter,
        visit: &mut (dyn FnMut(RolloutLine) + Send),
    ) -> Result<()> {
        visit_all(
            rollout_lines(self.store.clone(), self.id, filter.clone()),
            visit,
        )
        .await
    }

    /// Without the texts, which are most of what a rollout is.
    async fn outcomes(&self, iteration: u32, split: Split) -> Result<Outcomes> {
        let mut db = self.store.connection().await?;
        verdict::evaluation(&mut db, self.id, iteration, split).await
    }
}

fn read_all<T: DeserializeOwned>(lines: Vec<JsonLine<T>>) -> Result<Vec<T>> {
    let mut records = Vec::with_capacity(lines.len());
    for line in lines {
        let record = line.read();
        records.push(record.map_err(|error| Error::internal("read a stored line", error))?);
    }
    Ok(records)
}

async fn visit_all<T>(
    records: impl Stream<Item = Result<T>> + Send,
    visit: &mut (dyn FnMut(T) + Send),
) -> Result<()> {
    // Visited as they come: a page is all that is held.
    let mut records = std::pin::pin!(records);
    while let Some(record) = records.try_next().await? {
        visit(record);
    }
    Ok(())
}
