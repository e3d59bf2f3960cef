//! One call from its first byte to its status.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use http::HeaderMap;
use opentelemetry::trace::Status;
use tonic::Code;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

/// What a method is called that the server does not have: anybody may ask for anything, and
/// neither span names nor labels may grow with that.
const OTHER: &str = "_OTHER";

/// The methods that a server has, by their paths.
#[derive(Debug, Clone)]
pub struct Methods {
    known: Arc<HashMap<String, Method>>,
    other: Method,
}

impl Methods {
    /// `paths` are of the form `/package.Service/Method`.
    pub fn new(paths: impl IntoIterator<Item = String>) -> Self {
        let named = paths.into_iter().map(|path| {
            let method = Method::of_path(&path);
            (path, method)
        });
        Self {
            known: Arc::new(named.collect()),
            other: Method::of_path(""),
        }
    }

    pub(super) fn name(&self, path: &str) -> &Method {
        self.known.get(path).unwrap_or(&self.other)
    }
}

/// A service and one of its methods. Cheap to clone: every call has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Method {
    /// Both, as spans are called.
    pub name: Arc<str>,
    pub service: Arc<str>,
    pub method: Arc<str>,
}

impl Method {
    pub fn of_path(path: &str) -> Self {
        let (service, method) = path
            .trim_start_matches('/')
            .split_once('/')
            .unwrap_or((OTHER, OTHER));
        Self {
            name: format!("{service}/{method}").into(),
            service: service.into(),
            method: method.into(),
        }
    }

    /// Says in an exported span what the call is. Not as fields of the span: log lines repeat
    /// those, and each is written as text whether a line comes or not.
    pub fn describe(&self, span: &Span) {
        span.set_attribute("rpc.system", "grpc");
        span.set_attribute("rpc.service", self.service.clone());
        span.set_attribute("rpc.method", self.method.clone());
    }
}

/// A call that has its status.
#[derive(Debug)]
pub struct Finished<'a> {
    pub service: &'a str,
    pub method: &'a str,
    pub code: Code,
    pub took: Duration,
}

/// Hears of every finished call.
pub type Observer = Arc<dyn Fn(&Finished<'_>) + Send + Sync>;

/// A call under way. Dropped before it has a status, it counts as cancelled.
pub(super) struct Call {
    pub span: Span,
    method: Method,
    started: Instant,
    observer: Option<Observer>,
    is_error: fn(Code) -> bool,
    finished: bool,
}

impl Call {
    pub fn of_client(method: Method, span: Span) -> Self {
        Self::new(method, span, None, is_client_error)
    }

    pub fn of_server(method: Method, span: Span, observer: Observer) -> Self {
        Self::new(method, span, Some(observer), is_server_error)
    }

    fn new(
        method: Method,
        span: Span,
        observer: Option<Observer>,
        is_error: fn(Code) -> bool,
    ) -> Self {
        Self {
            span,
            method,
            started: Instant::now(),
            observer,
            is_error,
            finished: false,
        }
    }

    /// Notes the status that the call ended with. Only the first one counts.
    pub fn finish(&mut self, code: Code) {
        if std::mem::replace(&mut self.finished, true) {
            return;
        }
        self.span.set_attribute("rpc.grpc.status_code", code as i64);
        if (self.is_error)(code) {
            self.span.set_status(Status::error(""));
        }
        if let Some(observer) = &self.observer {
            observer(&Finished {
                service: &self.method.service,
                method: &self.method.method,
                code,
                took: self.started.elapsed(),
            });
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        self.finish(Code::Cancelled);
    }
}

/// The status among headers or trailers; none where it comes later.
pub(super) fn status_among(headers: &HeaderMap) -> Option<Code> {
    let status = headers.get("grpc-status")?;
    Some(Code::from_bytes(status.as_bytes()))
}

fn is_client_error(code: Code) -> bool {
    code != Code::Ok
}

/// A server's span fails only by what is the server's own fault.
fn is_server_error(code: Code) -> bool {
    matches!(
        code,
        Code::Unknown
            | Code::DeadlineExceeded
            | Code::Unimplemented
            | Code::Internal
            | Code::Unavailable
            | Code::DataLoss
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    fn observed(end: impl FnOnce(Call)) -> Vec<Code> {
        let codes = Arc::new(Mutex::new(Vec::new()));
        let heard = codes.clone();
        let observer: Observer = Arc::new(move |call| heard.lock().unwrap().push(call.code));
        let method = Method::of_path("/a.B/C");
        end(Call::of_server(method, Span::none(), observer));
        std::mem::take(&mut *codes.lock().unwrap())
    }

    #[test]
    fn a_call_has_one_status() {
        let twice = observed(|mut call| {
            call.finish(Code::NotFound);
            call.finish(Code::Ok);
        });
        assert_eq!(twice, [Code::NotFound]);
        assert_eq!(observed(drop), [Code::Cancelled]);
    }

    #[test]
    fn a_method_that_is_not_there_has_no_name_of_its_own() {
        let methods = Methods::new(["/a.B/C".to_owned()]);
        let known = methods.name("/a.B/C");
        let parts = [&*known.name, &*known.service, &*known.method];
        assert_eq!(parts, ["a.B/C", "a.B", "C"]);
        for path in ["/a.B/D", "/", "", "/a.B/C/"] {
            assert_eq!(&*methods.name(path).service, OTHER, "{path}");
        }
    }
}
