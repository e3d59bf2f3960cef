//! Experiments: their configuration, state and place in the loop.

use std::collections::HashMap;

use groklab_domain::{
    Commit, Digest, ExperimentId, ExperimentState, JobId, PythonVersion, experiment,
    records::Parent,
};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{optional_word, word};
use crate::error::{Error, Result};

/// One experiment as it is stored.
#[derive(Debug, Clone)]
pub struct Experiment {
    pub id: ExperimentId,
    pub name: String,
    /// As it was submitted.
    pub config_json: String,
    /// What it says, with the commit as the model's revision once that is fixed; or why this
    /// version cannot read it.
    config: Result<experiment::Experiment, String>,
    pub state: ExperimentState,
    pub reason: String,
    pub iteration: u32,
    /// The configured number of iterations, or fewer once it has been decided to stop.
    pub last_iteration: u32,
    /// Of the base model's weights; fixed by the first result.
    pub base_digest: Option<Digest>,
    /// Of a model on the hub; fixed by the first result.
    pub base_commit: Option<Commit>,
    /// Of the interpreter that judges; fixed by the first verdict.
    pub python: Option<PythonVersion>,
    /// In order of the alphabet.
    pub tags: Vec<String>,
    /// What it was forked from.
    pub parent: Option<Parent>,
    pub created_unix_ms: i64,
    pub updated_unix_ms: i64,
}

impl Experiment {
    /// The configuration.
    ///
    /// # Errors
    /// Another version accepted what this one cannot read.
    pub fn config(&self) -> Result<&experiment::Experiment> {
        let unread = |reason| {
            Error::broken(format!(
                "its configuration cannot be read by this version of the coordinator ({reason})"
            ))
        };
        self.config.as_ref().map_err(unread)
    }
}

struct Row {
    experiment_id: Uuid,
    name: String,
    config: String,
    state: String,
    reason: String,
    iteration: i32,
    last_iteration: i32,
    base_digest: Option<String>,
    base_commit: Option<String>,
    python: Option<String>,
    tags: Vec<String>,
    parent_id: Option<Uuid>,
    parent_iteration: Option<i32>,
    parent_adapter_id: Option<String>,
    created_unix_ms: i64,
    updated_unix_ms: i64,
}

impl TryFrom<Row> for Experiment {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        let base_commit: Option<Commit> = optional_word(row.base_commit.as_deref())?;
        Ok(Self {
            id: ExperimentId(row.experiment_id),
            name: row.name,
            config: read_config(&row.config, base_commit),
            config_json: row.config,
            state: word(&row.state)?,
            reason: row.reason,
            iteration: row.iteration.cast_unsigned(),
            last_iteration: row.last_iteration.cast_unsigned(),
            base_digest: optional_word(row.base_digest.as_deref())?,
            base_commit,
            python: optional_word(row.python.as_deref())?,
            tags: row.tags,
            parent: match row.parent_id.zip(row.parent_iteration) {
                None => None,
                Some((id, iteration)) => Some(Parent {
                    experiment_id: ExperimentId(id),
                    iteration: iteration.cast_unsigned(),
                    adapter: optional_word(row.parent_adapter_id.as_deref())?,
                }),
            },
            created_unix_ms: row.created_unix_ms,
            updated_unix_ms: row.updated_unix_ms,
        })
    }
}

/// What a configuration says. One place puts the commit into it, for whoever makes jobs of it or
/// exports it.
fn read_config(json: &str, base_commit: Option<Commit>) -> Result<experiment::Experiment, String> {
    // Kept as an error rather than returned: one configuration that cannot be read must not hide
    // the others from a list, nor keep this one from being cancelled.
    let mut config: experiment::Experiment =
        serde_json::from_str(json).map_err(|error| error.to_string())?;
    if let Some(commit) = base_commit {
        config.model.revision = Some(commit.to_string());
    }
    Ok(config)
}

/// An experiment to store.
#[derive(Debug)]
pub struct NewExperiment<'a> {
    pub id: ExperimentId,
    pub key: &'a str,
    pub config: &'a experiment::Experiment,
    /// The same as it is kept.
    pub config_json: &'a str,
    /// Of a fork: what it was made from, and the digest of the parent's base model.
    pub parent: Option<Parent>,
    pub base_digest: Option<Digest>,
}

/// Stores a queued experiment; false where one with this key is there already.
pub async fn insert(db: &mut PgConnection, new: &NewExperiment<'_>) -> Result<bool> {
    let parent = new.parent;
    let done = sqlx::query!(
        "insert into experiment (experiment_id, idempotency_key, name, config, state, \
            last_iteration, parent_id, parent_iteration, parent_adapter_id, base_digest)
         values ($1, $2, $3, $4, 'queued', $5, $6, $7, $8, $9)
         on conflict (idempotency_key) do nothing",
        new.id.0,
        new.key,
        new.config.name,
        new.config_json,
        new.config.iterations.cast_signed(),
        parent.map(|parent| parent.experiment_id.0),
        parent.map(|parent| parent.iteration.cast_signed()),
        parent
            .and_then(|parent| parent.adapter)
            .map(|id| id.to_string()),
        new.base_digest.map(|digest| digest.to_string())
    )
    .execute(db)
    .await?;
    // Postgres waits for a submission of the same key that is under way: no row means that it has
    // been committed.
    Ok(done.rows_affected() == 1)
}

pub async fn id_by_key(db: &mut PgConnection, key: &str) -> Result<Option<ExperimentId>> {
    let id = sqlx::query_scalar!(
        "select experiment_id from experiment where idempotency_key = $1",
        key
    )
    .fetch_optional(db)
    .await?;
    Ok(id.map(ExperimentId))
}

/// The query for all experiments that meet a condition.
macro_rules! rows {
    ($condition:literal, $($argument:expr),+) => {
        sqlx::query_as!(
            Row,
            r#"select experiment_id, name, config, state, reason, iteration, last_iteration,
                      base_digest, base_commit, python, tags, parent_id, parent_iteration,
                      parent_adapter_id,
                      (extract(epoch from created_at) * 1000)::bigint as "created_unix_ms!",
                      (extract(epoch from updated_at) * 1000)::bigint as "updated_unix_ms!"
               from experiment where "#
                + $condition,
            $($argument),+
        )
    };
}

pub async fn get(db: &mut PgConnection, id: ExperimentId) -> Result<Experiment> {
    get_many(db, &[id])
        .await?
        .remove(&id)
        .ok_or_else(|| Error::missing("experiment", id))
}

/// The experiments that these jobs belong to, read without locking anything: who changes jobs locks
/// their experiments' rows first.
pub async fn of_jobs(
    db: &mut PgConnection,
    jobs: &[JobId],
) -> Result<HashMap<ExperimentId, Experiment>> {
    let ids: Vec<Uuid> = jobs.iter().map(|job| job.0).collect();
    by_id(
        rows!(
            "experiment_id = any(array(select distinct experiment_id from job where job_id = \
        any($1)))",
            &ids
        )
        .fetch_all(db)
        .await?,
    )
}

fn by_id(rows: Vec<Row>) -> Result<HashMap<ExperimentId, Experiment>> {
    rows.into_iter()
        .map(|row| Experiment::try_from(row).map(|experiment| (experiment.id, experiment)))
        .collect()
}

/// These experiments by their ids, without those that do not exist.
pub async fn get_many(
    db: &mut PgConnection,
    ids: &[ExperimentId],
) -> Result<HashMap<ExperimentId, Experiment>> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    by_id(rows!("experiment_id = any($1)", &ids).fetch_all(db).await?)
}

/// The experiment's row, held until the transaction ends; None while another coordinator holds it.
/// New rows that refer to it are not held up.
pub async fn lock(db: &mut PgConnection, id: ExperimentId) -> Result<Option<Experiment>> {
    let held = sqlx::query_scalar!(
        // `no key`: inserting a row that refers to the experiment takes a lock on its key, and
        // would wait behind a full one.
        "select 1 from experiment where experiment_id = $1 for no key update skip locked",
        id.0
    )
    .fetch_optional(&mut *db)
    .await?;
    match held {
        Some(_) => get(db, id).await.map(Some),
        None => Ok(None),
    }
}

/// Like [`lock`], but waits for its turn.
pub async fn lock_wait(db: &mut PgConnection, id: ExperimentId) -> Result<Experiment> {
    sqlx::query_scalar!(
        "select 1 from experiment where experiment_id = $1 for no key update",
        id.0
    )
    .fetch_optional(&mut *db)
    .await?;
    get(db, id).await
}

/// Newest first, those that have all of these tags; `state` empty means all.
pub async fn list(
    db: &mut PgConnection,
    state: Option<ExperimentState>,
    tags: &[String],
) -> Result<Vec<Experiment>> {
    let state = state.map(ExperimentState::as_str);
    let rows = rows!(
        "($1::text is null or state = $1) and tags @> $2
         order by created_at desc, experiment_id desc limit 1000",
        state,
        tags
    );
    let rows = rows.fetch_all(db).await?;
    rows.into_iter().map(TryInto::try_into).collect()
}

/// Finds an experiment by name (the newest of that name that is not being deleted), by id, or by
/// unique prefix of an id. A name comes first, for ids begin with digits that names may be made of.
pub async fn resolve(db: &mut PgConnection, text: &str) -> Result<ExperimentId> {
    if text.contains('\0') {
        return Err(Error::Caller(
            "the experiment's name or id holds NUL".to_owned(),
        ));
    }
    let named = sqlx::query_scalar!(
        "select experiment_id from experiment where name = $1
         order by state = 'deleting', created_at desc limit 1",
        text
    )
    .fetch_optional(&mut *db)
    .await?;
    if let Some(id) = named {
        return Ok(ExperimentId(id));
    }
    let looks_like_id = !text.is_empty() && text.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
    if !looks_like_id {
        return Err(Error::missing("experiment", text));
    }
    // Digits and hyphens alone, so the text holds no wildcard of `like`.
    let pattern = format!("{}%", text.to_ascii_lowercase());
    let ids = sqlx::query_scalar!(
        // Two are enough to know that it is not the only one.
        "select experiment_id from experiment where experiment_id::text like $1 limit 2",
        pattern
    )
    .fetch_all(db)
    .await?;
    match ids[..] {
        [] => Err(Error::missing("experiment", text)),
        [id] => Ok(ExperimentId(id)),
        _ => Err(Error::Caller(format!(
            "`{text}` is the beginning of more than one experiment's id: write more of it"
        ))),
    }
}

/// Experiments that the loop has to look at, oldest first.
pub async fn unfinished(db: &mut PgConnection) -> Result<Vec<ExperimentId>> {
    let ids = sqlx::query_scalar!(
        // Not the paused ones: nothing is decided on them until they are resumed.
        "select experiment_id from experiment where state in ('queued', \
        'running') order by created_at"
    )
    .fetch_all(db)
    .await?;
    Ok(ids.into_iter().map(ExperimentId).collect())
}

/// Sets the state where the state machine has the step; the caller holds the row. `Conflict` where
/// it has not.
pub async fn set_state(
    db: &mut PgConnection,
    experiment: &Experiment,
    next: ExperimentState,
    reason: &str,
) -> Result<()> {
    if !experiment.state.may_become(next) {
        return Err(Error::Conflict(format!(
            "experiment {} is {}: it cannot become {next}",
            experiment.id, experiment.state
        )));
    }
    sqlx::query!(
        "update experiment set state = $2, reason = $3, updated_at = now() where experiment_id = \
            $1",
        experiment.id.0,
        next.as_str(),
        reason
    )
    .execute(db)
    .await?;
    tracing::info!(
        experiment.id = %experiment.id, from = %experiment.state, to = %next, reason,
        "experiment changed state"
    );
    Ok(())
}

pub async fn set_iteration(db: &mut PgConnection, id: ExperimentId, iteration: u32) -> Result<()> {
    sqlx::query!(
        "update experiment set iteration = $2, updated_at = now() where experiment_id = $1",
        id.0,
        iteration.cast_signed()
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Decides that `iteration` is the last one.
pub async fn set_last_iteration(
    db: &mut PgConnection,
    id: ExperimentId,
    iteration: u32,
    reason: &str,
) -> Result<()> {
    sqlx::query!(
        "update experiment set last_iteration = $2, reason = $3, updated_at = now() where \
            experiment_id = $1",
        id.0,
        iteration.cast_signed(),
        reason
    )
    .execute(db)
    .await?;
    Ok(())
}

/// These experiments' rows, held until the transaction ends, locked in the order of their ids.
pub async fn lock_all(
    db: &mut PgConnection,
    ids: &[ExperimentId],
) -> Result<HashMap<ExperimentId, Experiment>> {
    let uuids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    sqlx::query_scalar!(
        // In one order everywhere, or two transactions could each wait for a row that the other
        // holds.
        "select 1 from experiment where experiment_id = any($1) order by \
        experiment_id for no key update",
        &uuids
    )
    .fetch_all(&mut *db)
    .await?;
    get_many(db, ids).await
}

/// Fixes the digest of the base model's weights, and its commit if it has one. The caller holds the
/// row and has seen that they are not fixed.
pub async fn fix_base(
    db: &mut PgConnection,
    id: ExperimentId,
    digest: Digest,
    commit: Option<Commit>,
) -> Result<()> {
    sqlx::query!(
        "update experiment set base_digest = $2, base_commit = $3
         where experiment_id = $1 and base_digest is null",
        id.0,
        digest.to_string(),
        commit.map(|commit| commit.to_string())
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Fixes the version of Python that judges. The caller holds the row and has seen that it is not
/// fixed.
pub async fn fix_python(
    db: &mut PgConnection,
    id: ExperimentId,
    python: PythonVersion,
) -> Result<()> {
    sqlx::query!(
        "update experiment set python = $2 where experiment_id = $1 and python is null",
        id.0,
        python.to_string()
    )
    .execute(db)
    .await?;
    Ok(())
}

/// The unfinished experiments that are judged by another version of Python, and by which.
pub async fn of_other_python(
    db: &mut PgConnection,
    python: PythonVersion,
) -> Result<Vec<(ExperimentId, PythonVersion)>> {
    let rows = sqlx::query!(
        r#"select experiment_id, python as "python!" from experiment
           where state in ('queued', 'running', 'paused') and python <> $1
           order by experiment_id"#,
        python.to_string()
    )
    .fetch_all(db)
    .await?;
    let mut experiments = Vec::with_capacity(rows.len());
    for row in rows {
        experiments.push((ExperimentId(row.experiment_id), word(&row.python)?));
    }
    Ok(experiments)
}
