//! The address that clients and workers call: the services behind their guard, and what gRPC
//! clients expect of any server.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use groklab_proto::{
    limits::MESSAGE_BYTES,
    v1::{
        artifacts_server::ArtifactsServer, experiments_server::ExperimentsServer,
        workers_server::WorkersServer,
    },
};
use groklab_runtime::{
    admin::Health,
    tasks::{Group, OnFailure},
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::{
    service::interceptor::InterceptedService,
    transport::{Server, server::TcpIncoming},
};

use crate::{
    access::{Access, Guard, Role},
    connections, grpc,
    metrics::Metrics,
    observe::report_health,
    service::Service,
    standard_services::{SERVICES, calls_layer, reflection},
    tls::Handshakes,
};

const KEEPALIVE_EVERY: Duration = Duration::from_secs(20);
/// An old connection is closed, so that its client finds another coordinator where there are more,
/// and sees a renewed certificate.
const MAX_CONNECTION_AGE: Duration = Duration::from_secs(30 * 60);
/// Calls at once on one connection; a worker has one or two.
const MAX_CONCURRENT_CALLS: u32 = 1024;
const MAX_HEADER_BYTES: u32 = 16 << 10;

/// The port before it is served.
pub struct Port {
    /// None where it is served in plain text.
    pub tls: Option<Handshakes>,
    pub access: Arc<Access>,
    pub listener: TcpListener,
    pub metrics: Metrics,
    pub health: Health,
}

impl Port {
    /// Serves until `stop`; calls under way are answered.
    pub async fn serve(self, service: Arc<Service>, stop: CancellationToken) -> anyhow::Result<()> {
        // tonic takes 4 MiB by default; submitting has made sure that no job needs more than this.
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
        let report = report_health(reporter, self.health, &SERVICES, stop.clone());
        reports.spawn("health", OnFailure::Log, report);
        let incoming = connections::limited(
            // Answers are small and awaited: Nagle's algorithm would hold them back.
            TcpIncoming::from(self.listener).with_nodelay(Some(true)),
            connections::most()?,
        );
        let router = server()
            .layer(calls_layer(self.metrics)?)
            // Whoever probes has no token, and learns nothing but whether it is served.
            .add_service(health)
            .add_service(InterceptedService::new(reflection()?, guard(Role::Client)))
            .add_service(InterceptedService::new(experiments, guard(Role::Client)))
            .add_service(InterceptedService::new(workers, guard(Role::Worker)))
            .add_service(InterceptedService::new(artifacts, guard(Role::Worker)));
        let stopped = stop.cancelled_owned();
        let served = match self.tls {
            None => router.serve_with_incoming_shutdown(incoming, stopped).await,
            Some(tls) => {
                let agreed = tls.with(incoming);
                router.serve_with_incoming_shutdown(agreed, stopped).await
            }
        };
        served.context("serve gRPC")
    }
}

/// A server with its limits.
fn server() -> Server {
    Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE_EVERY))
        // A peer that vanished without a word is noticed, and its place given to others.
        .http2_keepalive_timeout(Some(KEEPALIVE_EVERY))
        .max_connection_age(MAX_CONNECTION_AGE)
        .max_concurrent_streams(MAX_CONCURRENT_CALLS)
        .http2_max_header_list_size(MAX_HEADER_BYTES)
}
