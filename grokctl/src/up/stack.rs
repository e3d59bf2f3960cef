//! The whole stack: coordinator first, then the workers; stopped the other way round.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use groklab_domain::JobKind;
use nix::sys::signal::Signal;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{
    component::{Component, Running, program},
    launch::{Launcher, launch},
    leftover,
    options::{StackOptions, Started},
    programs::{self, COORDINATOR},
    ready::{self, Launched},
    tier::Tier,
    tokens,
};
use crate::{
    address::access,
    client::Client,
    console::Console,
    data_folder::CLIENT_TOKEN,
    failure::{Exit, Failure, file_step},
    interrupt::Interrupt,
    lock::Lock,
    url::port_of,
};

/// How long a coordinator that never became ready may take to stop its database.
const FAILED_START_GRACE: Duration = Duration::from_secs(30);
/// How long a database that outlived its coordinator may take to stop, asked politely.
const LEFTOVER_GRACE: Duration = Duration::from_secs(20);
/// The same once the user wants everything to end at once.
const LEFTOVER_KILL_GRACE: Duration = Duration::from_millis(1500);

/// Everything that runs; must be ended with [`Stack::stop`].
#[derive(Debug)]
pub struct Stack {
    client: Client,
    started: Vec<Started>,
    workers: Tier,
    coordinator: Tier,
    given_up: mpsc::Receiver<Failure>,
    kill: CancellationToken,
    _lock: Lock,
}

impl Stack {
    /// Starts everything and waits until it is ready. When it fails or is interrupted, what was
    /// started is stopped again.
    pub async fn start(
        options: &StackOptions,
        interrupt: &Interrupt,
        console: &Console,
    ) -> Result<Self, Failure> {
        let folder = bin_folder(options.up.bin_dir.as_deref())?;
        require_programs(&folder)?;
        let lock = prepare_data(options)?;
        leftover::adopt()?;
        let (sender, given_up) = mpsc::channel(1);
        let mut starting = Starting {
            launcher: Launcher {
                options,
                folder,
                console,
            },
            interrupt,
            given_up: sender,
            coordinator: Tier::new(interrupt.kill.clone()),
            workers: Tier::new(interrupt.kill.clone()),
            started: Vec::new(),
        };
        let client = match starting.start_all().await {
            Ok(client) => client,
            Err(failure) => {
                starting.stop().await;
                return Err(failure);
            }
        };
        Ok(Self {
            client,
            started: starting.started,
            workers: starting.workers,
            coordinator: starting.coordinator,
            given_up,
            kill: interrupt.kill.clone(),
            _lock: lock,
        })
    }

    /// A client connected to the coordinator.
    pub fn client(&self) -> &Client {
        &self.client
    }

    pub fn started(&self) -> &[Started] {
        &self.started
    }

    /// Waits until a component had to be given up. Cancel-safe.
    pub async fn given_up(&mut self) -> Failure {
        match self.given_up.recv().await {
            Some(failure) => failure,
            None => std::future::pending().await,
        }
    }

    /// Stops the workers, which drain, then the coordinator; kills what is left once the second
    /// signal has come.
    pub async fn stop(self) {
        self.workers.stop().await;
        self.coordinator.stop().await;
        end_leftovers(&self.kill).await;
    }
}

/// Makes the data folder ours, with everything that must lie there before a component starts.
fn prepare_data(options: &StackOptions) -> Result<Lock, Failure> {
    options.data.create()?;
    let lock = Lock::take(&options.data)?;
    if options.is_reachable_by_others() {
        tokens::make(&options.data)?;
    }
    Ok(lock)
}

async fn end_leftovers(kill: &CancellationToken) {
    // Postgres stops fast at SIGINT and at once at SIGQUIT.
    if kill.is_cancelled() {
        leftover::end(Signal::SIGQUIT, LEFTOVER_KILL_GRACE).await;
    } else {
        leftover::end(Signal::SIGINT, LEFTOVER_GRACE).await;
    }
}

/// A stack while it comes up.
struct Starting<'a> {
    launcher: Launcher<'a>,
    interrupt: &'a Interrupt,
    given_up: mpsc::Sender<Failure>,
    coordinator: Tier,
    workers: Tier,
    started: Vec<Started>,
}

impl Starting<'_> {
    /// Stops what has been started so far.
    async fn stop(self) {
        self.workers.stop().await;
        self.coordinator.stop().await;
        end_leftovers(&self.interrupt.kill).await;
    }

    async fn start_all(&mut self) -> Result<Client, Failure> {
        let client = self.start_coordinator().await?;
        self.start_workers(&client).await?;
        Ok(client)
    }

    async fn start_coordinator(&mut self) -> Result<Client, Failure> {
        let options = self.launcher.options;
        let address_file = options.data.path().join("coordinator.address");
        // A stale one would name a port that another process may have by now.
        let _ = std::fs::remove_file(&address_file);
        let mut listen = self.launcher.choose_listen_address().await;
        let component = self.launcher.coordinator(listen, &address_file)?;
        let mut running = launch(&component)?;
        let pid = running.id();
        let client = match self
            .wait_for_coordinator(&component, &mut running, &address_file)
            .await
        {
            Ok(client) => client,
            Err(failure) => {
                // Why it did not start is what the person needs to hear.
                let _ = running.stop(FAILED_START_GRACE, &self.interrupt.kill).await;
                return Err(failure);
            }
        };
        // A restart must come back where the workers look for it.
        listen.set_port(port_of(client.url()).unwrap_or(listen.port()));
        let restart = self.launcher.coordinator(listen, &address_file)?;
        let (console, given_up) = (self.launcher.console, self.given_up.clone());
        self.coordinator
            .supervise(restart, running, console, given_up);
        let recorded = options.data.record_url(client.url());
        file_step("write", &options.data.address_file(), recorded)?;
        self.started.push(Started {
            component: COORDINATOR.to_owned(),
            address: Some(client.url().to_owned()),
            pid,
            log: component.log,
        });
        Ok(client)
    }

    async fn wait_for_coordinator(
        &self,
        component: &Component,
        running: &mut Running,
        address_file: &Path,
    ) -> Result<Client, Failure> {
        let options = self.launcher.options;
        let mut connect = options.connect.clone();
        if options.is_reachable_by_others() {
            // Not one that the environment holds for another coordinator.
            connect.token_file = Some(options.data.token_file(CLIENT_TOKEN));
        }
        // Its address is not known yet; where it wants a token, that is named above.
        let access = access(&connect, &options.data, None, "")?;
        let ready = ready::coordinator(component, running, address_file, &access);
        self.interrupt.unless_stopped(ready).await
    }

    /// Starts all workers, then waits for them: they load at the same time.
    async fn start_workers(&mut self, client: &Client) -> Result<(), Failure> {
        let before = ready::KnownWorkers::among(&client.workers().await?);
        let mut launched = Vec::new();
        let mut outcome = Ok(());
        for worker in programs::workers(&self.launcher.options.up) {
            match self.launcher.launch_worker(&worker, client.url()) {
                Ok((component, running)) => launched.push(Launched {
                    worker,
                    component,
                    running,
                }),
                // The others still have to be stopped in order.
                Err(failure) => outcome = outcome.and(Err(failure)),
            }
        }
        if outcome.is_ok() {
            let ready = ready::workers(client, &before, &mut launched);
            outcome = self.interrupt.unless_stopped(ready).await;
        }
        if outcome.is_err() {
            // What was launched ends in order; what has died stays dead.
            self.workers.refuse_restarts();
        }
        for one in launched {
            self.started.push(Started {
                component: one.component.name.clone(),
                address: None,
                pid: one.running.id(),
                log: one.component.log.clone(),
            });
            self.workers.supervise(
                one.component,
                one.running,
                self.launcher.console,
                self.given_up.clone(),
            );
        }
        outcome
    }
}

fn require_programs(folder: &Path) -> Result<(), Failure> {
    let mut missing = Vec::new();
    if program(folder, COORDINATOR).is_none() {
        missing.push(COORDINATOR);
    }
    // All missing ones at once, so that nobody builds them one by one.
    for name in JobKind::ALL.iter().copied().map(programs::program) {
        if program(folder, name).is_none() {
            missing.push(name);
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let why = format!("{} not in {}", missing.join(", "), folder.display());
    Err(Failure::new(Exit::NotFound, "find the programs to start")
        .because(why)
        .next("build them with `make build`, or name their folder with --bin-dir DIR"))
}

/// Where the programs are: beside grokctl unless named.
pub fn bin_folder(named: Option<&Path>) -> Result<PathBuf, Failure> {
    if let Some(folder) = named {
        return Ok(folder.to_path_buf());
    }
    // Where they were built or installed together.
    let own = std::env::current_exe().map_err(|error| {
        Failure::other("find grokctl's own folder")
            .because(error)
            .next("name it with --bin-dir DIR")
    })?;
    Ok(own.parent().map(Path::to_path_buf).unwrap_or_default())
}
