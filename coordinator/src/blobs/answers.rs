//! What S3 answers, as a type: `object_store` has only a text for most of it, and that text may
//! repeat a session token. Sits between `object_store`, which signs and repeats requests, and its
//! HTTP client.

use bytes::Bytes;
use object_store::{
    ClientOptions, HeaderMap,
    client::{
        HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse,
        HttpService, ReqwestConnector,
    },
};

/// Where AWS says in which region a bucket lies.
const REGION_HEADER: &str = "x-amz-bucket-region";
const SESSION_TOKEN_HEADER: &str = "x-amz-security-token";
/// More of an answer than this is no error of S3.
const MAX_SHOWN_CHARS: usize = 300;

/// A server's no.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{server} answers {status}{}", self.reason())]
pub struct Refusal {
    pub server: String,
    pub status: u16,
    /// S3's word for it; empty where it gave none, as for HEAD.
    pub code: String,
    pub message: String,
    /// Where the bucket lies, if the server says so.
    pub region: Option<String>,
}

/// A server that did not answer.
#[derive(Debug, thiserror::Error)]
#[error("{server} does not answer")]
pub struct Unreachable {
    pub server: String,
    source: HttpError,
}

impl Refusal {
    fn reason(&self) -> String {
        match (self.code.as_str(), self.message.as_str()) {
            ("", _) => " and gives no reason".to_owned(),
            (code, "") => format!(" {code}"),
            (code, message) => format!(" {code}: {message}"),
        }
    }

    /// Whether the same request may succeed later. `object_store` then repeats it.
    pub fn may_heal(&self) -> bool {
        match self.code.as_str() {
            "SlowDown" | "InternalError" | "RequestTimeout" | "ServiceUnavailable" => true,
            "NotImplemented" => false,
            _ => matches!(self.status, 408 | 429 | 500 | 502..=504 | 506..=599),
        }
    }
}

/// Connects as `object_store` does by itself.
#[derive(Debug)]
pub struct TypedConnector;

impl HttpConnector for TypedConnector {
    fn connect(&self, options: &ClientOptions) -> object_store::Result<HttpClient> {
        let client = ReqwestConnector::default().connect(options)?;
        Ok(HttpClient::new(TypedClient(client)))
    }
}

#[derive(Debug)]
struct TypedClient(HttpClient);

#[tonic::async_trait]
impl HttpService for TypedClient {
    async fn call(&self, mut request: HttpRequest) -> Result<HttpResponse, HttpError> {
        if let Some(token) = request.headers_mut().get_mut(SESSION_TOKEN_HEADER) {
            // Whoever logs headers leaves it out.
            token.set_sensitive(true);
        }
        let uri = request.uri();
        let server = match uri.authority() {
            Some(authority) => authority.to_string(),
            None => uri.to_string(),
        };
        let asks_head = request.method().as_str() == "HEAD";
        // An upload that is completed may fail with the status 200 and the error in the body.
        let may_hide_error = request.method().as_str() == "POST";
        let response = match self.0.execute(request).await {
            Ok(response) => response,
            Err(error) => {
                let kind = error.kind();
                let source = error;
                return Err(HttpError::new(kind, Unreachable { server, source }));
            }
        };
        let status = response.status().as_u16();
        let is_error = status >= 300 && !matches!(status, 304 | 412 | 416);
        if !is_error && !may_hide_error || asks_head && status == 404 {
            return Ok(response);
        }
        let (parts, body) = response.into_parts();
        let body = body.bytes().await?;
        match refusal(server, status, &parts.headers, &body, asks_head) {
            Some(refusal) => Err(refusal.into()),
            None => Ok(HttpResponse::from_parts(parts, body.into())),
        }
    }
}

/// None where `object_store` is to see the answer: a success, a missing object, and what is no
/// answer of S3, as from the address where a machine's credentials come from.
fn refusal(
    server: String,
    status: u16,
    headers: &HeaderMap,
    body: &Bytes,
    asks_head: bool,
) -> Option<Refusal> {
    let body = String::from_utf8_lossy(body);
    let code = element(&body, "Code").unwrap_or_default();
    let explained = !code.is_empty() && (status >= 300 || body.contains("<Error>"));
    let missing = status == 404 && code != "NoSuchBucket";
    let redirects = (300..400).contains(&status);
    if missing || !explained && !asks_head && !redirects && status < 429 {
        return None;
    }
    let region = headers.get(REGION_HEADER);
    Some(Refusal {
        server,
        status,
        code: shortened(code),
        message: shortened(element(&body, "Message").unwrap_or_default()),
        region: region
            .and_then(|region| region.to_str().ok())
            .or(element(&body, "Region"))
            .map(shortened),
    })
}

/// The text of the first element `name`.
fn element<'a>(body: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = body.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once('<')?;
    Some(text)
}

fn shortened(text: &str) -> String {
    text.chars().take(MAX_SHOWN_CHARS).collect()
}

impl From<Refusal> for HttpError {
    fn from(refusal: Refusal) -> Self {
        let kind = if refusal.may_heal() {
            HttpErrorKind::Request
        } else {
            HttpErrorKind::Unknown
        };
        Self::new(kind, refusal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIGNATURE: &str = "<?xml version=\"1.0\"?><Error><Code>SignatureDoesNotMatch</Code>\
        <Message>not the one</Message><CanonicalRequest>x-amz-security-token:hunter2\
        </CanonicalRequest></Error>";

    fn seen(status: u16, body: &str, asks_head: bool) -> Option<Refusal> {
        let body = Bytes::from(body.to_owned());
        refusal(
            "host".to_owned(),
            status,
            &HeaderMap::new(),
            &body,
            asks_head,
        )
    }

    #[test]
    fn an_answer_is_shown_without_what_it_repeats() {
        let refusal = seen(403, SIGNATURE, false).unwrap();
        assert_eq!(
            refusal.to_string(),
            "host answers 403 SignatureDoesNotMatch: not the one"
        );
        assert!(!format!("{refusal:?}").contains("hunter2") && !refusal.may_heal());
    }

    #[test]
    fn what_may_heal_is_told_from_what_is_wrong() {
        let error = |code: &str| format!("<Error><Code>{code}</Code></Error>");
        for (status, body) in [
            (503, error("SlowDown")),
            (400, error("RequestTimeout")),
            (200, error("InternalError")),
            (502, "<html>Bad Gateway</html>".to_owned()),
            (429, String::new()),
        ] {
            let refusal = seen(status, &body, false).unwrap();
            assert!(refusal.may_heal(), "{refusal}");
        }
        for (status, body) in [
            (403, error("AccessDenied")),
            (404, error("NoSuchBucket")),
            (501, error("NotImplemented")),
            (301, error("PermanentRedirect")),
            (307, String::new()),
        ] {
            let refusal = seen(status, &body, false).unwrap();
            assert!(!refusal.may_heal(), "{refusal}");
        }
    }

    #[test]
    fn what_object_store_understands_is_left_to_it() {
        for (status, body) in [
            (404, "<Error><Code>NoSuchKey</Code></Error>"),
            (404, ""),
            (403, "no metadata for you"),
            (200, "<InitiateMultipartUploadResult/>"),
            (200, "<Code>1</Code>"),
        ] {
            assert_eq!(seen(status, body, false), None, "{status} {body}");
        }
        assert_eq!(seen(403, "", true).unwrap().status, 403);
        assert_eq!(seen(301, "", true).unwrap().status, 301);
    }
}
