//! The whole stack: coordinator first, then the workers; stopped the other way round.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    time::Duration,
};

use groklab_domain::JobKind;
use groklab_runtime::secret::Secret;
use nix::sys::signal::Signal;
use tokio::{sync::mpsc, task::JoinSet};
use tokio_util::sync::CancellationToken;

use super::{
    component::{Component, DATABASE_URL, Running, program},
    leftover,
    lock::Lock,
    ready,
    supervise::{Orders, supervise},
    tokens,
};
use crate::{
    cli::UpArgs,
    client::Client,
    console::Console,
    failure::{Exit, Failure},
    interrupt::Interrupt,
    place::{CLIENT_TOKEN, DataFolder, WORKER_TOKEN, access, port_of},
};

const COORDINATOR: &str = "coordinator";
const WORKERS: [(JobKind, &str); 3] = [
    (JobKind::Generate, "worker-gen"),
    (JobKind::Verify, "worker-verify"),
    (JobKind::Train, "worker-train"),
];

/// What to bring up, and where.
#[derive(Debug, Clone)]
pub struct StackOptions {
    pub data: DataFolder,
    pub up: UpArgs,
    /// TLS towards the coordinator; its token is the data folder's.
    pub connect: groklab_runtime::connect::Args,
    /// The port to take where none was recorded and it is free; 0: any.
    pub port: u16,
}

/// A started component, for the person who wants to know.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Started {
    pub component: &'static str,
    /// The coordinator's; workers have none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    pub pid: i32,
    pub log: PathBuf,
}

/// Everything that runs; must be ended with [`Stack::stop`].
#[derive(Debug)]
pub struct Stack {
    client: Client,
    started: Vec<Started>,
    workers: Tier,
    coordinator: Tier,
    given_up: mpsc::Receiver<Failure>,
    now: CancellationToken,
    _lock: Lock,
}

impl Stack {
    /// Starts everything and waits until it is ready. When it fails or is interrupted, what was started is stopped again.
    pub async fn start(
        options: &StackOptions,
        interrupt: &Interrupt,
        console: &Console,
    ) -> Result<Self, Failure> {
        let folder = bin_folder(options.up.bin_dir.as_deref())?;
        let programs = [COORDINATOR]
            .into_iter()
            .chain(WORKERS.map(|(_, name)| name));
        let missing: Vec<&str> = programs
            .filter(|name| program(&folder, name).is_none())
            .collect();
        if !missing.is_empty() {
            let why = format!("{} not in {}", missing.join(", "), folder.display());
            return Err(Failure::new(Exit::NotFound, "find the programs to start")
                .because(why)
                .next("build them with `make build`, or name their folder with --bin-dir DIR"));
        }
        options.data.create()?;
        let lock = Lock::take(&options.data)?;
        leftover::adopt()?;
        let tokens = options
            .up
            .listen
            .is_some_and(|address| !address.ip().is_loopback());
        if tokens {
            tokens::make(&options.data)?;
        }
        let builder = Builder {
            options,
            folder,
            tokens,
            interrupt,
            console,
        };
        builder.start(lock).await
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

    /// Stops the workers, which drain, then the coordinator; kills what is left once the second signal has come.
    pub async fn stop(self) {
        self.workers.stop().await;
        self.coordinator.stop().await;
        end_leftovers(&self.now).await;
    }
}

async fn end_leftovers(now: &CancellationToken) {
    if now.is_cancelled() {
        leftover::end(Signal::SIGQUIT, Duration::from_millis(1500)).await;
    } else {
        leftover::end(Signal::SIGINT, Duration::from_secs(20)).await;
    }
}

/// Components that are stopped together.
#[derive(Debug)]
struct Tier {
    orders: Orders,
    tasks: JoinSet<()>,
}

impl Tier {
    fn new(interrupt: &Interrupt) -> Self {
        Self {
            orders: Orders {
                stop: CancellationToken::new(),
                now: interrupt.now.clone(),
            },
            tasks: JoinSet::new(),
        }
    }

    fn supervise(
        &mut self,
        component: Component,
        running: Running,
        console: &Console,
        given_up: mpsc::Sender<Failure>,
    ) {
        let supervised = supervise(component, running, self.orders.clone(), console.clone());
        self.tasks.spawn(async move {
            if let Err(failure) = supervised.await {
                // The first one counts; nobody listens once the stack stops.
                let _ = given_up.try_send(failure);
            }
        });
    }

    async fn stop(mut self) {
        self.orders.stop.cancel();
        while self.tasks.join_next().await.is_some() {}
    }
}

struct Builder<'a> {
    options: &'a StackOptions,
    folder: PathBuf,
    /// Whether the coordinator asks for the data folder's tokens.
    tokens: bool,
    interrupt: &'a Interrupt,
    console: &'a Console,
}

impl Builder<'_> {
    async fn start(&self, lock: Lock) -> Result<Stack, Failure> {
        let (sender, given_up) = mpsc::channel(1);
        let mut coordinator = Tier::new(self.interrupt);
        let mut workers = Tier::new(self.interrupt);
        let mut started = Vec::new();
        let outcome = async {
            let client = self
                .start_coordinator(&mut coordinator, &mut started, &sender)
                .await?;
            self.start_workers(&client, &mut workers, &mut started, &sender)
                .await?;
            Ok(client)
        };
        match outcome.await {
            Ok(client) => {
                let now = self.interrupt.now.clone();
                Ok(Stack {
                    client,
                    started,
                    workers,
                    coordinator,
                    given_up,
                    now,
                    _lock: lock,
                })
            }
            Err(failure) => {
                workers.stop().await;
                coordinator.stop().await;
                end_leftovers(&self.interrupt.now).await;
                Err(failure)
            }
        }
    }

    async fn start_coordinator(
        &self,
        tier: &mut Tier,
        started: &mut Vec<Started>,
        given_up: &mpsc::Sender<Failure>,
    ) -> Result<Client, Failure> {
        let data = &self.options.data;
        let address_file = data.path().join("coordinator.address");
        // A stale one would name a port that another process may have by now.
        let _ = std::fs::remove_file(&address_file);
        let mut listen = match self.options.up.listen {
            Some(address) => address,
            None => (Ipv4Addr::LOCALHOST, self.choose_port().await).into(),
        };
        let mut connect = self.options.connect.clone();
        if self.tokens {
            // Not one that the environment holds for another coordinator.
            connect.token_file = Some(data.token_file(CLIENT_TOKEN));
        }
        // Its address is not known yet; where it wants a token, that is named above.
        let access = access(&connect, data, "")?;
        let component =
            self.component(COORDINATOR, self.coordinator_args(listen, &address_file))?;
        let mut running = launch(&component)?;
        let waited = self
            .interrupt
            .unless_stopped(ready::coordinator(
                &component,
                &mut running,
                &address_file,
                &access,
            ))
            .await;
        let pid = running.id();
        let client = self.keep_or_end(waited, running, tier).await;
        let (client, running) = client?;
        // A restart must come back where the workers look for it.
        listen.set_port(port_of(client.url()).unwrap_or(listen.port()));
        let restart = Component {
            args: self.coordinator_args(listen, &address_file),
            ..component.clone()
        };
        tier.supervise(restart, running, self.console, given_up.clone());
        data.record_url(client.url()).map_err(|error| {
            Failure::other(format!("write `{}`", data.address_file().display())).because(error)
        })?;
        started.push(Started {
            component: COORDINATOR,
            address: Some(client.url().to_owned()),
            pid,
            log: component.log,
        });
        Ok(client)
    }

    /// Starts all workers, then waits for each: they load at the same time.
    async fn start_workers(
        &self,
        client: &Client,
        tier: &mut Tier,
        started: &mut Vec<Started>,
        given_up: &mpsc::Sender<Failure>,
    ) -> Result<(), Failure> {
        let before = ready::Before::of(&client.workers().await?);
        let mut args = ["work", "--coordinator", client.url(), "--cache"]
            .map(String::from)
            .to_vec();
        args.push(self.options.data.path().join("cache").display().to_string());
        let mut launched = Vec::new();
        let mut outcome = Ok(());
        for (kind, name) in WORKERS {
            match self
                .component(name, args.clone())
                .and_then(|component| Ok((launch(&component)?, component)))
            {
                Ok((running, component)) => launched.push((kind, component, running)),
                Err(failure) => outcome = outcome.and(Err(failure)),
            }
        }
        for (kind, component, mut running) in launched {
            if outcome.is_ok() {
                let waiting = ready::worker(client, kind, &before, &component, &mut running);
                outcome = self.interrupt.unless_stopped(waiting).await;
            }
            if outcome.is_err() {
                // What was launched beside it ends in order; what has died stays dead.
                tier.orders.stop.cancel();
            }
            started.push(Started {
                component: component.name,
                address: None,
                pid: running.id(),
                log: component.log.clone(),
            });
            tier.supervise(component, running, self.console, given_up.clone());
        }
        outcome
    }

    async fn keep_or_end<T>(
        &self,
        waited: Result<T, Failure>,
        mut running: Running,
        tier: &Tier,
    ) -> Result<(T, Running), Failure> {
        match waited {
            Ok(value) => Ok((value, running)),
            Err(failure) => {
                // The failure to start is what the person needs to hear.
                let _ = running
                    .stop(Duration::from_secs(30), &tier.orders.now)
                    .await;
                Err(failure)
            }
        }
    }

    fn coordinator_args(&self, listen: SocketAddr, address_file: &Path) -> Vec<String> {
        let mut args = vec![
            "--listen".to_owned(),
            listen.to_string(),
            "--data".to_owned(),
            self.options.data.path().display().to_string(),
        ];
        args.extend([
            "--address-file".to_owned(),
            address_file.display().to_string(),
        ]);
        args
    }

    fn component(&self, name: &'static str, args: Vec<String>) -> Result<Component, Failure> {
        let path = program(&self.folder, name).ok_or_else(|| {
            Failure::new(
                Exit::NotFound,
                format!("find {name} in `{}`", self.folder.display()),
            )
        })?;
        let database = self
            .options
            .up
            .database_url
            .iter()
            .filter(|_| name == COORDINATOR);
        let mut env: Vec<_> = database
            .map(|url| (DATABASE_URL, url.reveal().to_owned()))
            .collect();
        if self.tokens {
            let file = |side| self.options.data.token_file(side).display().to_string();
            match name {
                COORDINATOR => env.extend([
                    ("GROKLAB_CLIENT_TOKEN_FILE", file(CLIENT_TOKEN)),
                    ("GROKLAB_WORKER_TOKEN_FILE", file(WORKER_TOKEN)),
                ]),
                _ => env.push(("GROKLAB_TOKEN_FILE", file(WORKER_TOKEN))),
            }
        }
        if name != COORDINATOR {
            let connect = &self.options.connect;
            let files = [
                ("GROKLAB_TLS_CA", &connect.tls_ca),
                ("GROKLAB_TLS_CERT", &connect.tls_cert),
                ("GROKLAB_TLS_KEY", &connect.tls_key),
            ];
            env.extend(
                files
                    .into_iter()
                    .filter_map(|(name, path)| Some((name, path.as_ref()?.display().to_string()))),
            );
        }
        let env = env
            .into_iter()
            .map(|(name, value)| (name, Secret::new(value)))
            .collect();
        Ok(Component {
            name,
            program: path,
            args,
            env,
            log: self.options.data.log_file(name),
            sweep: name != COORDINATOR,
        })
    }

    /// The port recorded last if it is free (a former coordinator may still be on its way out), else the wanted one, else any.
    async fn choose_port(&self) -> u16 {
        if let Some(port) = self
            .options
            .data
            .recorded_url()
            .as_deref()
            .and_then(port_of)
        {
            for _ in 0..25 {
                if free(port) {
                    return port;
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            self.console.note(format!(
                "port {port}, used last time, is taken by another process; choosing another"
            ));
        }
        let wanted = self.options.port;
        if free(wanted) { wanted } else { 0 }
    }
}

fn free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

fn launch(component: &Component) -> Result<Running, Failure> {
    component.start().map_err(|error| {
        Failure::other(format!("start `{}`", component.program.display())).because(error)
    })
}

fn bin_folder(named: Option<&Path>) -> Result<PathBuf, Failure> {
    let own = || {
        let own = std::env::current_exe().map_err(|error| {
            Failure::other("find grokctl's own folder")
                .because(error)
                .next("name it with --bin-dir DIR")
        })?;
        Ok(own.parent().map(Path::to_path_buf).unwrap_or_default())
    };
    named.map_or_else(own, |folder| Ok(folder.to_path_buf()))
}
