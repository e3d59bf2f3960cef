//! The frame of a process: runtime, telemetry, stop token, admin address, and the error chain
//! printed once.

use std::{future::Future, net::SocketAddr, num::NonZeroUsize, process::ExitCode, time::Duration};

use anyhow::Context as _;
use axum::Router;
use tokio::{net::TcpListener, runtime};
use tokio_util::sync::CancellationToken;

use crate::{
    admin::{self, Admin, Health},
    config::{self, Otlp},
    connect, output, shutdown,
    start_again::{self, StartAgain},
    tasks::{Group, OnFailure},
    telemetry::{self, Telemetry},
};

/// The exit code of a command line, or a file that it names, that cannot be used: starting again
/// will not help. It is clap's own as well. Everything else that ends a service is 1.
pub const USAGE: u8 = 2;

/// Runtime threads of a process whose computing has threads of its own: one may be busy for a
/// moment, as with a large message, while the other answers probes and sends heartbeats.
pub const THREADS_BESIDE_COMPUTE: usize = 2;

/// How long answers on the admin address may take once the service has ended.
const ADMIN_GRACE: Duration = Duration::from_secs(1);

/// A service before it runs.
pub struct Service {
    pub name: &'static str,
    pub args: config::Args,
    /// Threads of the async runtime where the arguments name no number; none: one per core.
    pub runtime_threads: Option<NonZeroUsize>,
    /// What the admin address answers beside health and metrics.
    pub routes: Router,
}

/// What a running service has of its process.
#[derive(Clone)]
pub struct Process {
    /// Cancelled once the process is to end.
    pub stop: CancellationToken,
    /// Where the service says what its readiness depends on.
    pub health: Health,
    /// Where the service asks to be started anew once it has ended.
    pub start_again: StartAgain,
}

impl Process {
    pub fn new(stop: CancellationToken) -> Self {
        let health = Health::new(stop.clone());
        Self {
            stop,
            health,
            start_again: StartAgain::default(),
        }
    }
}

impl Service {
    /// The frame of a worker, which answers nothing beside health and metrics.
    pub fn worker(name: &'static str, args: config::Args) -> Self {
        Self {
            name,
            args,
            runtime_threads: NonZeroUsize::new(THREADS_BESIDE_COMPUTE),
            routes: Router::new(),
        }
    }

    /// Runs a service until it ends by itself or is told to stop.
    pub fn run<F, Fut>(self, service: F) -> ExitCode
    where
        F: FnOnce(Process) -> Fut,
        Fut: Future<Output = anyhow::Result<()>>,
    {
        start_again::release();
        let name = self.name;
        let outcome = self.runtime().and_then(|runtime| {
            let outcome = runtime.block_on(self.run_async(service));
            // A blocking call that never returns must not keep the process.
            runtime.shutdown_background();
            outcome
        });
        let outcome = outcome
            .and_then(|start_again| start_again.carry_out().context("start the program again"));
        match outcome {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => print_failure(name, &error),
        }
    }

    fn runtime(&self) -> anyhow::Result<runtime::Runtime> {
        let mut builder = runtime::Builder::new_multi_thread();
        if let Some(threads) = self.args.runtime_threads.or(self.runtime_threads) {
            builder.worker_threads(threads.get());
        }
        builder
            .enable_all()
            .build()
            .context("start the async runtime")
    }

    async fn run_async<F, Fut>(self, service: F) -> anyhow::Result<StartAgain>
    where
        F: FnOnce(Process) -> Fut,
        Fut: Future<Output = anyhow::Result<()>>,
    {
        let telemetry = telemetry::init(self.name, &self.args, Otlp::from_environment())?;
        let process = Process::new(shutdown::token(config::drain_fd())?);
        // The admin address outlives the service, so that it answers while the service drains.
        let mut admin = Group::new(CancellationToken::new());
        if let Some(address) = self.args.admin_listen {
            let health = process.health.clone();
            serve_admin(&mut admin, address, health, self.routes, &telemetry).await?;
        }
        let start_again = process.start_again.clone();
        let outcome = service(process).await;
        // The service has ended: there is nothing left to ask about.
        admin.stop().cancel();
        outcome.and(admin.finish(ADMIN_GRACE).await)?;
        Ok(start_again)
    }
}

async fn serve_admin(
    group: &mut Group,
    address: SocketAddr,
    health: Health,
    routes: Router,
    telemetry: &Telemetry,
) -> anyhow::Result<()> {
    // There are instruments wherever there is an admin address.
    let Some(instruments) = telemetry.instruments.clone() else {
        return Ok(());
    };
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("listen on {address} (--admin-listen)"))?;
    let address = listener
        .local_addr()
        .context("find the admin address that is served")?;
    tracing::info!(%address, "serving health and metrics");
    let admin = Admin {
        health,
        instruments,
    };
    let serving = admin::serve(listener, admin, routes, group.stop());
    // A service goes on with its work where this fails; whoever probes it gets no answer and knows.
    group.spawn("admin", OnFailure::Log, serving);
    Ok(())
}

fn print_failure(name: &str, error: &anyhow::Error) -> ExitCode {
    output::complain(format!("{name}: error: {error:#}"));
    if error.chain().any(|cause| cause.is::<connect::Error>()) {
        ExitCode::from(USAGE)
    } else {
        ExitCode::FAILURE
    }
}
