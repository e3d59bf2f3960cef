//! OpenTelemetry's standard variables: one trace has spans of the coordinator and of a worker, named as the conventions say, and metrics
//! go out as well.
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
use opentelemetry_proto::tonic::{
    collector::{
        metrics::v1::{
            ExportMetricsServiceRequest, ExportMetricsServiceResponse,
            metrics_service_server::{MetricsService, MetricsServiceServer},
        },
        trace::v1::{
            ExportTraceServiceRequest, ExportTraceServiceResponse,
            trace_service_server::{TraceService, TraceServiceServer},
        },
    },
    common::v1::{KeyValue, any_value::Value},
    trace::v1::{Span, span::SpanKind},
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

/// A span with the attributes of who sent it.
type SentSpan = (Vec<KeyValue>, Span);

/// Everything that was exported, with the attributes of who sent it.
#[derive(Clone, Default)]
struct Exported {
    spans: Arc<Mutex<Vec<SentSpan>>>,
    metrics: Arc<Mutex<HashSet<(String, String)>>>,
}

#[tonic::async_trait]
impl TraceService for Exported {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let mut spans = self.spans.lock().unwrap();
        for resource in request.into_inner().resource_spans {
            let attributes = resource.resource.unwrap_or_default().attributes;
            for span in resource
                .scope_spans
                .into_iter()
                .flat_map(|scope| scope.spans)
            {
                spans.push((attributes.clone(), span));
            }
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

#[tonic::async_trait]
impl MetricsService for Exported {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        let mut metrics = self.metrics.lock().unwrap();
        for resource in request.into_inner().resource_metrics {
            let attributes = resource.resource.unwrap_or_default().attributes;
            let service = text(&attributes, "service.name").unwrap_or_default();
            for metric in resource
                .scope_metrics
                .into_iter()
                .flat_map(|scope| scope.metrics)
            {
                metrics.insert((service.clone(), metric.name));
            }
        }
        Ok(Response::new(ExportMetricsServiceResponse::default()))
    }
}

fn value(attributes: &[KeyValue], key: &str) -> Option<Value> {
    let found = attributes.iter().find(|attribute| attribute.key == key)?;
    found.value.clone()?.value
}

fn text(attributes: &[KeyValue], key: &str) -> Option<String> {
    match value(attributes, key)? {
        Value::StringValue(text) => Some(text),
        other => panic!("{key} = {other:?}"),
    }
}

#[test]
fn spans_follow_the_conventions_and_metrics_go_out_too() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let exported = Exported::default();
    let listener = runtime
        .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
        .unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let server = tonic::transport::Server::builder()
        .add_service(TraceServiceServer::new(exported.clone()))
        .add_service(MetricsServiceServer::new(exported.clone()));
    runtime.spawn(
        server.serve_with_incoming(tokio_stream::wrappers::TcpListenerStream::new(listener)),
    );
    let env = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
        ("OTEL_BSP_SCHEDULE_DELAY", "200"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "500"),
        (
            "OTEL_RESOURCE_ATTRIBUTES",
            "deployment.environment.name=here",
        ),
    ];
    let named = [&env[..], &[("OTEL_SERVICE_NAME", "ours")]].concat();
    let mut stack = Stack::coordinator_with_env(&[], &named);
    stack.add_worker("worker-verify", &[], &env);

    // A client's span and, below it, the server's.
    until("the spans of a call", Duration::from_secs(60), || {
        let spans = exported.spans.lock().unwrap();
        let registers = |kind: SpanKind, service: &str| {
            spans.iter().find_map(|(who, span)| {
                let ours = span.name == "groklab.v1.Workers/Register"
                    && span.kind() == kind
                    && text(who, "service.name")? == service;
                ours.then_some((who.clone(), span.clone()))
            })
        };
        let (_, client) = registers(SpanKind::Client, "worker-verify")?;
        let (who, server) = registers(SpanKind::Server, "ours")?;
        if server.parent_span_id != client.span_id {
            return None;
        }
        assert_eq!(text(&who, "deployment.environment.name").unwrap(), "here");
        for span in [&client, &server] {
            let attributes = &span.attributes;
            assert_eq!(text(attributes, "rpc.system").unwrap(), "grpc");
            assert_eq!(
                text(attributes, "rpc.service").unwrap(),
                "groklab.v1.Workers"
            );
            assert_eq!(text(attributes, "rpc.method").unwrap(), "Register");
            assert_eq!(
                value(attributes, "rpc.grpc.status_code"),
                Some(Value::IntValue(0)),
                "{span:?}"
            );
        }
        assert_eq!(
            text(&client.attributes, "server.address").unwrap(),
            "127.0.0.1"
        );
        Some(())
    });
    for (service, metric) in [
        ("ours", "groklab_jobs"),
        ("ours", "groklab_grpc_requests_total"),
        ("worker-verify", "groklab_coordinator_up"),
    ] {
        until(metric, Duration::from_secs(30), || {
            let metrics = exported.metrics.lock().unwrap();
            metrics
                .contains(&(service.to_owned(), metric.to_owned()))
                .then_some(())
        });
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
