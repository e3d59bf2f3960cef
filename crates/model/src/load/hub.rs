//! Models named by a hub id: what the cache that all Hugging Face software shares holds of them,
//! and what is fetched into it. A model that is there is used without asking anybody. Nothing else
//! in this crate needs the network.

mod access;
mod check;
mod download;
mod places;
mod progress;
mod repository;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use access::Access;
use download::{Download, lock};
use groklab_domain::experiment::is_revision;
use places::Places;
use repository::Repository;

pub(crate) use repository::{FileSet, Snapshot};

use crate::error::{Error, Result};

/// The branch that is meant where none is named.
const MAIN: &str = "main";

/// The cache that other Hugging Face software shares: `HF_HUB_CACHE`, else `hub` in `HF_HOME`, else
/// the user's own.
pub fn default_cache() -> PathBuf {
    Places::read(variable).cache
}

/// What is `wanted` of `id` at `revision`, in `cache`.
pub(crate) fn fetch(
    id: &str,
    revision: Option<&str>,
    cache: &Path,
    wanted: FileSet,
) -> Result<Snapshot> {
    let revision = revision.unwrap_or(MAIN);
    let access = if is_revision(revision) {
        Access::read(variable)
    } else {
        Err(format!("`{revision}` can be no branch, tag or commit"))
    };
    access
        .and_then(|access| fetch_by(&access, id, revision, cache, wanted))
        .map_err(|reason| Error::Hub {
            repository: id.into(),
            reason,
        })
}

fn variable(name: &str) -> Option<String> {
    std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
}

fn not_kept(access: &Access, revision: &str, cache: &Path) -> String {
    format!(
        "{} is set, and there is no copy of its revision `{revision}` in `{}`",
        access.offline_because,
        cache.display()
    )
}

fn fetch_by(
    access: &Access,
    id: &str,
    revision: &str,
    cache: &Path,
    wanted: FileSet,
) -> Result<Snapshot, String> {
    // hf-hub computes links between its files from paths that begin alike.
    let cache = &std::path::absolute(cache).map_err(|error| error.to_string())?;
    let repository = Repository::new(cache, id);
    let complete = || {
        let kept = repository.usable(revision, wanted);
        kept.filter(|snapshot| repository.is_complete(snapshot))
    };
    if let Some(snapshot) = complete() {
        return Ok(snapshot);
    }
    if access.offline {
        let kept = repository.usable(revision, wanted);
        return kept.ok_or_else(|| not_kept(access, revision, cache));
    }
    let download = Download {
        access,
        cache,
        id,
        revision,
        wanted,
    };
    let locked = lock(cache, id);
    let locked = locked.map_err(|error| format!("lock `{}`: {error}", cache.display()));
    let fetched = locked.and_then(|_lock| match complete() {
        // Another process fetched it meanwhile.
        Some(snapshot) => Ok(snapshot),
        None => download.run(&repository),
    });
    // Without the hub, or in a cache that cannot be written to, what is here has to do.
    fetched.or_else(|reason| repository.usable(revision, wanted).ok_or(reason))
}
