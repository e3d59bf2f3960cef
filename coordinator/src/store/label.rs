//! What people call experiments and write on them.

use groklab_domain::ExperimentId;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::error::Result;

/// Another experiment of this name, unless it is being deleted. Of two transactions that ask for
/// one name the second waits for the end of the first.
pub async fn holder_of_name(
    db: &mut PgConnection,
    name: &str,
    except: ExperimentId,
) -> Result<Option<ExperimentId>> {
    sqlx::query!(
        "select pg_advisory_xact_lock(hashtextextended($1, 0))",
        name
    )
    .execute(&mut *db)
    .await?;
    let id: Option<Uuid> = sqlx::query_scalar!(
        "select experiment_id from experiment
         where name = $1 and experiment_id <> $2 and state <> 'deleting' limit 1",
        name,
        except.0
    )
    .fetch_optional(db)
    .await?;
    Ok(id.map(ExperimentId))
}

/// The caller holds the row.
pub async fn rename(
    db: &mut PgConnection,
    id: ExperimentId,
    name: &str,
    config_json: &str,
) -> Result<()> {
    sqlx::query!(
        "update experiment set name = $2, config = $3, updated_at = now() where experiment_id = $1",
        id.0,
        name,
        config_json
    )
    .execute(db)
    .await?;
    Ok(())
}

/// All tags from now on. The caller holds the row.
pub async fn set_tags(db: &mut PgConnection, id: ExperimentId, tags: &[String]) -> Result<()> {
    sqlx::query!(
        "update experiment set tags = $2, updated_at = now() where experiment_id = $1",
        id.0,
        tags
    )
    .execute(db)
    .await?;
    Ok(())
}
