//! Where a fitted adapter goes: a folder that is there when it is whole, and not before.

use std::{
    fs::{self, File, Permissions},
    io::{self, Write as _},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use groklab_model::Adapter;
use groklab_runtime::tool::Failure;
use tempfile::TempDir;

/// The optimiser's state beside an adapter; other software passes it over.
pub(super) const OPTIMISER: &str = "optimiser.safetensors";

/// A folder that can be made.
pub(super) struct Output {
    folder: PathBuf,
    parent: PathBuf,
}

impl Output {
    /// Refuses a folder that holds something already or that cannot be written.
    pub(super) fn new(folder: &Path) -> Result<Self, Failure> {
        let is_empty = fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none());
        let taken = folder.symlink_metadata().is_ok() && !is_empty;
        if taken {
            let message = format!("--out `{}` is there already and is not an empty folder: name another, or remove it", folder.display());
            return Err(Failure::usage(anyhow::anyhow!(message)));
        }
        let absolute = std::path::absolute(folder).unwrap_or_else(|_| folder.into());
        let parent = absolute.parent().unwrap_or(Path::new("/")).to_owned();
        let output = Self { folder: absolute, parent };
        fs::create_dir_all(&output.parent).and_then(|()| output.draft()).map_err(|error| Failure::usage(output.because(error)))?;
        Ok(output)
    }

    /// Writes the adapter's files and lets them appear together.
    pub(super) fn publish(&self, adapter: &Adapter, optimiser: Option<&[u8]>) -> Result<(), Failure> {
        let write = || -> io::Result<()> {
            let draft = self.draft()?;
            put(draft.path(), "adapter_config.json", adapter.config_file())?;
            put(draft.path(), "adapter_model.safetensors", adapter.weights_file())?;
            optimiser.map_or(Ok(()), |state| put(draft.path(), OPTIMISER, state))?;
            fs::set_permissions(draft.path(), Permissions::from_mode(0o755))?;
            File::open(draft.path())?.sync_all()?;
            fs::rename(draft.path(), &self.folder)?;
            File::open(&self.parent)?.sync_all()
        };
        write().map_err(|error| Failure::other(self.because(error)))
    }

    /// A folder beside the one to be, so that a rename is enough; it goes when it is dropped.
    fn draft(&self) -> io::Result<TempDir> {
        tempfile::Builder::new().prefix(".fit-").tempdir_in(&self.parent)
    }

    fn because(&self, error: io::Error) -> anyhow::Error {
        anyhow::Error::new(error).context(format!("write the adapter to `{}`", self.folder.display()))
    }
}

fn put(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(folder.join(name))?;
    file.write_all(bytes)?;
    file.sync_all()
}
