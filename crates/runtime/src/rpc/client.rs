//! The client's side: a span for every call, which the server continues.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use http::{Request, Response, Uri};
use tower::Service;
use tracing::{Instrument as _, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use super::{
    body::{CallBody, watch},
    call::{Call, Method},
};

/// A client whose calls are traced. It goes around the interceptor that sends the trace along, so
/// that the server's span is below this one.
#[derive(Debug, Clone)]
pub struct ClientCalls<S> {
    inner: S,
    server: Uri,
}

impl<S> ClientCalls<S> {
    /// Calls of `inner` to `server`.
    pub fn new(inner: S, server: Uri) -> Self {
        Self { inner, server }
    }

    fn span(&self, method: &Method) -> Span {
        let span = tracing::info_span!("rpc", otel.name = &*method.name, otel.kind = "client");
        method.describe(&span);
        if let Some(host) = self.server.host() {
            span.set_attribute("server.address", host.to_owned());
        }
        if let Some(port) = self.server.port_u16() {
            span.set_attribute("server.port", i64::from(port));
        }
        span
    }
}

impl<S, A, B> Service<Request<A>> for ClientCalls<S>
where
    S: Service<Request<A>, Response = Response<B>>,
    S::Future: Send + 'static,
    S::Error: 'static,
    B: 'static,
{
    type Response = Response<CallBody<B>>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<A>) -> Self::Future {
        let method = Method::of_path(request.uri().path());
        let span = self.span(&method);
        let mut call = Call::of_client(method, span.clone());
        // The interceptor inside runs now, and sends the current span along.
        let answer = span.in_scope(|| self.inner.call(request));
        let whole = async move {
            match answer.await {
                Ok(response) => Ok(watch(response, call)),
                Err(error) => {
                    // The connection failed: the caller sees `unavailable`.
                    call.finish(tonic::Code::Unavailable);
                    Err(error)
                }
            }
        };
        Box::pin(whole.instrument(span))
    }
}
