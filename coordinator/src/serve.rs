//! Boot order and its reverse: data folder, Postgres, schema, loops, services; then refuse calls, end loops, stop Postgres.

use std::{fs::File, net::SocketAddr, path::Path, str::FromStr as _, sync::Arc, time::Duration};

use anyhow::{Context as _, bail};
use groklab_proto::{
    limits::MESSAGE_BYTES,
    v1::{artifacts_server::ArtifactsServer, experiments_server::ExperimentsServer, workers_server::WorkersServer},
};
use groklab_runtime::{
    tasks::{Group, OnFailure},
    trace,
};
use sqlx::postgres::PgConnectOptions;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::{
    metadata::MetadataMap,
    transport::{Server, server::TcpIncoming},
};

use crate::{
    blobs::Blobs,
    config::Config,
    nudge::Nudge,
    postgres,
    scheduler::{self, Scheduler},
    service::{Service, Shared},
    store::Store,
};

/// How long calls and loops have to end once the coordinator is told to stop.
const GRACE: Duration = Duration::from_secs(10);
const KEEPALIVE: Duration = Duration::from_secs(20);
const CONNECTION_AGE: Duration = Duration::from_secs(30 * 60);

/// Serves until `stop` is cancelled, then stops in order. Fails if it cannot start, or if a part it cannot do without ends.
pub async fn run(config: Config, stop: CancellationToken) -> anyhow::Result<()> {
    config.check()?;
    std::fs::create_dir_all(&config.data).with_context(|| format!("data folder `{}`", config.data.display()))?;
    let Some(url) = &config.database_url else { return run_with_own_postgres(&config, stop).await };
    let options = PgConnectOptions::from_str(url.reveal()).map_err(|_| anyhow::anyhow!("the database URL cannot be parsed"))?;
    serve(&config, options, stop).await
}

async fn run_with_own_postgres(config: &Config, stop: CancellationToken) -> anyhow::Result<()> {
    let _lock = lock(&config.data)?;
    let layout = postgres::Layout::prepare(&config.data).context("prepare Postgres")?;
    let server = postgres::Server::start(layout).await.context("start Postgres")?;
    let options = server.connect();
    // Postgres is stopped last, whatever else happens.
    let last = CancellationToken::new();
    let supervisor = server.supervise(last.clone());
    let service = async {
        let outcome = serve(config, options, stop).await;
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
        Err(std::fs::TryLockError::WouldBlock) => bail!("another coordinator uses the data folder `{}`", data.display()),
        Err(std::fs::TryLockError::Error(error)) => Err(error).with_context(|| format!("lock `{}`", path.display())),
    }
}

async fn serve(config: &Config, options: PgConnectOptions, stop: CancellationToken) -> anyhow::Result<()> {
    let store = Store::open(options).await.context("open the database")?;
    let blobs = Blobs::in_folder(&config.data.join("artifacts"))?;
    let nudge = Nudge::default();
    let listener = TcpListener::bind(config.listen).await.with_context(|| format!("listen on {}", config.listen))?;
    let address = listener.local_addr().context("find the address that is served")?;

    let mut group = Group::new(stop.child_token());
    let scheduler =
        Scheduler { store: store.clone(), blobs: blobs.clone(), nudge: nudge.clone(), attempts: config.attempts, lease: config.lease };
    group.spawn("scheduler", OnFailure::Stop, scheduler.clone().run(group.stop()));
    group.spawn("sweep", OnFailure::Stop, scheduler.sweep(group.stop()));
    group.spawn("listen", OnFailure::Stop, scheduler::listen(store.clone(), nudge.clone(), group.stop()));
    let service =
        Arc::new(Service { store: store.clone(), blobs, nudge, lease: config.lease, attempts: config.attempts, stop: group.stop() });
    group.spawn("grpc", OnFailure::Stop, grpc(service, listener, group.stop()));

    if let Some(path) = &config.address_file {
        write_address(path, address)?;
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

async fn grpc(service: Arc<Service>, listener: TcpListener, stop: CancellationToken) -> anyhow::Result<()> {
    let experiments = ExperimentsServer::new(Shared(service.clone()));
    let workers = WorkersServer::from_arc(service.clone());
    let artifacts = ArtifactsServer::from_arc(service);
    Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE))
        .http2_keepalive_timeout(Some(KEEPALIVE))
        .max_connection_age(CONNECTION_AGE)
        .trace_fn(|request| {
            let span = tracing::info_span!("call", rpc.method = request.uri().path());
            trace::adopt(&span, &MetadataMap::from_headers(request.headers().clone()));
            span
        })
        .add_service(experiments.max_decoding_message_size(MESSAGE_BYTES).max_encoding_message_size(MESSAGE_BYTES))
        .add_service(workers.max_decoding_message_size(MESSAGE_BYTES).max_encoding_message_size(MESSAGE_BYTES))
        .add_service(artifacts.max_decoding_message_size(MESSAGE_BYTES).max_encoding_message_size(MESSAGE_BYTES))
        .serve_with_incoming_shutdown(TcpIncoming::from(listener).with_nodelay(Some(true)), stop.cancelled_owned())
        .await
        .context("serve gRPC")
}

/// Writes the address where others look for it, all at once.
fn write_address(path: &Path, address: SocketAddr) -> anyhow::Result<()> {
    let half = path.with_extension("new");
    std::fs::write(&half, format!("http://{address}\n")).with_context(|| format!("write `{}`", half.display()))?;
    std::fs::rename(&half, path).with_context(|| format!("write `{}`", path.display()))
}
