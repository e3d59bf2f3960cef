//! Fetched artifacts in a folder that several workers may share. Holds a number of bytes at most:
//! what was used longest ago goes first. Whoever uses an artifact has its bytes in memory, so
//! nobody misses what goes.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use groklab_domain::Digest;

/// How files begin that are not complete yet.
const PARTIAL: &str = ".partial-";
/// After this a worker that was writing is no longer there.
const PARTIAL_STAYS: Duration = Duration::from_secs(3600);

/// The folder.
#[derive(Debug, Clone)]
pub struct Cache {
    folder: PathBuf,
    max_bytes: u64,
}

struct Entry {
    path: PathBuf,
    bytes: u64,
    used: SystemTime,
    partial: bool,
}

impl Cache {
    /// Makes the folder where it is missing, and room in one that holds too much.
    pub fn open(folder: PathBuf, max_bytes: u64) -> io::Result<Self> {
        fs::create_dir_all(&folder)?;
        let cache = Self { folder, max_bytes };
        cache.make_room(0)?;
        Ok(cache)
    }

    /// The bytes of an artifact where they are there and intact.
    pub fn get(&self, digest: Digest) -> Option<Vec<u8>> {
        let path = self.path(digest);
        let bytes = fs::read(&path).ok()?;
        if Digest::of(&bytes) != digest {
            // Cut off or changed: it is fetched anew.
            remove(&path);
            return None;
        }
        let used = File::open(&path).and_then(|file| file.set_modified(SystemTime::now()));
        if let Err(error) = used {
            // Another worker may have removed it; or it will seem to be older than it is.
            tracing::debug!(path = %path.display(), %error, "mark an artifact as used");
        }
        Some(bytes)
    }

    /// Keeps an artifact, whole or not at all; one larger than the cache is not kept. Another
    /// worker that writes at the same moment may exceed the bound by what it writes.
    pub fn keep(&self, digest: Digest, bytes: &[u8]) -> io::Result<()> {
        let size = bytes.len() as u64;
        if size > self.max_bytes {
            return Ok(());
        }
        self.make_room(size)?;
        let mut file = tempfile::Builder::new()
            .prefix(PARTIAL)
            .tempfile_in(&self.folder)?;
        file.write_all(bytes)?;
        file.persist(self.path(digest))?;
        Ok(())
    }

    fn path(&self, digest: Digest) -> PathBuf {
        self.folder.join(digest.hex())
    }

    /// Removes what was used longest ago until there is room for so many bytes.
    fn make_room(&self, bytes: u64) -> io::Result<()> {
        let mut entries = self.entries()?;
        entries.sort_by_key(|entry| entry.used);
        let mut held: u64 = entries.iter().map(|entry| entry.bytes).sum();
        for entry in entries {
            let abandoned = entry.partial && is_older(entry.used, PARTIAL_STAYS);
            let too_much = held.saturating_add(bytes) > self.max_bytes;
            if abandoned || too_much && !entry.partial {
                remove(&entry.path);
                held -= entry.bytes;
            }
        }
        Ok(())
    }

    /// Nothing but what workers put there: the folder may hold other things.
    fn entries(&self) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for file in fs::read_dir(&self.folder)? {
            let file = file?;
            let name = file.file_name().to_string_lossy().into_owned();
            let partial = name.starts_with(PARTIAL);
            if !partial && !is_hex_of_digest(&name) {
                continue;
            }
            // Another worker may have removed it meanwhile.
            let Ok(found) = file.metadata() else {
                continue;
            };
            entries.push(Entry {
                path: file.path(),
                bytes: found.len(),
                used: found.modified()?,
                partial,
            });
        }
        Ok(entries)
    }
}

fn is_hex_of_digest(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn is_older(time: SystemTime, age: Duration) -> bool {
    time.elapsed().is_ok_and(|elapsed| elapsed > age)
}

fn remove(path: &Path) {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(path = %path.display(), %error, "remove an artifact from the cache");
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn artifact(number: u8, size: usize) -> (Digest, Vec<u8>) {
        let bytes = vec![number; size];
        (Digest::of(&bytes), bytes)
    }

    fn held(folder: &Path) -> u64 {
        let files = fs::read_dir(folder).unwrap().flatten();
        files.map(|file| file.metadata().unwrap().len()).sum()
    }

    fn age(cache: &Cache, digest: Digest, seconds: u64) {
        let time = SystemTime::now() - Duration::from_secs(seconds);
        let file = File::options()
            .write(true)
            .open(cache.path(digest))
            .unwrap();
        file.set_modified(time).unwrap();
    }

    #[test]
    fn what_was_used_longest_ago_goes_first() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::open(folder.path().join("made"), 300).unwrap();
        let [(a, first), (b, second), (c, third), (d, fourth)] =
            [1, 2, 3, 4].map(|number| artifact(number, 100));
        for (seconds, digest, bytes) in [(30, a, &first), (20, b, &second), (10, c, &third)] {
            cache.keep(digest, bytes).unwrap();
            age(&cache, digest, seconds);
        }
        assert_eq!(cache.get(a).unwrap(), first, "it is used, so it is young");
        let in_use = cache.get(b).unwrap();
        age(&cache, b, 20);
        cache.keep(d, &fourth).unwrap();
        assert_eq!(cache.get(b), None, "it was used longest ago");
        assert_eq!(in_use, second, "whoever uses it still has it");
        for (digest, bytes) in [(a, &first), (c, &third), (d, &fourth)] {
            assert_eq!(&cache.get(digest).unwrap(), bytes);
        }
        assert_eq!(held(&cache.folder), 300);
    }

    #[test]
    fn the_bound_holds_for_large_ones_and_after_it_was_lowered() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_owned();
        let cache = Cache::open(path.clone(), 300).unwrap();
        let (large, bytes) = artifact(9, 301);
        cache.keep(large, &bytes).unwrap();
        assert_eq!((cache.get(large), held(&path)), (None, 0));
        for number in 0..50 {
            let (digest, bytes) = artifact(number, 70);
            cache.keep(digest, &bytes).unwrap();
            assert!(held(&path) <= 300);
            assert_eq!(cache.get(digest).unwrap(), bytes);
        }
        Cache::open(path.clone(), 100).unwrap();
        assert_eq!(held(&path), 70);
        Cache::open(path.clone(), 0).unwrap();
        assert_eq!(held(&path), 0);
    }

    #[test]
    fn what_is_damaged_or_abandoned_goes_and_what_is_not_ours_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_owned();
        fs::write(path.join("README"), vec![0; 1000]).unwrap();
        let (old, young) = (path.join(".partial-old"), path.join(".partial-young"));
        for partial in [&old, &young] {
            fs::write(partial, vec![0; 10]).unwrap();
        }
        let long_ago = SystemTime::now() - 2 * PARTIAL_STAYS;
        let file = File::options().write(true).open(&old).unwrap();
        file.set_modified(long_ago).unwrap();
        let cache = Cache::open(path.clone(), 300).unwrap();
        assert!(!old.exists() && young.exists() && path.join("README").exists());
        let (digest, bytes) = artifact(1, 100);
        cache.keep(digest, &bytes).unwrap();
        fs::write(cache.path(digest), &bytes[1..]).unwrap();
        assert_eq!(cache.get(digest), None);
        assert!(!cache.path(digest).exists());
    }

    #[test]
    fn two_workers_share_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().to_owned();
        let work = |seed: u8| {
            let cache = Cache::open(path.clone(), 500).unwrap();
            for turn in 0..400_u32 {
                let number = (turn.wrapping_mul(7 + u32::from(seed)) % 20) as u8;
                let (digest, bytes) = artifact(number, 100);
                match cache.get(digest) {
                    Some(found) => assert_eq!(found, bytes),
                    None => cache.keep(digest, &bytes).unwrap(),
                }
            }
        };
        thread::scope(|scope| {
            scope.spawn(|| work(0));
            scope.spawn(|| work(4));
        });
        // Each may have written one while the other did.
        assert!(held(&path) <= 600, "{}", held(&path));
    }
}
