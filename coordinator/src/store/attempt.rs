//! Attempts: one row per claim of a job, with how it ended.

use groklab_domain::{AttemptOutcome, Fence, JobId};
use sqlx::PgConnection;

use crate::error::Result;

/// Records how the attempt with this fence ended.
pub async fn end(
    db: &mut PgConnection,
    job: JobId,
    fence: Fence,
    outcome: AttemptOutcome,
    reason: &str,
) -> Result<()> {
    sqlx::query!(
        "update attempt set outcome = $3, reason = $4, ended_at = now() where job_id = $1 and \
            fence = $2",
        job.0,
        fence.0,
        outcome.as_str(),
        reason.replace('\0', "\\0")
    )
    .execute(db)
    .await?;
    Ok(())
}
