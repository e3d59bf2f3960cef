//! Which blobs the object store holds. A row is written after its bytes are there.

use groklab_domain::Digest;
use sqlx::PgConnection;

use crate::error::Result;

/// Records a blob of `size` bytes; safe to repeat.
pub async fn insert(db: &mut PgConnection, digest: Digest, size: u64) -> Result<()> {
    sqlx::query!(
        "insert into artifact (digest, size) values ($1, $2) on conflict (digest) do nothing",
        digest.to_string(),
        size.cast_signed()
    )
    .execute(db)
    .await?;
    Ok(())
}

/// The size in bytes of a stored blob.
pub async fn size(db: &mut PgConnection, digest: Digest) -> Result<Option<u64>> {
    let size = sqlx::query_scalar!("select size from artifact where digest = $1", digest.to_string()).fetch_optional(db).await?;
    Ok(size.map(i64::cast_unsigned))
}
