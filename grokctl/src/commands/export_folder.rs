//! The folder of an export: it appears whole or not at all, and never mixes with what is there.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use tempfile::TempDir;

use crate::failure::{Failure, file_step};

/// A temporary folder is its owner's alone; an export is for whoever may read the folder it is in.
const EXPORT_MODE: u32 = 0o755;

/// Where exports go that are given no folder.
const EXPORTS: &str = "experiments";

/// Whether something was exported under this name.
pub fn is_exported(name: &str) -> bool {
    exists(&Path::new(EXPORTS).join(name))
}

/// experiments/NAME, or the first of NAME-2, NAME-3, … that does not exist.
pub fn default_folder(name: &str) -> PathBuf {
    let folder = Path::new(EXPORTS);
    let mut out = folder.join(name);
    let mut number = 2;
    while out.exists() {
        out = folder.join(format!("{name}-{number}"));
        number += 1;
    }
    out
}

pub fn refuse_existing(out: &Path, force: bool) -> Result<(), Failure> {
    if force || !exists(out) {
        return Ok(());
    }
    Err(Failure::usage(format!("export to `{}`", out.display()))
        .because("it exists, and an export never mixes with what is there")
        .next("name another folder with --out DIR, or replace it with --force"))
}

/// Whether something has this name, be it a link to nowhere.
pub fn exists(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

/// A hidden folder beside `out`, from where it can be renamed; it goes away when dropped.
pub fn stage(out: &Path) -> Result<TempDir, Failure> {
    let parent = out.parent().unwrap_or(Path::new("/"));
    file_step("create", parent, fs::create_dir_all(parent))?;
    let name = out.file_name().unwrap_or_default().to_string_lossy();
    let staging = tempfile::Builder::new()
        .prefix(&format!(".{name}.partial-"))
        .tempdir_in(parent);
    file_step("create a folder in", parent, staging)
}

/// Gives the finished folder its name.
pub fn publish(staging: TempDir, out: &Path, force: bool) -> Result<(), Failure> {
    let readable = fs::set_permissions(staging.path(), fs::Permissions::from_mode(EXPORT_MODE));
    file_step("open to others", staging.path(), readable)?;
    // It may have come while the export was received.
    refuse_existing(out, force)?;
    let mut old = None;
    if exists(out) {
        // A folder that is not empty cannot be replaced by a rename.
        let aside = stage(out)?;
        let moved = fs::rename(out, aside.path().join("old"));
        file_step("move aside", out, moved)?;
        old = Some(aside);
    }
    file_step("write", out, fs::rename(staging.path(), out))?;
    // Renamed away, so there is nothing left to remove.
    let _ = staging.keep();
    drop(old);
    Ok(())
}

/// Copies the files of the folder `from` into the new folder `to`.
pub fn copy_folder(from: &Path, to: &Path) -> Result<(), Failure> {
    file_step("create", to, fs::create_dir(to))?;
    for entry in file_step("read", from, fs::read_dir(from))? {
        let entry = file_step("read", from, entry)?;
        let path = to.join(entry.file_name());
        file_step("write", &path, fs::copy(entry.path(), &path))?;
    }
    Ok(())
}

/// How many files a folder holds, in folders too.
pub fn count_files(folder: &Path) -> Result<usize, Failure> {
    let mut count = 0;
    for entry in file_step("read", folder, fs::read_dir(folder))? {
        let path = file_step("read", folder, entry)?.path();
        count += if path.is_dir() {
            count_files(&path)?
        } else {
            1
        };
    }
    Ok(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Exit;

    #[test]
    fn a_folder_appears_whole_and_is_replaced_only_by_force() {
        let parent = tempfile::tempdir().unwrap();
        let out = parent.path().join("x");
        let staged = |text: &str| {
            let staging = stage(&out).unwrap();
            fs::write(staging.path().join("f"), text).unwrap();
            staging
        };
        publish(staged("1"), &out, false).unwrap();
        assert_eq!(
            publish(staged("2"), &out, false).unwrap_err().exit,
            Exit::Usage
        );
        assert_eq!(fs::read_to_string(out.join("f")).unwrap(), "1");
        publish(staged("3"), &out, true).unwrap();
        assert_eq!(fs::read_to_string(out.join("f")).unwrap(), "3");
        assert_eq!(
            fs::read_dir(parent.path()).unwrap().count(),
            1,
            "nothing is left beside it"
        );
    }
}
