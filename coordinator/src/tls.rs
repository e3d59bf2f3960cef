//! The server's limits, and its TLS where that is asked for.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context as _;
use tonic::transport::{Certificate, Identity, Server, ServerTlsConfig};

const KEEPALIVE_EVERY: Duration = Duration::from_secs(20);
/// An old connection is closed, so that its client finds another coordinator where there are more.
const MAX_CONNECTION_AGE: Duration = Duration::from_secs(30 * 60);
/// How long a connection may take to agree on TLS.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);
/// Calls at once on one connection; a worker has one or two.
const MAX_CONCURRENT_CALLS: u32 = 1024;
const MAX_HEADER_BYTES: u32 = 16 << 10;

/// The files of TLS, all PEM.
#[derive(Debug, Clone)]
pub struct Tls {
    pub cert: PathBuf,
    pub key: PathBuf,
    /// Workers must show a certificate that it signed.
    pub client_ca: Option<PathBuf>,
}

/// A server with its limits, and with TLS where that is asked for.
pub fn server(tls: Option<&Tls>) -> anyhow::Result<Server> {
    let server = Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE_EVERY))
        // A peer that vanished without a word is noticed, and its place given to others.
        .http2_keepalive_timeout(Some(KEEPALIVE_EVERY))
        .max_connection_age(MAX_CONNECTION_AGE)
        .max_concurrent_streams(MAX_CONCURRENT_CALLS)
        .http2_max_header_list_size(MAX_HEADER_BYTES);
    let Some(tls) = tls else { return Ok(server) };
    let identity = Identity::from_pem(read(&tls.cert)?, read(&tls.key)?);
    let mut settings = ServerTlsConfig::new()
        .identity(identity)
        .timeout(HANDSHAKE_WITHIN);
    if let Some(path) = &tls.client_ca {
        // Clients need none: the guard of the workers' services asks for it.
        settings = settings
            .client_ca_root(Certificate::from_pem(read(path)?))
            .client_auth_optional(true);
    }
    server.tls_config(settings).with_context(|| {
        format!(
            "prepare TLS from `{}` and `{}`: are both in PEM form, and is it the certificate's \
             key?",
            tls.cert.display(),
            tls.key.display()
        )
    })
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("read `{}`", path.display()))
}
