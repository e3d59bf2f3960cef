//! Which blobs the object store holds. A row is written after its bytes are there.

use std::collections::HashSet;

use groklab_domain::Digest;
use sqlx::PgConnection;

use super::word;
use crate::error::Result;

/// Records a blob of `size` bytes; safe to repeat. One that is stored again is as young as a new
/// one.
pub async fn insert(db: &mut PgConnection, digest: Digest, size: u64) -> Result<()> {
    sqlx::query!(
        // Its day begins again: collected now, it would be missing for whoever has just stored it.
        "insert into artifact (digest, size) values ($1, $2) on conflict (digest) do update set \
            created_at = now()",
        digest.to_string(),
        size.cast_signed()
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Records those of these blobs, with their sizes, that no row names; returns them. Rows that are
/// there stay as they are.
pub async fn adopt(db: &mut PgConnection, blobs: &[(Digest, u64)]) -> Result<Vec<Digest>> {
    // In one order everywhere, so that two coordinators do not wait for each other.
    let mut blobs = blobs.to_vec();
    blobs.sort_unstable();
    let names: Vec<String> = blobs.iter().map(|(digest, _)| digest.to_string()).collect();
    let sizes: Vec<i64> = blobs.iter().map(|(_, size)| size.cast_signed()).collect();
    let adopted = sqlx::query_scalar!(
        "insert into artifact (digest, size)
         select * from unnest($1::text[], $2::bigint[]) on conflict (digest) do nothing
         returning digest",
        &names,
        &sizes
    )
    .fetch_all(db)
    .await?;
    adopted.iter().map(|digest| word(digest)).collect()
}

/// Removes the row of a blob that this very transaction has recorded.
pub async fn forget(db: &mut PgConnection, digest: Digest) -> Result<()> {
    sqlx::query!("delete from artifact where digest = $1", digest.to_string())
        .execute(db)
        .await?;
    Ok(())
}

/// Those of these blobs that are stored.
pub async fn stored(db: &mut PgConnection, digests: &[Digest]) -> Result<HashSet<Digest>> {
    let names: Vec<String> = digests.iter().map(Digest::to_string).collect();
    let rows = sqlx::query_scalar!("select digest from artifact where digest = any($1)", &names)
        .fetch_all(db)
        .await?;
    rows.iter().map(|digest| word(digest)).collect()
}

/// Blobs older than a day that nothing refers to, as results that were never reported leave them,
/// after `after` in order; their rows stay locked until the transaction ends.
pub async fn unreferenced(db: &mut PgConnection, after: &str, most: i64) -> Result<Vec<String>> {
    Ok(
        sqlx::query_file_scalar!("src/store/sql/artifact/unreferenced.sql", after, most)
            .fetch_all(db)
            .await?,
    )
}

/// Deletes those of the locked rows to which still nothing refers, and returns them.
pub async fn delete(db: &mut PgConnection, digests: &[String]) -> Result<Vec<Digest>> {
    let gone = sqlx::query_file_scalar!("src/store/sql/artifact/delete.sql", digests)
        .fetch_all(db)
        .await?;
    gone.iter().map(|digest| word(digest)).collect()
}
