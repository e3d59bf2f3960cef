//! How much work there is and who is there to do it, as counts. For operators and autoscalers, not
//! for the scheduler.

use std::{collections::BTreeMap, time::Duration};

use groklab_domain::{ExperimentState, JobKind};
use sqlx::{PgConnection, postgres::types::PgInterval};

use super::word;
use crate::error::{Error, Result};

/// Open jobs of one kind.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct OpenJobs {
    /// A worker may have them now.
    pub ready: u64,
    /// A worker has them.
    pub leased: u64,
    /// Held back: their experiment is paused, or they rest after a failure.
    pub waiting: u64,
    pub oldest_ready_seconds: f64,
}

/// Workers that have not left, by their kind and `idle`, `busy` or `gone`.
pub type Workers = BTreeMap<(JobKind, String), u64>;

/// Whether the database answers at all.
pub async fn ping(db: &mut PgConnection) -> Result<()> {
    sqlx::query_scalar!(r#"select 1 as "one!""#)
        .fetch_one(db)
        .await?;
    Ok(())
}

/// Open jobs by kind; every kind is there.
pub async fn jobs(db: &mut PgConnection) -> Result<BTreeMap<JobKind, OpenJobs>> {
    let mut open = BTreeMap::new();
    for &kind in JobKind::ALL {
        // 0 rather than absent: an autoscaler looks for the kind by its name.
        open.insert(kind, OpenJobs::default());
    }
    let rows = sqlx::query_file!("src/store/sql/queue/jobs.sql")
        .fetch_all(db)
        .await?;
    for row in rows {
        let jobs = OpenJobs {
            ready: row.ready.cast_unsigned(),
            leased: row.leased.cast_unsigned(),
            waiting: row.waiting.cast_unsigned(),
            oldest_ready_seconds: row.oldest_ready_seconds,
        };
        open.insert(word(&row.kind)?, jobs);
    }
    Ok(open)
}

/// Experiments by state; every state is there.
pub async fn experiments(db: &mut PgConnection) -> Result<BTreeMap<ExperimentState, u64>> {
    let mut counts = BTreeMap::new();
    for &state in ExperimentState::ALL {
        // 0 rather than absent: alerts compare it.
        counts.insert(state, 0);
    }
    let rows = sqlx::query!(r#"select state, count(*) as "count!" from experiment group by state"#)
        .fetch_all(db)
        .await?;
    for row in rows {
        counts.insert(word(&row.state)?, row.count.cast_unsigned());
    }
    Ok(counts)
}

/// Workers heard of within a day that have not left. One that was silent for `silence` is gone.
pub async fn workers(db: &mut PgConnection, silence: Duration) -> Result<Workers> {
    let silence = PgInterval::try_from(silence).map_err(|error| Error::Internal {
        what: "lease length".to_owned(),
        source: Some(error),
    })?;
    let rows = sqlx::query_file!("src/store/sql/queue/workers.sql", silence)
        .fetch_all(db)
        .await?;
    let mut counts = Workers::new();
    for row in rows {
        counts.insert((word(&row.kind)?, row.state), row.count.cast_unsigned());
    }
    Ok(counts)
}
