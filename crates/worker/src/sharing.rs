//! Workers that share a device take turns. A worker holds the device from its first job on, for
//! libtorch keeps what it once had there; it gives the device up by starting its program again,
//! between two jobs, once another worker waits or nothing has come for a while.

use std::{
    fs::{self, File, TryLockError},
    io,
    os::fd::OwnedFd,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use nix::unistd::AccessFlags;

use crate::{Cancelled, signal::Signal};

const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long a job waits for the device; then it is given back, and the worker waits without one.
const JOB_WAITS: Duration = Duration::from_secs(30);

/// Flags of workers that compute on a device.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct SharingArgs {
    /// File that all workers on the same device name: they take turns, one of them at a time has a
    /// model there. By default a file in /run/lock for each user and GPU (without that folder, in
    /// the one for temporary files), and none for the CPU; `none` lets several workers be on a GPU
    /// at once.
    #[arg(long, env = "GROKLAB_DEVICE_LOCK", value_name = "FILE|none")]
    pub device_lock: Option<PathBuf>,
    /// Seconds without a job after which the model is given up, and with it its memory. By default
    /// it is kept until another worker waits for the device.
    #[arg(long, env = "GROKLAB_IDLE_UNLOAD_SECONDS", value_name = "SECONDS")]
    pub idle_unload_seconds: Option<u64>,
}

/// A worker's part in sharing a device.
pub(crate) struct Sharing {
    turns: Option<Turns>,
    idle_unload: Option<Duration>,
    state: Mutex<State>,
}

#[derive(Clone, Copy, Default)]
struct State {
    /// The end of the last job; none where nothing was loaded yet.
    used: Option<Instant>,
    /// Whether this worker has the device.
    holds: bool,
    /// Whether it has given a job back, and is to have the device before it asks for another.
    waits: bool,
}

/// The files behind the turns. Both are locked, never written.
struct Turns {
    /// Locked by the worker that has the device.
    device: File,
    /// Locked in common by all that wait for it.
    waiting: File,
}

impl Sharing {
    /// `device`: what identifies a GPU among all machines' users; none for a CPU.
    pub fn new(args: &SharingArgs, device: Option<&str>) -> anyhow::Result<Self> {
        let path = match (&args.device_lock, device) {
            (Some(path), _) if path == Path::new("none") => None,
            (Some(path), _) => Some(path.clone()),
            (None, Some(device)) => Some(default_path(device)),
            (None, None) => None,
        };
        let open = |path: PathBuf| {
            Turns::open(&path).with_context(|| format!("--device-lock {}", path.display()))
        };
        Ok(Self {
            turns: path.map(open).transpose()?,
            idle_unload: args.idle_unload_seconds.map(Duration::from_secs),
            state: Mutex::default(),
        })
    }

    /// Waits until the device is this worker's. An error: the job was dropped meanwhile, or another
    /// worker is to have it.
    pub async fn take(&self, signal: &Signal) -> Result<(), Cancelled> {
        let Some(turns) = &self.turns else {
            return Ok(());
        };
        if self.state().holds {
            return Ok(());
        }
        let started = Instant::now();
        while !turns.try_take() {
            signal.tick();
            if signal.dropped() {
                turns.stop_waiting();
                return Err(Cancelled);
            }
            // It goes on waiting in `wait_for_turn`.
            if started.elapsed() >= JOB_WAITS {
                tracing::info!("another worker has the device: the job is given back");
                self.state().waits = true;
                return Err(Cancelled);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        self.taken(turns);
        Ok(())
    }

    /// Waits for the device where a job was given back for want of it.
    pub async fn wait_for_turn(&self) {
        let Some(turns) = self.turns.as_ref().filter(|_| self.state().waits) else {
            return;
        };
        while !turns.try_take() {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        self.taken(turns);
    }

    fn taken(&self, turns: &Turns) {
        turns.stop_waiting();
        let mut state = self.state();
        state.holds = true;
        state.waits = false;
    }

    /// A job has ended, so something may be loaded.
    pub fn used(&self) {
        self.state().used = Some(Instant::now());
    }

    /// Comes back, with the reason, once the device is to be given up; it never does where nothing
    /// is held.
    pub async fn is_wanted(&self) -> &'static str {
        loop {
            match self.reason_to_give_up() {
                Some(reason) => return reason,
                None => tokio::time::sleep(LOOK_EVERY).await,
            }
        }
    }

    /// Why the device is to be given up, between two jobs.
    fn reason_to_give_up(&self) -> Option<&'static str> {
        let State { used, holds, .. } = *self.state();
        if let (Some(used), Some(limit)) = (used, self.idle_unload)
            && used.elapsed() >= limit
        {
            return Some("no job came for a while");
        }
        let turns = self.turns.as_ref().filter(|_| holds)?;
        turns
            .others_wait()
            .then_some("another worker waits for the device")
    }

    /// What keeps the device until this program's memory there is gone.
    pub fn into_lock(self) -> io::Result<OwnedFd> {
        match self.turns {
            Some(turns) => Ok(turns.device.into()),
            None => Ok(File::open("/dev/null")?.into()),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Turns {
    fn open(path: &Path) -> io::Result<Self> {
        let mut waiting = path.as_os_str().to_owned();
        waiting.push(".waiting");
        let open = |path: &Path| File::options().create(true).append(true).open(path);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        Ok(Self {
            device: open(path)?,
            waiting: open(Path::new(&waiting))?,
        })
    }

    /// Announces that this worker waits, and takes the device if it is free.
    fn try_take(&self) -> bool {
        // It fails for the moment in which the holder looks; the next attempt comes soon.
        let _ = self.waiting.try_lock_shared();
        self.device.try_lock().is_ok()
    }

    fn stop_waiting(&self) {
        // Only what was never locked could fail to be unlocked, and that harms nobody.
        let _ = self.waiting.unlock();
    }

    fn others_wait(&self) -> bool {
        // To be had by the holder alone where nobody shares it.
        let attempt = self.waiting.try_lock();
        if attempt.is_ok() {
            self.stop_waiting();
        }
        matches!(attempt, Err(TryLockError::WouldBlock))
    }
}

/// Where nothing is removed for its age, as some systems do with temporary files.
const LOCKS: &str = "/run/lock";

/// One for each user, since one user's files are not another's.
fn default_path(device: &str) -> PathBuf {
    let user = nix::unistd::geteuid();
    let folder = match nix::unistd::access(LOCKS, AccessFlags::W_OK) {
        Ok(()) => PathBuf::from(LOCKS),
        Err(_) => std::env::temp_dir(),
    };
    folder.join(format!("groklab-device-{user}-{device}.lock"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sharing(device_lock: &Path, idle_unload_seconds: Option<u64>) -> Sharing {
        let args = SharingArgs {
            device_lock: Some(device_lock.to_owned()),
            idle_unload_seconds,
        };
        Sharing::new(&args, Some("a-card")).unwrap()
    }

    async fn waits(sharing: &Sharing, signal: &Signal) -> bool {
        let soon = LOOK_EVERY * 3;
        tokio::time::timeout(soon, sharing.take(signal))
            .await
            .is_err()
    }

    #[tokio::test]
    async fn one_has_the_device_until_another_waits_and_it_is_given_up() {
        let dir = tempfile::tempdir().unwrap();
        // The folder is made where there is none.
        let path = dir.path().join("locks/device");
        let (first, second) = (sharing(&path, None), sharing(&path, None));
        let signal = Signal::default();
        first.take(&signal).await.unwrap();
        first.take(&signal).await.unwrap();
        assert_eq!(first.reason_to_give_up(), None, "nobody waits");
        assert!(waits(&second, &signal).await);
        assert!(
            signal.ticks() > 0,
            "waiting must not look like a standstill"
        );
        assert!(first.is_wanted().await.contains("another worker"));
        assert_eq!(second.reason_to_give_up(), None, "it holds nothing");
        // As at the start of the new program.
        drop(first.into_lock().unwrap());
        second.take(&signal).await.unwrap();
        assert_eq!(second.reason_to_give_up(), None);
    }

    #[tokio::test]
    async fn a_job_that_is_dropped_waits_no_longer() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("device");
        let (first, second) = (sharing(&path, None), sharing(&path, None));
        let signal = Signal::default();
        first.take(&signal).await.unwrap();
        signal.drop_job();
        assert!(second.take(&signal).await.is_err());
        assert_eq!(first.reason_to_give_up(), None, "nobody waits any more");
    }

    #[tokio::test]
    async fn a_job_does_not_wait_long_but_its_worker_does() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("device");
        let (first, second) = (sharing(&path, None), sharing(&path, None));
        let signal = Signal::default();
        first.take(&signal).await.unwrap();
        second.wait_for_turn().await;
        second.state().waits = true;
        let turn = second.wait_for_turn();
        tokio::pin!(turn);
        let soon = tokio::time::timeout(LOOK_EVERY * 3, &mut turn).await;
        assert!(soon.is_err());
        assert!(first.reason_to_give_up().is_some(), "it still waits");
        drop(first.into_lock().unwrap());
        turn.await;
        second.take(&signal).await.unwrap();
    }

    #[tokio::test]
    async fn what_is_idle_is_given_up_and_what_was_never_used_is_not() {
        let none = sharing(Path::new("none"), Some(0));
        let signal = Signal::default();
        none.take(&signal).await.unwrap();
        assert_eq!(none.reason_to_give_up(), None, "nothing was loaded");
        none.used();
        assert!(none.reason_to_give_up().unwrap().contains("no job"));
        let patient = sharing(Path::new("none"), Some(3_600));
        patient.used();
        assert_eq!(patient.reason_to_give_up(), None);
    }

    #[test]
    fn cpus_are_shared_without_turns_unless_a_file_is_named() {
        let none = SharingArgs::default();
        assert!(Sharing::new(&none, None).unwrap().turns.is_none());
        assert!(
            Sharing::new(&none, Some("test-card"))
                .unwrap()
                .turns
                .is_some()
        );
        let folder = tempfile::tempdir().unwrap();
        let args = SharingArgs {
            device_lock: Some(folder.path().to_owned()),
            idle_unload_seconds: None,
        };
        let error = Sharing::new(&args, None).err().unwrap();
        assert!(format!("{error:#}").contains("--device-lock"), "{error:#}");
    }
}
