//! Boot order and its reverse: data folder, Postgres, schema, loops, services; then refuse calls,
//! end loops, stop Postgres.

use std::{
    fs::File,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    path::Path,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, bail};
use groklab_runtime::{
    admin::Health,
    metrics::METER,
    process::Process,
    tasks::{Group, OnFailure},
};
use sqlx::postgres::PgConnectOptions;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    access::Access,
    blobs::{Abandoned, Blobs},
    config::Config,
    database_url,
    http::QueueFace,
    metrics::{self, Metrics, Observed},
    nudge::Nudge,
    observe::{Dependencies, Observer},
    port::Port,
    postgres,
    scheduler::{self, Scheduler},
    service::{Resources, Service},
    store::Store,
    tls::Certificates,
};

/// How long calls and loops have to end once the coordinator is told to stop.
const STOP_GRACE: Duration = Duration::from_secs(10);

/// Serves until the process is to stop, then stops in order. Fails if it cannot start, or if a part
/// it cannot do without ends. `queue` is what the admin address answers from once there is a store.
pub async fn run(config: Config, process: Process, queue: QueueFace) -> anyhow::Result<()> {
    config.check()?;
    if config.database_url.is_none() || config.artifacts.is_none() {
        std::fs::create_dir_all(&config.data).with_context(|| {
            format!(
                "create the data folder `{}` (--data names another)",
                config.data.display()
            )
        })?;
    }
    // First what may be refused at once: Postgres takes seconds to start.
    let listener = TcpListener::bind(config.listen).await.with_context(|| {
        format!(
            "listen on {}: if another program serves there, end it or choose another port with \
             --listen",
            config.listen
        )
    })?;
    let certificates = config.tls.clone().map(Certificates::read).transpose()?;
    let metrics = Metrics::new(&opentelemetry::global::meter(METER));
    let (blobs, abandoned) = Blobs::open(&config.artifacts(), &config.aws, metrics.clone())?;
    match process.stop.run_until_cancelled(blobs.check()).await {
        Some(checked) => checked?,
        None => return Ok(()),
    }
    let parts = Parts {
        listener,
        certificates,
        process,
        queue,
        blobs,
        abandoned,
        metrics,
    };
    match config.database()? {
        Some(options) => serve(&config, parts, options).await,
        None => run_with_own_postgres(&config, parts).await,
    }
}

/// What there is before the database.
struct Parts {
    listener: TcpListener,
    certificates: Option<Certificates>,
    process: Process,
    queue: QueueFace,
    blobs: Blobs,
    abandoned: Abandoned,
    metrics: Metrics,
}

async fn run_with_own_postgres(config: &Config, parts: Parts) -> anyhow::Result<()> {
    // Before anything in the folder is looked at: two coordinators would adopt one Postgres, and
    // the first to stop would stop it for both.
    let _lock = lock(&config.data)?;
    let layout = postgres::Layout::prepare(&config.data).context("prepare Postgres")?;
    let server = postgres::Server::start(layout)
        .await
        .context("start Postgres")?;
    let options = server.connect();
    // Postgres is stopped last, whatever else happens.
    // Not a child of the process's: the coordinator's last transactions need it after the stop.
    let last = CancellationToken::new();
    let supervisor = server.supervise(last.clone());
    let service = async {
        let outcome = serve(config, parts, options).await;
        last.cancel();
        outcome
    };
    let (outcome, ()) = tokio::join!(service, supervisor);
    outcome
}

/// One coordinator at a time looks after a data folder's Postgres; the lock ends with the process.
fn lock(data: &Path) -> anyhow::Result<File> {
    let path = data.join("coordinator.lock");
    let file = File::create(&path).with_context(|| format!("create `{}`", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => bail!(
            "another coordinator uses the data folder `{}`",
            data.display()
        ),
        Err(std::fs::TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("lock `{}`", path.display()))
        }
    }
}

async fn serve(config: &Config, parts: Parts, options: PgConnectOptions) -> anyhow::Result<()> {
    let Parts {
        listener,
        certificates,
        process,
        queue,
        blobs,
        abandoned,
        metrics,
    } = parts;
    let place = database_url::place(&options);
    let store = Store::open(options)
        .await
        .with_context(|| format!("open the database {place}"))?;
    let address = listener
        .local_addr()
        .context("find the address that is served")?;
    let resources = Resources {
        store: store.clone(),
        blobs,
        nudge: Nudge::default(),
        lease: config.lease,
        attempts: config.attempts,
        model_folder: config.model_folder.clone(),
        metrics,
    };
    let port = Port {
        tls: certificates.as_ref().map(Certificates::handshakes),
        access: Arc::new(access(config, &resources.metrics)),
        listener,
        metrics: resources.metrics.clone(),
        health: process.health.clone(),
    };
    // A child: a part that fails stops the others without ending Postgres under them.
    let mut group = Group::new(process.stop.child_token());
    if let Some(certificates) = certificates {
        let followed = certificates.follow(group.stop());
        group.spawn("certificates", OnFailure::Log, followed);
    }
    // Ends by itself, after the last call that could leave an upload.
    group.spawn("abandoned uploads", OnFailure::Log, abandoned.run());
    spawn_observer(&mut group, &resources, &process.health);
    queue.answer_from(store.clone());
    spawn_loops(&mut group, &resources);
    let service = Arc::new(Service::start(resources, &mut group));
    // Last, when everything that a call may need is there.
    group.spawn("grpc", OnFailure::Stop, port.serve(service, group.stop()));
    announce(config, address)?;
    // Calls that wait for work end at once with `stop`; the others have this long.
    let outcome = group.finish(STOP_GRACE).await;
    withdraw(config);
    if tokio::time::timeout(STOP_GRACE, store.close())
        .await
        .is_err()
    {
        tracing::warn!("database connections did not close in time");
    }
    tracing::info!("stopped");
    outcome
}

fn access(config: &Config, metrics: &Metrics) -> Access {
    let tls = config.tls.as_ref();
    let asks_for_certificates = tls.is_some_and(|tls| tls.client_ca.is_some());
    Access::new(
        config.tokens.as_ref(),
        asks_for_certificates,
        config.calls_per_second,
        metrics.clone(),
    )
}

/// Looks after readiness and metrics.
fn spawn_observer(group: &mut Group, resources: &Resources, health: &Health) {
    let observer = Observer {
        store: resources.store.clone(),
        blobs: resources.blobs.clone(),
        lease: resources.lease,
        dependencies: Dependencies::default(),
        observed: Observed::default(),
    };
    let meter = opentelemetry::global::meter(METER);
    metrics::observe(&meter, &observer.observed, &observer.store);
    health.depends_on(observer.dependencies.clone());
    group.spawn("observe", OnFailure::Log, observer.run(group.stop()));
}

/// The loops that carry experiments through.
fn spawn_loops(group: &mut Group, resources: &Resources) {
    let scheduler = Scheduler {
        store: resources.store.clone(),
        blobs: resources.blobs.clone(),
        nudge: resources.nudge.clone(),
        attempts: resources.attempts,
        lease: resources.lease,
        metrics: resources.metrics.clone(),
    };
    let reconcile = scheduler.clone().run(group.stop());
    group.spawn("scheduler", OnFailure::Stop, reconcile);
    let sweep = scheduler.clone().sweep(group.stop());
    group.spawn("sweep", OnFailure::Stop, sweep);
    let delete = scheduler.clone().delete(group.stop());
    group.spawn("delete", OnFailure::Stop, delete);
    // Without it the store grows, and nothing else suffers.
    group.spawn("collect", OnFailure::Log, scheduler.collect(group.stop()));
    let (store, nudge) = (resources.store.clone(), resources.nudge.clone());
    let listen = scheduler::listen(store, nudge, group.stop());
    group.spawn("listen", OnFailure::Stop, listen);
}

/// Says where it serves, to people and to programs on this machine.
fn announce(config: &Config, address: SocketAddr) -> anyhow::Result<()> {
    if config.tls.is_none() && !address.ip().is_loopback() {
        tracing::warn!(
            %address,
            "tokens and results cross the network in plain text: give --tls-cert and --tls-key, \
             or keep the network private"
        );
    }
    if let Some(path) = &config.address_file {
        let scheme = if config.tls.is_some() {
            "https"
        } else {
            "http"
        };
        write_address(path, scheme, address)?;
    }
    let (data, artifacts) = (config.data.display(), config.artifacts());
    tracing::info!(%address, %data, %artifacts, "serving");
    Ok(())
}

/// Takes back what [`announce`] wrote, so that nobody looks for a coordinator that has gone.
fn withdraw(config: &Config) {
    if let Some(path) = &config.address_file
        && let Err(error) = std::fs::remove_file(path)
    {
        tracing::debug!(%error, "remove the address file");
    }
}

/// Writes the address where others on this machine look for it, all at once.
fn write_address(path: &Path, scheme: &str, mut address: SocketAddr) -> anyhow::Result<()> {
    // 0.0.0.0 is no address to call, though some systems take it for this machine.
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() {
            Ipv4Addr::LOCALHOST.into()
        } else {
            Ipv6Addr::LOCALHOST.into()
        });
    }
    // Renamed into place: who waits for the file never reads half of it.
    let half = path.with_extension("new");
    std::fs::write(&half, format!("{scheme}://{address}\n"))
        .with_context(|| format!("write `{}`", half.display()))?;
    std::fs::rename(&half, path).with_context(|| format!("write `{}`", path.display()))
}
