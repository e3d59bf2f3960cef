//! One call from its first byte to its status.

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};

use http::HeaderMap;
use tonic::Code;
use tracing::Span;

/// What a method is called that the server does not have: anybody may ask for anything, and
/// neither span names nor labels may grow with that.
const OTHER: &str = "_OTHER";

/// The methods that a server has.
#[derive(Debug, Clone, Default)]
pub struct Methods(Arc<HashSet<String>>);

impl Methods {
    /// `paths` are of the form `/package.Service/Method`.
    pub fn new(paths: impl IntoIterator<Item = String>) -> Self {
        Self(Arc::new(paths.into_iter().collect()))
    }

    pub(super) fn name(&self, path: &str) -> Method {
        if self.0.contains(path) {
            Method::of_path(path)
        } else {
            Method {
                service: OTHER.to_owned(),
                method: OTHER.to_owned(),
            }
        }
    }
}

/// A service and one of its methods.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Method {
    pub service: String,
    pub method: String,
}

impl Method {
    pub fn of_path(path: &str) -> Self {
        let (service, method) = path
            .trim_start_matches('/')
            .split_once('/')
            .unwrap_or((OTHER, OTHER));
        Self {
            service: service.to_owned(),
            method: method.to_owned(),
        }
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
        // Fields of a span that nobody records cost nothing.
        self.span.record("rpc.grpc.status_code", code as i64);
        if (self.is_error)(code) {
            self.span.record("otel.status_code", "ERROR");
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
        assert_eq!(methods.name("/a.B/C"), Method::of_path("/a.B/C"));
        for path in ["/a.B/D", "/", "", "/a.B/C/"] {
            assert_eq!(methods.name(path).service, OTHER, "{path}");
        }
    }
}
