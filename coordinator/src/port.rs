//! The address that clients and workers call: the services behind their guard, and what gRPC
//! clients expect of any server.

use std::sync::Arc;

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
};

/// The port before it is served.
pub struct Port {
    pub server: Server,
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
