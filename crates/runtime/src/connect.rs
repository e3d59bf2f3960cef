//! How clients and workers reach a coordinator: TLS, their token, and which failures heal by
//! themselves. Opens no connection itself.

use std::{
    error::Error as _,
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use base64::{Engine as _, prelude::BASE64_STANDARD as BASE64};
use tonic::{
    Code, Request, Status,
    metadata::{Ascii, MetadataValue},
    service::Interceptor,
    transport::{Certificate, ClientTlsConfig, Endpoint, Identity},
};

use crate::{
    config,
    secret::{Secret, TokenError, token},
    trace,
};

const CONNECT_WITHIN: Duration = Duration::from_secs(5);
const KEEPALIVE_EVERY: Duration = Duration::from_secs(15);
/// How long an answer to a keepalive may take before the connection counts as broken.
const KEEPALIVE_WITHIN: Duration = Duration::from_secs(10);

/// The variable that holds a certificate authority itself.
pub const AUTHORITY_VARIABLE: &str = "GROKLAB_TLS_CA_PEM";
const PEM_BEGIN: &str = "-----BEGIN CERTIFICATE-----";

/// Flags of everything that talks to a coordinator.
#[derive(Debug, Clone, Default, clap::Args)]
#[group(id = "connect")]
pub struct Args {
    /// File with the token that the coordinator asks for; instead of it, GROKLAB_TOKEN may hold
    /// the token.
    #[arg(long, global = true, env = "GROKLAB_TOKEN_FILE", value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// Certificate authority (PEM) that signed the coordinator's certificate; by default those
    /// this machine trusts.
    #[arg(long, global = true, env = "GROKLAB_TLS_CA", value_name = "FILE")]
    pub tls_ca: Option<PathBuf>,
    /// Certificate (PEM) to show to a coordinator that asks for one.
    #[arg(
        long,
        global = true,
        env = "GROKLAB_TLS_CERT",
        value_name = "FILE",
        requires = "tls_key"
    )]
    pub tls_cert: Option<PathBuf>,
    /// The certificate's private key (PEM).
    #[arg(
        long,
        global = true,
        env = "GROKLAB_TLS_KEY",
        value_name = "FILE",
        requires = "tls_cert"
    )]
    pub tls_key: Option<PathBuf>,
    /// The authority itself instead of a file, for machines that get nothing but variables: its
    /// PEM, also in base64, which is one line.
    #[arg(
        long,
        global = true,
        env = AUTHORITY_VARIABLE,
        value_name = "PEM",
        hide = true,
        conflicts_with = "tls_ca"
    )]
    pub tls_ca_pem: Option<String>,
}

/// What is shown where neither a flag nor a variable says what to show.
#[derive(Debug, Clone, Default)]
pub struct Fallback {
    pub token: Option<Secret>,
    /// The certificate authority, as PEM.
    pub authority: Option<String>,
}

/// Why a coordinator cannot be addressed as asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error("read `{path}`")]
    File { path: PathBuf, source: io::Error },
    #[error(
        "{AUTHORITY_VARIABLE} holds no certificate: it takes a PEM text, or such a text in \
         base64, as `grokctl join` prints it"
    )]
    Authority,
    #[error(
        "the coordinator's address `{address}` is not of the form http://HOST:PORT \
         or https://HOST:PORT"
    )]
    Address { address: String },
    #[error("prepare TLS for `{address}`: is every file of the certificates in PEM form?")]
    Tls {
        address: String,
        source: tonic::transport::Error,
    },
}

/// What is shown to a coordinator, read and checked.
#[derive(Debug, Clone, Default)]
pub struct Access {
    token: Option<Secret>,
    authority: Option<Certificate>,
    identity: Option<Identity>,
}

impl Args {
    /// Reads the files; what neither flags nor variables name is that of `fallback`.
    pub fn access(&self, fallback: Fallback) -> Result<Access, Error> {
        let token = self.token()?.or(fallback.token);
        let authority = self.authority()?.or(fallback.authority);
        let identity = match (&self.tls_cert, &self.tls_key) {
            (Some(cert), Some(key)) => Some(Identity::from_pem(read(cert)?, read(key)?)),
            _ => None,
        };
        Ok(Access {
            token,
            authority: authority.map(Certificate::from_pem),
            identity,
        })
    }

    /// The token that a flag or a variable names.
    pub fn token(&self) -> Result<Option<Secret>, Error> {
        let variable = config::variable("GROKLAB_TOKEN");
        Ok(token(self.token_file.as_deref(), &variable)?)
    }

    /// The certificate authority that a flag or a variable names, as PEM.
    pub fn authority(&self) -> Result<Option<String>, Error> {
        match (&self.tls_ca, &self.tls_ca_pem) {
            (Some(path), _) => read_text(path).map(Some),
            (None, Some(text)) => Ok(Some(authority_pem(text)?)),
            (None, None) => Ok(None),
        }
    }
}

/// A PEM text, whether it is given as it is or in base64.
fn authority_pem(text: &str) -> Result<String, Error> {
    let text = text.trim();
    let pem = if text.starts_with(PEM_BEGIN) {
        text.to_owned()
    } else {
        let bytes = BASE64.decode(text).map_err(|_| Error::Authority)?;
        String::from_utf8(bytes).map_err(|_| Error::Authority)?
    };
    if pem.contains(PEM_BEGIN) {
        Ok(pem)
    } else {
        Err(Error::Authority)
    }
}

/// A PEM text as one line, for a variable.
pub fn one_line(pem: &str) -> String {
    BASE64.encode(pem)
}

fn read_text(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(|source| Error::File {
        path: path.to_owned(),
        source,
    })
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(|source| Error::File {
        path: path.to_owned(),
        source,
    })
}

impl Access {
    pub fn with_token(token: Option<Secret>) -> Self {
        Self {
            token,
            ..Self::default()
        }
    }

    /// An endpoint with time limits and keepalive, and with TLS where the address begins with
    /// `https`.
    pub fn endpoint(&self, address: &str) -> Result<Endpoint, Error> {
        let endpoint = parse_address(address)?
            .connect_timeout(CONNECT_WITHIN)
            .http2_keep_alive_interval(KEEPALIVE_EVERY)
            .keep_alive_timeout(KEEPALIVE_WITHIN)
            .keep_alive_while_idle(true)
            .tcp_nodelay(true);
        // Plain HTTP is for loopback and private networks; the coordinator warns of the rest.
        if endpoint.uri().scheme_str() != Some("https") {
            return Ok(endpoint);
        }
        let mut tls = ClientTlsConfig::new();
        tls = match &self.authority {
            // With an authority of its own, nobody else's certificate is trusted.
            Some(authority) => tls.ca_certificate(authority.clone()),
            None => tls.with_native_roots(),
        };
        if let Some(identity) = &self.identity {
            tls = tls.identity(identity.clone());
        }
        endpoint.tls_config(tls).map_err(|source| Error::Tls {
            address: address.to_owned(),
            source,
        })
    }

    /// What every call carries: the token and the trace.
    pub fn credentials(&self) -> Credentials {
        let Some(token) = &self.token else {
            return Credentials(None);
        };
        // What a header cannot hold is no coordinator's token either: the call is refused there.
        let Ok(mut header) = format!("Bearer {}", token.reveal()).parse::<MetadataValue<Ascii>>()
        else {
            return Credentials(None);
        };
        // So that `Debug` hides it and HTTP/2 keeps it in no table of repeated headers.
        header.set_sensitive(true);
        Credentials(Some(header))
    }
}

/// The endpoint of a URL with a scheme and a host.
fn parse_address(address: &str) -> Result<Endpoint, Error> {
    if let Ok(endpoint) = Endpoint::from_shared(address.to_owned()) {
        let uri = endpoint.uri();
        let has_host = uri.host().is_some_and(|host| !host.is_empty());
        if has_host && matches!(uri.scheme_str(), Some("http" | "https")) {
            return Ok(endpoint);
        }
    }
    Err(Error::Address {
        address: address.to_owned(),
    })
}

/// A client interceptor that sends the token and the current trace along.
#[derive(Debug, Clone)]
pub struct Credentials(Option<MetadataValue<Ascii>>);

impl Interceptor for Credentials {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(header) = &self.0 {
            request
                .metadata_mut()
                .insert("authorization", header.clone());
        }
        trace::inject(request)
    }
}

/// Whether the same call may succeed later by itself. A broken connection may show as `Internal`;
/// it then has a source.
pub fn heals(status: &Status) -> bool {
    match status.code() {
        Code::Unavailable
        | Code::DeadlineExceeded
        // The coordinator says this to an address that calls too often, which may call again.
        | Code::ResourceExhausted
        | Code::Aborted
        | Code::Cancelled
        | Code::Unknown => true,
        Code::Internal => status.source().is_some(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_sent_and_not_shown() {
        let access = Access::with_token(Some(Secret::new("0123456789abcdef0123456789abcdef")));
        let mut credentials = access.credentials();
        let request = credentials.call(Request::new(())).unwrap();
        assert_eq!(
            request.metadata().get("authorization").unwrap(),
            "Bearer 0123456789abcdef0123456789abcdef"
        );
        assert!(!format!("{access:?}{credentials:?}{request:?}").contains("0123456789"));
    }

    #[test]
    fn an_address_is_a_url() {
        let access = Access::default();
        assert!(access.endpoint("http://127.0.0.1:7070").is_ok());
        for address in [
            "http://not a host",
            "nonsense",
            "ftp://127.0.0.1:7070",
            "127.0.0.1:7070",
            "http://",
            "",
        ] {
            assert!(
                matches!(access.endpoint(address), Err(Error::Address { .. })),
                "{address}"
            );
        }
    }

    #[test]
    fn an_authority_comes_as_pem_or_as_one_line() {
        let pem = "-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n";
        assert_eq!(authority_pem(&one_line(pem)).unwrap(), pem);
        assert_eq!(authority_pem(pem).unwrap(), pem.trim());
        for text in ["", "/secrets/ca.pem", "QUJD"] {
            let error = authority_pem(text).unwrap_err().to_string();
            assert!(error.starts_with("GROKLAB_TLS_CA_PEM holds no"), "{error}");
        }
    }

    #[test]
    fn refusals_do_not_heal() {
        for code in [
            Code::InvalidArgument,
            Code::Unauthenticated,
            Code::PermissionDenied,
            Code::NotFound,
            Code::Internal,
        ] {
            assert!(!heals(&Status::new(code, "")), "{code:?}");
        }
        assert!(heals(&Status::unavailable("")) && heals(&Status::resource_exhausted("")));
    }
}
