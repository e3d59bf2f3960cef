//! Forks: a new experiment that starts from an iteration's adapter, with its parent's problems,
//! seed and model.

use futures::TryStreamExt as _;
use groklab_domain::{
    Digest, ExperimentId, ExperimentState,
    experiment::{
        AdapterShape, Experiment as Config, History, Invalid, changed_from_adapter,
        changed_in_fork, trains_on,
    },
    job::check_message_size,
    records::{Event, Parent},
};
use sqlx::PgConnection;

use crate::{
    error::{Error, Result},
    labels::{kept, require_free},
    service::Service,
    store::{
        adapter::{self, Adapter},
        event,
        experiment::{self, Experiment, NewExperiment},
        problem_copy,
    },
    submission::{advise_aside, check_key, stored_units, written},
};

/// More than any has; a worker may have stored anything under its name.
const MAX_ADAPTER_CONFIG_BYTES: usize = 1 << 20;

/// What a client asks for.
#[derive(Debug)]
pub struct ForkRequest {
    pub key: String,
    /// The parent's id, a unique beginning of it, or its name.
    pub parent: String,
    /// None: the newest whose adapter is kept.
    pub iteration: Option<u32>,
    pub config_json: String,
}

/// Where a fork starts.
#[derive(Debug, Clone, Copy)]
struct Origin {
    parent: ExperimentId,
    iteration: u32,
    /// None: the untrained model.
    adapter: Option<Adapter>,
}

impl Service {
    /// Stores a fork, once per key. Returns its id and what looks unintended in it.
    pub async fn fork_experiment(
        &self,
        asked: &ForkRequest,
    ) -> Result<(ExperimentId, Vec<String>)> {
        check_key(&asked.key)?;
        let mut config = self.checked_config(&asked.config_json)?;
        let mut db = self.store.connection().await?;
        let id = experiment::resolve(&mut db, &asked.parent).await?;
        let parent = experiment::get(&mut db, id).await?;
        if config.problems.versions.is_empty() {
            // Its problems are copies, so they are of the versions that made the parent's.
            config.problems.versions = parent.config()?.problems.versions.clone();
        }
        let origin = origin(&mut db, &parent, asked.iteration).await?;
        let units = stored_units(&mut db, parent.id).await?;
        let mut warnings = advise_aside(config.clone(), units).await?;
        warnings.extend(fork_warnings(&config, &origin));
        if let Some(id) = experiment::id_by_key(&mut db, &asked.key).await? {
            return Ok((id, warnings));
        }
        refuse(&changed_in_fork(parent.config()?, &config))?;
        let sizes = problem_copy::sizes(&mut db, parent.id).await?;
        // The store of artifacts may be slow, and no connection waits for it.
        drop(db);
        check_message_size(&config, &sizes).map_err(|error| Error::Caller(error.to_string()))?;
        self.check_shape(&config, &origin).await?;
        let id = self.store_fork(&asked.key, &config, origin).await?;
        self.nudge.all();
        Ok((id, warnings))
    }

    /// Refuses another shape than that of the adapter which is trained on.
    async fn check_shape(&self, config: &Config, origin: &Origin) -> Result<()> {
        let Some(adapter) = origin.adapter.filter(|_| trains_on(config)) else {
            return Ok(());
        };
        let digest = adapter.adapter.config;
        let mut pieces = self.blobs.pieces(digest).await?;
        let mut text = Vec::new();
        while let Some(piece) = pieces.try_next().await? {
            text.extend_from_slice(&piece);
            if text.len() > MAX_ADAPTER_CONFIG_BYTES {
                return Err(Error::broken(format!(
                    "artifact {digest} is no adapter_config"
                )));
            }
        }
        let shape: AdapterShape = serde_json::from_slice(&text)
            .map_err(|error| Error::internal(format!("read adapter_config {digest}"), error))?;
        refuse(&changed_from_adapter(&shape, config))
    }

    async fn store_fork(&self, key: &str, config: &Config, from: Origin) -> Result<ExperimentId> {
        let id = ExperimentId::new();
        let mut tx = self.store.begin().await?;
        // While its row is held nothing of it is let go or deleted.
        let parent = kept(&mut tx, &from.parent.to_string()).await?;
        let from = origin(&mut tx, &parent, Some(from.iteration)).await?;
        let new = NewExperiment {
            id,
            key,
            config,
            config_json: &written(config)?,
            parent: Some(Parent {
                experiment_id: parent.id,
                iteration: from.iteration,
                adapter: from.adapter.map(|adapter| adapter.adapter.id),
            }),
            base_digest: parent.base_digest,
        };
        if !experiment::insert(&mut tx, &new).await? {
            tx.rollback().await?;
            return self.stored_under(key).await;
        }
        // After its key: the same fork that comes twice finds itself and not its own name.
        require_free(&mut tx, &config.name, id).await?;
        if let Some(adapter) = from.adapter {
            let first = Adapter {
                iteration: 0,
                optimiser: adapter.optimiser.filter(|_| trains_on(config)),
                trained: false,
                ..adapter
            };
            adapter::insert(&mut tx, id, &first).await?;
        }
        let problems = problem_copy::copy(&mut tx, parent.id, id).await?;
        let forked = Event::Forked {
            parent: parent.id,
            name: parent.name,
            iteration: from.iteration,
            problems,
        };
        event::insert(&mut tx, id, &forked).await?;
        tx.commit().await?;
        tracing::info!(
            experiment.id = %id, name = config.name, parent.id = %parent.id,
            iteration = from.iteration, "experiment forked"
        );
        Ok(id)
    }
}

/// The iteration to start from, with its adapter.
async fn origin(
    db: &mut PgConnection,
    parent: &Experiment,
    iteration: Option<u32>,
) -> Result<Origin> {
    let parent_id = parent.id;
    if parent.state == ExperimentState::Deleting {
        return Err(Error::Conflict(format!(
            "experiment {parent_id} is being deleted"
        )));
    }
    let kept = adapter::list(db, parent_id).await?;
    let newest = kept.last().map_or(0, |adapter| adapter.iteration);
    let iteration = iteration.unwrap_or(newest);
    let adapter = kept.iter().find(|adapter| adapter.iteration == iteration);
    // A fork's own iteration 0 has an adapter, whose files may be no longer kept.
    let untrained = iteration == 0 && parent.parent.is_none_or(|from| from.adapter.is_none());
    if adapter.is_none() && !untrained {
        let numbers: Vec<u32> = kept.iter().map(|adapter| adapter.iteration).collect();
        return Err(Error::Caller(format!(
            "iteration {iteration} of experiment {parent_id} has no adapter that is kept; kept \
             are those of {numbers:?}"
        )));
    }
    Ok(Origin {
        parent: parent_id,
        iteration,
        adapter: adapter.copied(),
    })
}

fn refuse(invalid: &[Invalid]) -> Result<()> {
    if invalid.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = invalid.iter().map(ToString::to_string).collect();
    Err(Error::Caller(lines.join("\n")))
}

fn fork_warnings(config: &Config, from: &Origin) -> Vec<String> {
    let mut found = Vec::new();
    let trains = config.train.method.method().trains();
    let optimiser: Option<Digest> = from.adapter.and_then(|adapter| adapter.optimiser);
    if let Some(adapter) = from.adapter.filter(|_| trains) {
        if !trains_on(config) {
            found.push(format!(
                "`train.start` = \"restart\": adapter {} writes the first rollouts, and every \
                 iteration trains an adapter of its own from the base; \"continue\" trains on",
                adapter.adapter.id
            ));
        } else if optimiser.is_none() {
            found.push(format!(
                "no optimiser's state is kept with the adapter of iteration {}: training goes on \
                 from it with a fresh one",
                from.iteration
            ));
        }
    }
    if trains && config.train.history == History::All {
        found.push(
            "`train.history` = \"all\": the fork's own iterations; its parent's rollouts are not \
             trained on"
                .to_owned(),
        );
    }
    found
}
