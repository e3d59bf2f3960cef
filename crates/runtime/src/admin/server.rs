//! `/livez`, `/readyz` and `/metrics` over plain HTTP, beside what a service adds. Reads only.

use anyhow::Context as _;
use axum::{
    Router,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::get,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::health::Health;
use crate::metrics::Instruments;

/// What the admin address answers from.
#[derive(Clone)]
pub struct Admin {
    pub health: Health,
    pub instruments: Instruments,
}

/// Serves until `stop`. `routes` are the service's own and must not hold the three paths.
pub async fn serve(
    listener: TcpListener,
    admin: Admin,
    routes: Router,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let common = Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(admin);
    axum::serve(listener, routes.merge(common))
        .with_graceful_shutdown(stop.cancelled_owned())
        .await
        .context("serve the admin address")
}

/// That this is answered is all there is to say: a process that is merely not ready must not be
/// started again.
async fn livez() -> &'static str {
    "alive\n"
}

async fn readyz(State(admin): State<Admin>) -> Response {
    match admin.health.ready() {
        Ok(()) => "ready\n".into_response(),
        // Probes look at the status alone; the reason is for whoever looks by hand.
        Err(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")).into_response(),
    }
}

async fn metrics(State(admin): State<Admin>) -> Response {
    match admin.instruments.text() {
        Ok(text) => ([(CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response(),
        Err(error) => {
            tracing::error!(%error, "metrics could not be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
