//! Boot order and its reverse: data folder, Postgres, schema, loops, services; then refuse calls, end loops, stop Postgres.

use std::{
    fs::File,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
    path::Path,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, bail};
use groklab_proto::{
    limits::MESSAGE_BYTES,
    v1::{
        artifacts_server::ArtifactsServer, experiments_server::ExperimentsServer,
        workers_server::WorkersServer,
    },
};
use groklab_runtime::{
    admin::Health,
    metrics::METER,
    process::Process,
    tasks::{Group, OnFailure},
};
use sqlx::postgres::PgConnectOptions;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::{
    service::interceptor::InterceptedService,
    transport::{Certificate, Identity, Server, ServerTlsConfig, server::TcpIncoming},
};

use crate::{
    access::{Access, Guard, Role},
    blobs::Blobs,
    config::{Config, Tls},
    connections, database_url, grpc,
    http::QueueFace,
    metrics::{self, Metrics, Observed},
    nudge::Nudge,
    observe::{self, Dependencies, Observer},
    postgres,
    scheduler::{self, Scheduler},
    service::{Resources, Service},
    standard_services::{SERVICES, calls_layer, reflection},
    store::Store,
};

/// How long calls and loops have to end once the coordinator is told to stop.
const GRACE: Duration = Duration::from_secs(10);
const KEEPALIVE: Duration = Duration::from_secs(20);
const CONNECTION_AGE: Duration = Duration::from_secs(30 * 60);
/// How long a connection may take to agree on TLS.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Calls at once on one connection; a worker has one or two.
const STREAMS: u32 = 1024;
const HEADER_BYTES: u32 = 16 << 10;

/// Serves until the process is to stop, then stops in order. Fails if it cannot start, or if a part
/// it cannot do without ends. `queue` is what the admin address answers from once there is a store.
pub async fn run(config: Config, process: Process, queue: QueueFace) -> anyhow::Result<()> {
    config.check()?;
    std::fs::create_dir_all(&config.data).with_context(|| {
        format!(
            "create the data folder `{}` (--data names another)",
            config.data.display()
        )
    })?;
    // First what may be refused at once: Postgres takes seconds to start.
    let listener = TcpListener::bind(config.listen).await.with_context(|| {
        format!("listen on {}: if another program serves there, end it or choose another port with --listen", config.listen)
    })?;
    match config.database()? {
        Some(options) => serve(&config, listener, options, process, queue).await,
        None => run_with_own_postgres(&config, listener, process, queue).await,
    }
}

async fn run_with_own_postgres(
    config: &Config,
    listener: TcpListener,
    process: Process,
    queue: QueueFace,
) -> anyhow::Result<()> {
    let _lock = lock(&config.data)?;
    let layout = postgres::Layout::prepare(&config.data).context("prepare Postgres")?;
    let server = postgres::Server::start(layout)
        .await
        .context("start Postgres")?;
    let options = server.connect();
    // Postgres is stopped last, whatever else happens.
    let last = CancellationToken::new();
    let supervisor = server.supervise(last.clone());
    let service = async {
        let outcome = serve(config, listener, options, process, queue).await;
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

async fn serve(
    config: &Config,
    listener: TcpListener,
    options: PgConnectOptions,
    process: Process,
    queue: QueueFace,
) -> anyhow::Result<()> {
    let place = database_url::place(&options);
    let store = Store::open(options)
        .await
        .with_context(|| format!("open the database {place}"))?;
    let meter = opentelemetry::global::meter(METER);
    let metrics = Metrics::new(&meter);
    let blobs = Blobs::in_folder(&config.data.join("artifacts"), metrics.clone())?;
    let nudge = Nudge::default();
    let address = listener
        .local_addr()
        .context("find the address that is served")?;
    let server = server(config.tls.as_ref())?;
    let certificates = config
        .tls
        .as_ref()
        .is_some_and(|tls| tls.client_ca.is_some());
    let access = Arc::new(Access::new(
        config.tokens.as_ref(),
        certificates,
        config.calls_per_second,
        metrics.clone(),
    ));
    if config.tls.is_none() && !address.ip().is_loopback() {
        tracing::warn!(%address, "tokens and results cross the network in plain text: give --tls-cert and --tls-key, or keep the network private");
    }

    let mut group = Group::new(process.stop.child_token());
    let observer = Observer {
        store: store.clone(),
        blobs: blobs.clone(),
        lease: config.lease,
        dependencies: Dependencies::default(),
        observed: Observed::default(),
    };
    metrics::observe(&meter, &observer.observed, &store);
    process.health.depends_on(observer.dependencies.clone());
    queue.answer_from(store.clone());
    group.spawn("observe", OnFailure::Log, observer.run(group.stop()));
    let scheduler = Scheduler {
        store: store.clone(),
        blobs: blobs.clone(),
        nudge: nudge.clone(),
        attempts: config.attempts,
        lease: config.lease,
        metrics: metrics.clone(),
    };
    group.spawn(
        "scheduler",
        OnFailure::Stop,
        scheduler.clone().run(group.stop()),
    );
    group.spawn(
        "sweep",
        OnFailure::Stop,
        scheduler.clone().sweep(group.stop()),
    );
    group.spawn("collect", OnFailure::Log, scheduler.collect(group.stop()));
    group.spawn(
        "listen",
        OnFailure::Stop,
        scheduler::listen(store.clone(), nudge.clone(), group.stop()),
    );
    let service = Arc::new(Service::start(
        Resources {
            store: store.clone(),
            blobs,
            nudge,
            lease: config.lease,
            attempts: config.attempts,
            metrics: metrics.clone(),
        },
        &mut group,
    ));
    let port = Port {
        server,
        access,
        listener,
        metrics,
        health: process.health,
    };
    group.spawn("grpc", OnFailure::Stop, port.serve(service, group.stop()));

    if let Some(path) = &config.address_file {
        write_address(
            path,
            if config.tls.is_some() {
                "https"
            } else {
                "http"
            },
            address,
        )?;
    }
    tracing::info!(%address, data = %config.data.display(), "serving");
    let outcome = group.finish(GRACE).await;
    if let Some(path) = &config.address_file
        && let Err(error) = std::fs::remove_file(path)
    {
        tracing::debug!(%error, "remove the address file");
    }
    if tokio::time::timeout(GRACE, store.close()).await.is_err() {
        tracing::warn!("database connections did not close in time");
    }
    tracing::info!("stopped");
    outcome
}

/// A server with its limits, and with TLS where that is asked for.
pub fn server(tls: Option<&Tls>) -> anyhow::Result<Server> {
    let server = Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE))
        .max_connection_age(CONNECTION_AGE)
        .max_concurrent_streams(STREAMS)
        .http2_max_header_list_size(HEADER_BYTES);
    let Some(tls) = tls else { return Ok(server) };
    let read =
        |path: &Path| std::fs::read(path).with_context(|| format!("read `{}`", path.display()));
    let identity = Identity::from_pem(read(&tls.cert)?, read(&tls.key)?);
    let mut settings = ServerTlsConfig::new().identity(identity).timeout(HANDSHAKE);
    if let Some(path) = &tls.client_ca {
        // Clients need none: the guard of the workers' services asks for it.
        settings = settings
            .client_ca_root(Certificate::from_pem(read(path)?))
            .client_auth_optional(true);
    }
    let names = format!(
        "prepare TLS from `{}` and `{}`: are both in PEM form, and is it the certificate's key?",
        tls.cert.display(),
        tls.key.display()
    );
    server.tls_config(settings).context(names)
}

/// The address that clients and workers call.
struct Port {
    server: Server,
    access: Arc<Access>,
    listener: TcpListener,
    metrics: Metrics,
    health: Health,
}

impl Port {
    async fn serve(self, service: Arc<Service>, stop: CancellationToken) -> anyhow::Result<()> {
        let experiments = ExperimentsServer::new(grpc::Experiments::new(service.clone()))
            .max_decoding_message_size(MESSAGE_BYTES)
            .max_encoding_message_size(MESSAGE_BYTES);
        let workers = WorkersServer::from_arc(service.clone())
            .max_decoding_message_size(MESSAGE_BYTES)
            .max_encoding_message_size(MESSAGE_BYTES);
        let artifacts = ArtifactsServer::from_arc(service)
            .max_decoding_message_size(MESSAGE_BYTES)
            .max_encoding_message_size(MESSAGE_BYTES);
        let guard = |role| Guard {
            access: self.access.clone(),
            role,
        };
        let (reporter, health) = tonic_health::server::health_reporter();
        let mut reports = Group::new(stop.clone());
        let report = observe::report_health(reporter, self.health, &SERVICES, stop.clone());
        reports.spawn("health", OnFailure::Log, report);
        let incoming = connections::limited(
            TcpIncoming::from(self.listener).with_nodelay(Some(true)),
            connections::most()?,
        );
        self.server
            .layer(calls_layer(self.metrics)?)
            // Whoever probes has no token, and learns nothing but whether it is served.
            .add_service(health)
            .add_service(InterceptedService::new(reflection()?, guard(Role::Client)))
            .add_service(InterceptedService::new(experiments, guard(Role::Client)))
            .add_service(InterceptedService::new(workers, guard(Role::Worker)))
            .add_service(InterceptedService::new(artifacts, guard(Role::Worker)))
            .serve_with_incoming_shutdown(incoming, stop.cancelled_owned())
            .await
            .context("serve gRPC")
    }
}

/// Writes the address where others on this machine look for it, all at once.
fn write_address(path: &Path, scheme: &str, mut address: SocketAddr) -> anyhow::Result<()> {
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() {
            Ipv4Addr::LOCALHOST.into()
        } else {
            Ipv6Addr::LOCALHOST.into()
        });
    }
    let half = path.with_extension("new");
    std::fs::write(&half, format!("{scheme}://{address}\n"))
        .with_context(|| format!("write `{}`", half.display()))?;
    std::fs::rename(&half, path).with_context(|| format!("write `{}`", path.display()))
}
