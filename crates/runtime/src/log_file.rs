//! Bounds the log of a process that appends to a file for as long as it lives: once it is too long,
//! what it holds becomes the previous log, and it begins anew. So two files of a bounded size stay.

use std::{
    convert::Infallible,
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
    time::Duration,
};

/// A log longer than this begins anew.
pub const MAX_LOG_BYTES: u64 = 64 << 20;
const LOOK_EVERY: Duration = Duration::from_secs(10);

/// Looks after a log until it is dropped.
pub async fn keep_bounded(log: &Path) -> Infallible {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let path = log.to_owned();
        let looked = tokio::task::spawn_blocking(move || bound(&path, MAX_LOG_BYTES)).await;
        if let Ok(Err(error)) = looked {
            // As on a full disk: the next look tries again.
            tracing::warn!(log = %log.display(), %error, "the log could not be bounded");
        }
    }
}

/// The log before `log`.
pub fn previous(log: &Path) -> PathBuf {
    let mut name = OsString::from(log);
    name.push(".1");
    name.into()
}

/// Lets a log that is longer than `max_bytes` begin anew; true: it did. Its writer keeps the file
/// and must append to it; what it writes between the copy and the cut is lost, a line or two.
///
/// # Errors
/// Nothing is cut where the copy could not be made.
pub fn bound(log: &Path, max_bytes: u64) -> io::Result<bool> {
    match fs::metadata(log) {
        Ok(found) if found.len() > max_bytes => {}
        Ok(_) => return Ok(false),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    }
    let (previous, mut half) = (previous(log), OsString::from(log));
    half.push(".new");
    let copied = copy(log, Path::new(&half)).and_then(|()| fs::rename(&half, previous));
    if let Err(error) = copied {
        // It would keep the room that is wanting.
        let _ = fs::remove_file(&half);
        return Err(error);
    }
    OpenOptions::new().write(true).open(log)?.set_len(0)?;
    Ok(true)
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let (mut from, mut to) = (File::open(from)?, File::create(to)?);
    to.set_permissions(from.metadata()?.permissions())?;
    io::copy(&mut from, &mut to).map(|_| ())
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_long_log_begins_anew_while_it_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("worker.log");
        assert!(!bound(&log, 100).unwrap(), "there is none yet");
        let mut writer = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log)
            .unwrap();
        for round in 0..50 {
            writeln!(writer, "line {round:4}").unwrap();
            bound(&log, 100).unwrap();
            let files = fs::read_dir(folder.path()).unwrap().flatten();
            let held: u64 = files.map(|file| file.metadata().unwrap().len()).sum();
            assert!(held <= 220, "{held}");
        }
        let text = |path: &Path| fs::read_to_string(path).unwrap();
        let lines = text(&previous(&log)) + &text(&log);
        let last: Vec<&str> = lines.lines().rev().take(11).collect();
        assert_eq!((last[0], last[10]), ("line   49", "line   39"));
    }

    #[test]
    fn what_cannot_be_copied_is_not_cut() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("worker.log");
        fs::write(&log, vec![b'x'; 200]).unwrap();
        // In the place of the previous log.
        fs::create_dir(previous(&log)).unwrap();
        bound(&log, 100).unwrap_err();
        assert_eq!(fs::read(&log).unwrap().len(), 200);
        assert!(!folder.path().join("worker.log.new").exists());
    }
}
