//! The W3C trace context, carried across gRPC in the request's metadata and through jobs as a text.

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

/// A client interceptor that sends the current span's context along.
pub fn inject(mut request: Request<()>) -> Result<Request<()>, Status> {
    let context = Span::current().context();
    global::get_text_map_propagator(|p| {
        p.inject_context(&context, &mut Outgoing(request.metadata_mut()))
    });
    Ok(request)
}

/// Makes `span` a child of the caller's span, if the request carries one.
pub fn adopt(span: &Span, metadata: &MetadataMap) {
    set_parent(
        span,
        global::get_text_map_propagator(|p| p.extract(&Incoming(metadata))),
    );
}

/// The current span's context as a `traceparent` text; empty when traces are not exported.
pub fn traceparent() -> String {
    let mut carrier = std::collections::HashMap::new();
    global::get_text_map_propagator(|p| p.inject_context(&Span::current().context(), &mut carrier));
    carrier.remove("traceparent").unwrap_or_default()
}

/// Makes `span` a child of the span that a `traceparent` text names.
pub fn adopt_traceparent(span: &Span, traceparent: &str) {
    if !traceparent.is_empty() {
        let carrier =
            std::collections::HashMap::from([("traceparent".to_owned(), traceparent.to_owned())]);
        set_parent(
            span,
            global::get_text_map_propagator(|p| p.extract(&carrier)),
        );
    }
}

fn set_parent(span: &Span, context: Context) {
    // Without an exporter there is no layer that could hold a parent; that is not an error.
    if let Err(error) = span.set_parent(context) {
        tracing::trace!(%error, "no trace parent set");
    }
}

struct Outgoing<'a>(&'a mut MetadataMap);

impl Injector for Outgoing<'_> {
    fn set(&mut self, key: &str, value: String) {
        if let (Ok(key), Ok(value)) = (
            MetadataKey::from_bytes(key.as_bytes()),
            MetadataValue::try_from(value),
        ) {
            self.0.insert(key, value);
        }
    }
}

struct Incoming<'a>(&'a MetadataMap);

impl Extractor for Incoming<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).and_then(|value| value.to_str().ok())
    }

    fn keys(&self) -> Vec<&str> {
        self.0
            .keys()
            .filter_map(|key| match key {
                tonic::metadata::KeyRef::Ascii(key) => Some(key.as_str()),
                tonic::metadata::KeyRef::Binary(_) => None,
            })
            .collect()
    }
}
