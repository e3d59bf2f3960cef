//! Taking a new experiment: checked again here, its problems made, all stored in one transaction.

use groklab_domain::{
    ExperimentId,
    experiment::{Experiment, advise, is_template, require_in_model_folder},
    grokking::UnitCounts,
    metrics::count_units,
    records::Event,
    text::shortened,
};
use groklab_problems::Plan;
use sqlx::PgConnection;
use tokio::sync::Semaphore;

use crate::{
    error::{Error, Result},
    problems::{self, Making},
    service::Service,
    store::{
        event,
        experiment::{self, NewExperiment},
        problem,
    },
};

/// Experiments that are stored at the same time; others wait for their turn, without a connection.
/// Each holds one, and some pages of problems, for as long as its problems are made.
const STORED_AT_ONCE: usize = 4;
static STORING: Semaphore = Semaphore::const_new(STORED_AT_ONCE);
const MAX_KEY_BYTES: usize = 256;

impl Service {
    /// Stores an experiment and its problems, once per key. Returns its id and what its file cannot
    /// show.
    pub async fn submit_experiment(
        &self,
        key: &str,
        config_json: &str,
    ) -> Result<(ExperimentId, Vec<String>)> {
        check_key(key)?;
        let mut config = self.checked_config(config_json)?;
        problems::record_versions(&mut config)?;
        let mut db = self.store.connection().await?;
        // Looked for early, because making the problems may take long; `store_experiment` decides.
        if let Some(id) = experiment::id_by_key(&mut db, key).await? {
            let units = stored_units(&mut db, id).await?;
            return Ok((id, advise_aside(config, units).await?));
        }
        // No connection is held while this is computed.
        drop(db);
        let plan = problems::plan(config.clone()).await?;
        let warnings = advise_aside(config.clone(), plan.units()).await?;
        let id = self.store_experiment(key, config, plan).await?;
        self.nudge.all();
        Ok((id, warnings))
    }

    /// Reads a configuration and refuses what may not run here.
    pub fn checked_config(&self, config_json: &str) -> Result<Experiment> {
        let config = parse(config_json)?;
        if let Some(folder) = &self.model_folder {
            require_in_model_folder(&config.model.source, folder).map_err(Error::Caller)?;
        }
        Ok(config)
    }

    async fn store_experiment(
        &self,
        key: &str,
        config: Experiment,
        plan: Plan,
    ) -> Result<ExperimentId> {
        let _permit = STORING.acquire().await.expect("it is never closed");
        let id = ExperimentId::new();
        let mut tx = self.store.begin().await?;
        let new = NewExperiment {
            id,
            key,
            config: &config,
            config_json: &written(&config)?,
            parent: None,
            base_digest: None,
        };
        // First, so that of two submissions with one key the second waits here and does nothing
        // twice.
        if !experiment::insert(&mut tx, &new).await? {
            // The same submission came twice at the same time, and the other one has won.
            tx.rollback().await?;
            return self.stored_under(key).await;
        }
        let name = config.name.clone();
        let (mut making, mut problems) = (Making::start(config, plan), 0);
        while let Some(page) = making.next().await? {
            problem::insert(&mut tx, id, &page.problems).await?;
            problem::insert_cases(&mut tx, id, &page.cases).await?;
            problems += page.problems.len() as u64;
        }
        event::insert(&mut tx, id, &Event::Submitted { problems }).await?;
        tx.commit().await?;
        tracing::info!(experiment.id = %id, name, problems, "experiment submitted");
        Ok(id)
    }

    /// The experiment whose key was refused as repeated.
    pub async fn stored_under(&self, key: &str) -> Result<ExperimentId> {
        let mut db = self.store.connection().await?;
        experiment::id_by_key(&mut db, key).await?.ok_or_else(|| {
            Error::broken("an idempotency key was refused as repeated and is not stored")
        })
    }
}

pub fn check_key(key: &str) -> Result<()> {
    if key.is_empty() || key.len() > MAX_KEY_BYTES || key.contains('\0') {
        return Err(Error::Caller(format!(
            "field `idempotency_key`: 1 to {MAX_KEY_BYTES} bytes, none of them NUL"
        )));
    }
    Ok(())
}

/// As it was understood and not as it was sent: with the defaults of today, which a later version
/// may change.
pub fn written(config: &Experiment) -> Result<String> {
    serde_json::to_string(config).map_err(|error| Error::internal("write the configuration", error))
}

fn parse(json: &str) -> Result<Experiment> {
    let config: Experiment = serde_json::from_str(json)
        .map_err(|error| Error::Caller(format!("field `config_json`: {error}")))?;
    // Checked again: not every client is grokctl.
    let invalid: Vec<String> = config.check().iter().map(ToString::to_string).collect();
    if let Some(path) = config
        .model
        .chat
        .template
        .as_deref()
        // A path that slipped through would be rendered itself, as a template that writes nothing
        // of a message.
        .filter(|template| !is_template(template))
    {
        return Err(Error::Caller(format!(
            "`model.chat.template` = \"{}\": give the template's text; grokctl reads the file",
            shortened(path, 80)
        )));
    }
    if invalid.is_empty() {
        Ok(config)
    } else {
        Err(Error::Caller(invalid.join("\n")))
    }
}

/// What the file cannot show; the simulation in it takes a moment, on a thread of its own.
pub async fn advise_aside(config: Experiment, units: UnitCounts) -> Result<Vec<String>> {
    let advised = tokio::task::spawn_blocking(move || advise(&config, units)).await;
    advised.map_err(|error| Error::internal("advise on an experiment", error))
}

pub async fn stored_units(db: &mut PgConnection, id: ExperimentId) -> Result<UnitCounts> {
    let headings = problem::headings(db, id).await?;
    Ok(count_units(headings.iter().map(problem::Heading::as_ref)))
}
