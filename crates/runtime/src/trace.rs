//! The W3C trace context, carried across gRPC in the request's metadata and through jobs as a text.

use std::collections::HashMap;

use http::HeaderMap;
use opentelemetry::{
    Context, global,
    propagation::{Extractor, Injector},
};
use tonic::{
    Request, Status,
    metadata::{MetadataKey, MetadataMap, MetadataValue},
};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// The name of the trace context, as a header and in what a job carries.
const TRACEPARENT: &str = "traceparent";

/// A client interceptor that sends the current span's context along.
pub fn inject(mut request: Request<()>) -> Result<Request<()>, Status> {
    let context = Span::current().context();
    let mut outgoing = Outgoing(request.metadata_mut());
    global::get_text_map_propagator(|text| text.inject_context(&context, &mut outgoing));
    Ok(request)
}

/// Makes `span` a child of the caller's span, if the request carries one.
pub fn adopt_headers(span: &Span, headers: &HeaderMap) {
    adopt(span, &Incoming(headers));
}

/// The current span's context as a `traceparent` text; empty when traces are not exported.
pub fn traceparent() -> String {
    let context = Span::current().context();
    let mut carrier = HashMap::new();
    global::get_text_map_propagator(|text| text.inject_context(&context, &mut carrier));
    // Only `traceparent`: a job carries no `tracestate`.
    carrier.remove(TRACEPARENT).unwrap_or_default()
}

/// Makes `span` a child of the span that a `traceparent` text names.
pub fn adopt_traceparent(span: &Span, traceparent: &str) {
    if !traceparent.is_empty() {
        adopt(
            span,
            &HashMap::from([(TRACEPARENT.to_owned(), traceparent.to_owned())]),
        );
    }
}

fn adopt(span: &Span, carrier: &dyn Extractor) {
    let parent: Context = global::get_text_map_propagator(|text| text.extract(carrier));
    // Without an exporter there is no layer that could hold a parent; that is not an error.
    if let Err(error) = span.set_parent(parent) {
        tracing::trace!(%error, "no trace parent set");
    }
}

struct Outgoing<'a>(&'a mut MetadataMap);

impl Injector for Outgoing<'_> {
    fn set(&mut self, key: &str, value: String) {
        let key = MetadataKey::from_bytes(key.as_bytes());
        // A context that is no header is left out: tracing must not fail a call.
        if let (Ok(key), Ok(value)) = (key, MetadataValue::try_from(value)) {
            self.0.insert(key, value);
        }
    }
}

struct Incoming<'a>(&'a HeaderMap);

impl Extractor for Incoming<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(http::HeaderName::as_str).collect()
    }
}
