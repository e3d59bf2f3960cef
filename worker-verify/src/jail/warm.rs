//! The warm path: a zygote per thread that asks, each used for many candidates, one at a time. Replaces a zygote that has run
//! its share and any that did not do exactly what it must. `zygote.rs` is one of them.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::Ordering,
        mpsc::{Sender, channel},
    },
    thread,
};

use crate::jail::cgroup::{self, Cgroups};
use crate::jail::nsjail::Nsjail;
use crate::jail::zygote::Zygote;
use crate::metrics::METRICS;
use crate::sandbox::{InfrastructureError, Raw, Request, Sandbox};

/// Candidates a zygote runs before it is replaced.
const RUNS: u32 = 2000;

/// Zygotes, started when they are needed.
pub struct Warm {
    idle: Mutex<Vec<Zygote>>,
    launches: Mutex<Sender<Launch>>,
    cgroups: Arc<dyn Cgroups>,
    runs: u32,
}

type Launch = Sender<Result<Zygote, InfrastructureError>>;

impl Warm {
    /// Starts nothing yet.
    pub fn new(jail: Nsjail) -> Self {
        let cgroups = Arc::clone(&jail.cgroups);
        Self::over(jail, cgroups, RUNS)
    }

    /// With these control groups, and a new zygote after every `runs` candidates.
    pub fn with(jail: Nsjail, cgroups: Box<dyn Cgroups>, runs: u32) -> Self {
        Self::over(jail, cgroups.into(), runs)
    }

    fn over(jail: Nsjail, cgroups: Arc<dyn Cgroups>, runs: u32) -> Self {
        cgroup::sweep();
        let launches = Mutex::new(launcher(jail, Arc::clone(&cgroups)));
        Self {
            idle: Mutex::default(),
            launches,
            cgroups,
            runs,
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
        METRICS.zygotes_started.fetch_add(1, Ordering::Relaxed);
        let (answer, started) = channel();
        let gone =
            |()| InfrastructureError::Zygote("the thread that starts zygotes is gone".to_owned());
        lock(&self.launches).send(answer).map_err(|_| gone(()))?;
        started.recv().map_err(|_| gone(()))?
    }

    fn take(&self) -> Result<Zygote, InfrastructureError> {
        loop {
            let idle = lock(&self.idle).pop();
            match idle {
                Some(zygote) if zygote.lives() => return Ok(zygote),
                Some(_) => METRICS.zygotes_unsound.fetch_add(1, Ordering::Relaxed),
                None => return self.start(),
            };
        }
    }

    fn put_back(&self, zygote: Zygote) {
        if !zygote.sound {
            METRICS.zygotes_unsound.fetch_add(1, Ordering::Relaxed);
        } else if zygote.runs < self.runs {
            lock(&self.idle).push(zygote);
        }
    }
}

impl Sandbox for Warm {
    fn run(&self, request: &Request<'_>) -> Result<Raw, InfrastructureError> {
        let mut zygote = self.take()?;
        let outcome = zygote.run(request);
        self.put_back(zygote);
        match outcome {
            Ok(raw) => Ok(raw),
            // The candidate has not been let in: whatever happened to that zygote, a new one may do.
            Err(failed) if failed.before => {
                let mut zygote = self.start()?;
                let outcome = zygote.run(request);
                self.put_back(zygote);
                outcome.map_err(|failed| failed.error)
            }
            Err(failed) => Err(failed.error),
        }
    }
}

/// A thread that starts zygotes for as long as anyone asks: the kernel ends a zygote's jail with the thread that started it, so it
/// can't be one that comes and goes.
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
