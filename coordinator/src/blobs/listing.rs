//! What lies in the store, whether the database knows of it or not.

use std::{
    fs, io,
    path::Path,
    time::{Duration, SystemTime},
};

use futures::{StreamExt as _, TryStreamExt as _, stream::BoxStream};
use groklab_domain::Digest;
use object_store::path::Path as Key;

use super::{
    by_digest::{Blobs, key},
    fault::{Operation, Reach},
};
use crate::error::{Error, Result};

/// The folder, or the part of a key, in which all blobs lie.
const ALL: &str = "sha256";
/// After this nobody writes a file any more that is still incomplete.
const UNFINISHED_STAYS: Duration = Duration::from_secs(24 * 3600);

impl Blobs {
    /// Every blob with its size, in no order. What is not named as one is passed over.
    pub fn all(&self) -> BoxStream<'static, Result<(Digest, u64)>> {
        let reach = self.reach.clone();
        let failed = move |error| reach.error(Operation::Find, "the artifacts there are", error);
        self.store
            .list(Some(&Key::from(ALL)))
            .map_err(failed)
            .try_filter_map(async |object| {
                Ok(named(&object.location).map(|digest| (digest, object.size)))
            })
            .boxed()
    }

    /// Removes what a coordinator that was killed left of the file that it wrote; returns how many.
    /// S3 shows no such thing: there a lifecycle rule ends uploads.
    pub async fn remove_unfinished(&self) -> Result<usize> {
        let Reach::Folder(folder) = &self.reach else {
            return Ok(0);
        };
        let all = folder.join(ALL);
        let removed = tokio::task::spawn_blocking(move || remove_unfinished(&all)).await;
        removed
            .map_err(|error| Error::internal("look for unfinished files", error))?
            .map_err(|error| Error::internal("remove unfinished files of artifacts", error))
    }
}

fn named(location: &Key) -> Option<Digest> {
    let hex = location.filename()?;
    let digest: Digest = format!("sha256:{hex}").parse().ok()?;
    (key(digest) == *location).then_some(digest)
}

/// A file that is being written has its blob's name and `#` behind it, as object_store names them.
fn remove_unfinished(all: &Path) -> io::Result<usize> {
    let mut removed = 0;
    for folder in entries(all)? {
        let folder = folder?.path();
        for file in entries(&folder)? {
            let file = file?;
            let is_unfinished = file.file_name().to_string_lossy().contains('#');
            if is_unfinished && is_old(&file) {
                fs::remove_file(file.path())?;
                removed += 1;
            }
        }
    }
    Ok(removed)
}

/// None where there is no such folder.
fn entries(folder: &Path) -> io::Result<impl Iterator<Item = io::Result<fs::DirEntry>>> {
    match fs::read_dir(folder) {
        Ok(entries) => Ok(Some(entries).into_iter().flatten()),
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            Ok(None.into_iter().flatten())
        }
        Err(error) => Err(error),
    }
}

/// One that has just gone is not old.
fn is_old(file: &fs::DirEntry) -> bool {
    let modified = file.metadata().and_then(|found| found.modified());
    modified.is_ok_and(|time| {
        SystemTime::now()
            .duration_since(time)
            .is_ok_and(|age| age > UNFINISHED_STAYS)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_old_unfinished_files_go() {
        let folder = tempfile::tempdir().unwrap();
        let all = folder.path().join(ALL);
        assert_eq!(remove_unfinished(&all).unwrap(), 0, "there is none yet");
        let within = all.join("ab");
        fs::create_dir_all(&within).unwrap();
        let old = SystemTime::now() - 2 * UNFINISHED_STAYS;
        for name in ["abcd", "abcd#1", "abce#2"] {
            let file = fs::File::create(within.join(name)).unwrap();
            if name != "abce#2" {
                file.set_modified(old).unwrap();
            }
        }
        assert_eq!(remove_unfinished(&all).unwrap(), 1);
        assert!(within.join("abcd").exists() && within.join("abce#2").exists());
    }

    #[test]
    fn a_blob_lies_where_its_name_says() {
        let digest = Digest::of(b"x");
        assert_eq!(named(&key(digest)), Some(digest));
        for other in ["probe", "sha256/00/readme", "sha256/ab"] {
            assert_eq!(named(&Key::from(other)), None, "{other}");
        }
        let elsewhere = format!("sha256/zz/{}", digest.hex());
        assert_eq!(named(&Key::from(elsewhere)), None);
    }
}
