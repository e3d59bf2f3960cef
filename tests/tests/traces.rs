//! Traces cross gRPC: with the standard variables set, one trace has spans of the coordinator and of a worker.
#![expect(
    clippy::unwrap_used,
    reason = "a test: a failure is a panic with its place"
)]

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use groklab_tests::files::experiment;
use groklab_tests::{Process, Stack, wait::until};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
    trace_service_server::{TraceService, TraceServiceServer},
};
use tonic::{Request, Response, Status};

/// Which services have spans in a trace.
type Seen = Arc<Mutex<HashMap<Vec<u8>, HashSet<String>>>>;

struct Collector(Seen);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let mut seen = self.0.lock().unwrap();
        for resource in request.into_inner().resource_spans {
            let attributes = resource.resource.map(|r| r.attributes).unwrap_or_default();
            let service = attributes
                .iter()
                .find(|a| a.key == "service.name")
                .map(|a| format!("{:?}", a.value))
                .unwrap_or_default();
            for span in resource.scope_spans.iter().flat_map(|scope| &scope.spans) {
                seen.entry(span.trace_id.clone())
                    .or_default()
                    .insert(service.clone());
            }
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

#[test]
fn one_trace_spans_coordinator_and_worker() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let seen = Seen::default();
    let listener = runtime
        .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
        .unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let server = tonic::transport::Server::builder()
        .add_service(TraceServiceServer::new(Collector(seen.clone())));
    runtime.spawn(
        server.serve_with_incoming(tokio_stream::wrappers::TcpListenerStream::new(listener)),
    );

    let env = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
        ("OTEL_BSP_SCHEDULE_DELAY", "200"),
    ];
    let mut stack = Stack::coordinator_with_env(&[], &env);
    for name in ["worker-verify", "worker-gen"] {
        stack.add_worker(name, &[], &env);
    }
    let file = stack.file("experiment.toml", &experiment("traced", 0, "none"));
    stack.grokctl_ok(&["submit", "--watch", file.to_str().unwrap()]);
    until(
        "a trace with spans of a coordinator and of a worker",
        Duration::from_secs(30),
        || {
            let shared = |services: &HashSet<String>| {
                let has = |name: &str| services.iter().any(|service| service.contains(name));
                has("coordinator") && has("worker-gen")
            };
            seen.lock().unwrap().values().any(shared).then_some(())
        },
    );
    stack
        .workers
        .iter_mut()
        .for_each(|worker: &mut Process| assert!(worker.stop(Duration::from_secs(20)).success()));
}
