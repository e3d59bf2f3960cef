//! One `up` per data folder: a file lock, which the kernel releases however its holder ends.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::Write,
    path::Path,
    time::{Duration, Instant},
};

use crate::{data_folder::DataFolder, failure::Failure};

/// Others hold the lock for a moment when they ask [`Lock::is_held`], so taking it tries this long.
const TRY_FOR: Duration = Duration::from_millis(500);
const TRY_EVERY: Duration = Duration::from_millis(25);

/// The right to run things in a data folder; given back when dropped.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of `data`, which must exist, and writes the own process id into it.
    pub fn take(data: &DataFolder) -> Result<Self, Failure> {
        let path = data.lock_file();
        let failed = |error: std::io::Error| {
            Failure::other(format!("lock `{}`", path.display())).because(error)
        };
        // Not truncated: until the lock is ours, what it says is the holder's.
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(failed)?;
        let deadline = Instant::now() + TRY_FOR;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::Error(error)) => return Err(failed(error)),
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                    std::thread::sleep(TRY_EVERY)
                }
                Err(TryLockError::WouldBlock) => return Err(held(data)),
            }
        }
        file.set_len(0)
            .and_then(|()| writeln!(file, "{}", std::process::id()))
            .map_err(failed)?;
        Ok(Self { _file: file })
    }

    /// Whether some process holds the lock at `path`.
    pub fn is_held(path: &Path) -> bool {
        let Ok(file) = File::open(path) else {
            return false;
        };
        matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
    }
}

fn held(data: &DataFolder) -> Failure {
    let id = fs::read_to_string(data.lock_file()).unwrap_or_default();
    let holder = match id.trim() {
        // It has the lock and has not written its id yet.
        "" => String::new(),
        id => format!(" (process {id})"),
    };
    Failure::other(format!("use the data folder `{}`", data.path().display()))
        .because(format!(
            "another `grokctl up` or `grokctl run --local`{holder} runs on it"
        ))
        .next(concat!(
            "submit to that one (`grokctl submit FILE`, `grokctl run FILE`), stop it, ",
            "or choose another folder with --data DIR"
        ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_one_is_refused_until_the_first_has_gone() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataFolder::new(folder.path()).unwrap();
        assert!(!Lock::is_held(&data.lock_file()));
        let first = Lock::take(&data).unwrap();
        assert!(Lock::is_held(&data.lock_file()));
        let refused = Lock::take(&data).unwrap_err().report();
        assert!(
            refused.contains(&format!("(process {}) runs on it", std::process::id())),
            "{refused}"
        );
        drop(first);
        assert!(Lock::take(&data).is_ok());
    }
}
