//! The warm path: a zygote per thread that asks, each used for many candidates, one at a time.
//! Replaces a zygote that has run its share and any that did not do exactly what it must.
//! `zygote.rs` is one of them.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        mpsc::{Sender, channel},
    },
    thread,
    time::Instant,
};

use crate::{
    jail::{
        cgroup::{self, Cgroups},
        nsjail::Nsjail,
        zygote::{FailedRun, Zygote},
    },
    metrics::{Metrics, RunPath},
    sandbox::{InfrastructureError, RawRun, Request, Sandbox},
};

/// Candidates a zygote runs before it is replaced.
const RUNS_PER_ZYGOTE: u32 = 2000;

/// Zygotes, started when they are needed.
pub struct Warm {
    idle: Mutex<Vec<Zygote>>,
    launches: Mutex<Sender<Launch>>,
    cgroups: Arc<dyn Cgroups>,
    metrics: Metrics,
    runs_per_zygote: u32,
}

/// A request for a zygote: where to send it.
type Launch = Sender<Result<Zygote, InfrastructureError>>;

impl Warm {
    /// Starts nothing yet.
    pub fn new(jail: Nsjail) -> Self {
        let cgroups = Arc::clone(&jail.cgroups);
        Self::over(jail, cgroups, RUNS_PER_ZYGOTE)
    }

    /// With these control groups, and a new zygote after every `runs_per_zygote` candidates.
    pub fn with(jail: Nsjail, cgroups: Box<dyn Cgroups>, runs_per_zygote: u32) -> Self {
        Self::over(jail, cgroups.into(), runs_per_zygote)
    }

    fn over(jail: Nsjail, cgroups: Arc<dyn Cgroups>, runs_per_zygote: u32) -> Self {
        // A worker that was killed could not remove its groups.
        cgroup::sweep();
        let metrics = jail.metrics.clone();
        let launches = Mutex::new(launcher(jail, Arc::clone(&cgroups)));
        Self {
            idle: Mutex::default(),
            launches,
            cgroups,
            metrics,
            runs_per_zygote,
        }
    }

    /// What control groups do here.
    pub fn cgroups(&self) -> &dyn Cgroups {
        &*self.cgroups
    }

    /// The process ids of the idle zygotes' jails and of the zygotes.
    pub fn pids(&self) -> Vec<(i32, i32)> {
        lock(&self.idle).iter().map(Zygote::pids).collect()
    }

    fn start(&self) -> Result<Zygote, InfrastructureError> {
        self.metrics.count_zygote_started();
        let (answer, started) = channel();
        // If the thread is gone, `answer` is dropped here, and receiving fails below.
        let _ = lock(&self.launches).send(answer);
        match started.recv() {
            Ok(started) => started,
            Err(_) => Err(InfrastructureError::Zygote(
                "the thread that starts zygotes is gone".to_owned(),
            )),
        }
    }

    fn take(&self) -> Result<Zygote, InfrastructureError> {
        loop {
            // The last one put back is taken first: its memory is most likely still in the caches.
            let idle = lock(&self.idle).pop();
            match idle {
                Some(zygote) if zygote.lives() => return Ok(zygote),
                // It ended while idle, which only something from outside can have done.
                Some(_) => self.metrics.count_zygote_unsound(),
                None => return self.start(),
            }
        }
    }

    fn put_back(&self, zygote: Zygote) {
        // Dropping it ends its jail and everything in it.
        if !zygote.sound {
            self.metrics.count_zygote_unsound();
        } else if zygote.runs < self.runs_per_zygote {
            lock(&self.idle).push(zygote);
        }
    }

    fn run_in(&self, mut zygote: Zygote, request: &Request<'_>) -> Result<RawRun, FailedRun> {
        let raw = zygote.run(request);
        self.put_back(zygote);
        raw
    }

    fn run_again_if_kept_out(&self, request: &Request<'_>) -> Result<RawRun, InfrastructureError> {
        let failed = match self.run_in(self.take()?, request) {
            Ok(raw) => return Ok(raw),
            Err(failed) => failed,
        };
        if !failed.before_entry {
            return Err(failed.error);
        }
        // The candidate was not let in, so it did no harm to that zygote: a new one may do.
        match self.run_in(self.start()?, request) {
            Ok(raw) => Ok(raw),
            Err(failed) => Err(failed.error),
        }
    }
}

impl Sandbox for Warm {
    fn run(&self, request: &Request<'_>) -> Result<RawRun, InfrastructureError> {
        let since = Instant::now();
        let raw = self.run_again_if_kept_out(request);
        self.metrics.observe_run(RunPath::Warm, since.elapsed());
        raw
    }
}

/// A thread that starts zygotes for as long as anyone asks: the kernel ends a zygote's jail with
/// the thread that started it, so it can't be one that comes and goes.
fn launcher(jail: Nsjail, cgroups: Arc<dyn Cgroups>) -> Sender<Launch> {
    let (sender, launches) = channel::<Launch>();
    let serve = move || {
        for launch in launches {
            // Nobody waits any more: the zygote is dropped.
            let _ = launch.send(Zygote::start(&jail, &*cgroups));
        }
    };
    thread::Builder::new()
        .name("zygotes".to_owned())
        .spawn(serve)
        .expect("a thread can be started");
    sender
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
