//! The server's side: a span for every call, below the caller's, and word of how it ended.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use http::{Request, Response};
use tower::{Layer, Service};
use tracing::{Instrument as _, Span};

use super::{
    body::{CallBody, watch},
    call::{Call, Method, Methods, Observer},
};
use crate::trace;

/// Puts [`ServerCalls`] around a server's services.
#[derive(Clone)]
pub struct ServerLayer {
    methods: Methods,
    observer: Observer,
}

impl ServerLayer {
    pub fn new(methods: Methods, observer: Observer) -> Self {
        Self { methods, observer }
    }
}

impl<S> Layer<S> for ServerLayer {
    type Service = ServerCalls<S>;

    fn layer(&self, inner: S) -> ServerCalls<S> {
        ServerCalls {
            inner,
            layer: self.clone(),
        }
    }
}

/// A service whose calls are traced and observed.
#[derive(Clone)]
pub struct ServerCalls<S> {
    inner: S,
    layer: ServerLayer,
}

impl<S, A, B> Service<Request<A>> for ServerCalls<S>
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
        let method = self.layer.methods.name(request.uri().path());
        let span = span(method);
        trace::adopt_headers(&span, request.headers());
        // Made before the work begins: where the caller goes away, dropping it counts as cancelled.
        let call = Call::of_server(method.clone(), span.clone(), self.layer.observer.clone());
        // A service may begin its work before its future is polled.
        let answer = span.in_scope(|| self.inner.call(request));
        let whole = async move { Ok(watch(answer.await?, call)) };
        Box::pin(whole.instrument(span))
    }
}

fn span(method: &Method) -> Span {
    let span = tracing::info_span!("rpc", otel.name = &*method.name, otel.kind = "server");
    method.describe(&span);
    span
}
