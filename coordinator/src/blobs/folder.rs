//! A folder as an object store.

use std::{path::Path, sync::Arc};

use anyhow::{Context as _, anyhow};
use object_store::{ObjectStore, local::LocalFileSystem};

use super::fault::disk_said;

/// Opens a folder, which is made where it is missing.
pub fn open(folder: &Path) -> anyhow::Result<Arc<dyn ObjectStore>> {
    let shown = folder.display();
    std::fs::create_dir_all(folder)
        .map_err(|error| anyhow!(disk_said(folder, &error)))
        .with_context(|| format!("make the artifacts' folder `{shown}`"))?;
    let store = LocalFileSystem::new_with_prefix(folder)
        .with_context(|| format!("open the artifacts' folder `{shown}`"))?;
    Ok(Arc::new(store.with_fsync(true)))
}
