//! TLS of the port that clients and workers call. Its files are read again while it serves: new
//! connections get a renewed certificate, old ones go on with theirs.

use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::Context as _;
use futures::{Stream, StreamExt as _};
use rustls::{
    RootCertStore, ServerConfig,
    crypto::ring,
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use tokio::{sync::watch, time::MissedTickBehavior};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use crate::connections::Connection;

/// How long a connection may take to agree on TLS.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);
/// How often the files are looked at.
const READ_EVERY: Duration = Duration::from_secs(5);
/// What gRPC speaks.
const PROTOCOL: &[u8] = b"h2";

/// The files of TLS, all PEM.
#[derive(Debug, Clone)]
pub struct Tls {
    pub cert: PathBuf,
    pub key: PathBuf,
    /// Workers must show a certificate that it signed.
    pub client_ca: Option<PathBuf>,
}

/// What the files held.
#[derive(PartialEq, Eq)]
struct Texts {
    cert: Vec<u8>,
    key: Vec<u8>,
    client_ca: Option<Vec<u8>>,
}

/// What new connections are served with.
pub struct Certificates {
    files: Tls,
    texts: Texts,
    /// What was found there last: whoever writes it may be in the middle of a file.
    found: Option<Texts>,
    current: watch::Sender<Arc<ServerConfig>>,
}

/// Agrees on TLS with those who connect.
#[derive(Clone)]
pub struct Handshakes(watch::Receiver<Arc<ServerConfig>>);

impl Certificates {
    /// # Errors
    /// A file cannot be read, or they do not fit each other.
    pub fn read(files: Tls) -> anyhow::Result<Self> {
        let texts = Texts::read(&files)?;
        let settings = texts.settings(&files)?;
        Ok(Self {
            files,
            texts,
            found: None,
            current: watch::Sender::new(Arc::new(settings)),
        })
    }

    pub fn handshakes(&self) -> Handshakes {
        Handshakes(self.current.subscribe())
    }

    /// Reads the files again and again until `stop`. Those that are wrong are told of once, and the
    /// last good ones stay.
    pub async fn follow(mut self, stop: CancellationToken) -> anyhow::Result<()> {
        let mut ticks = tokio::time::interval(READ_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut told = String::new();
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            match self.renew() {
                Ok(renewed) => {
                    told.clear();
                    if renewed {
                        tracing::info!(cert = %self.files.cert.display(), "renewed TLS");
                    }
                }
                Err(error) => {
                    let error = format!("{error:#}");
                    if error != told {
                        tracing::warn!(
                            error,
                            "the files of TLS are wrong; the last good ones stay"
                        );
                        told = error;
                    }
                }
            }
        }
        Ok(())
    }

    /// Whether the files hold something new for the second time, which then counts.
    fn renew(&mut self) -> anyhow::Result<bool> {
        let texts = Texts::read(&self.files)?;
        if texts == self.texts {
            return Ok(false);
        }
        if self.found.as_ref() != Some(&texts) {
            self.found = Some(texts);
            return Ok(false);
        }
        // A certificate without its key yet: whoever renews them may be between the two.
        self.current
            .send_replace(Arc::new(texts.settings(&self.files)?));
        self.texts = texts;
        Ok(true)
    }
}

impl Texts {
    fn read(files: &Tls) -> anyhow::Result<Self> {
        let client_ca = files.client_ca.as_deref().map(read).transpose()?;
        Ok(Self {
            cert: read(&files.cert)?,
            key: read(&files.key)?,
            client_ca,
        })
    }

    fn settings(&self, files: &Tls) -> anyhow::Result<ServerConfig> {
        let hint = || {
            format!(
                "prepare TLS from `{}` and `{}`: are both in PEM form, and is it the \
                 certificate's key?",
                files.cert.display(),
                files.key.display()
            )
        };
        let chain = certificates(&self.cert).with_context(hint)?;
        let key = PrivateKeyDer::from_pem_slice(&self.key).with_context(hint)?;
        let builder = ServerConfig::builder_with_provider(ring::default_provider().into())
            .with_safe_default_protocol_versions()
            .context("prepare TLS")?;
        let builder = match (&self.client_ca, &files.client_ca) {
            (Some(text), Some(path)) => {
                let verifier = client_verifier(text)
                    .with_context(|| format!("read authorities from `{}`", path.display()))?;
                builder.with_client_cert_verifier(verifier)
            }
            _ => builder.with_no_client_auth(),
        };
        let mut settings = builder.with_single_cert(chain, key).with_context(hint)?;
        settings.alpn_protocols.push(PROTOCOL.to_vec());
        Ok(settings)
    }
}

fn certificates(pem: &[u8]) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let certificates = read?;
    anyhow::ensure!(!certificates.is_empty(), "no certificate");
    Ok(certificates)
}

/// Clients need no certificate: the guard of the workers' services asks for it.
fn client_verifier(authorities: &[u8]) -> anyhow::Result<Arc<dyn ClientCertVerifier>> {
    let mut roots = RootCertStore::empty();
    // A bundle of many authorities may have some in an unusual form.
    let (usable, _) = roots.add_parsable_certificates(certificates(authorities)?);
    anyhow::ensure!(usable > 0, "no certificate that can be used");
    let provider = ring::default_provider().into();
    let builder = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
    Ok(builder.allow_unauthenticated().build()?)
}

impl Handshakes {
    /// Those of `accepted` with whom TLS was agreed on.
    pub fn with(
        self,
        accepted: impl Stream<Item = io::Result<Connection>>,
    ) -> impl Stream<Item = io::Result<TlsStream<Connection>>> {
        let handshakes = accepted.map(move |accepted| {
            let acceptor = TlsAcceptor::from(self.0.borrow().clone());
            async move {
                // A task: a slow or a hostile peer holds nobody up.
                let handshake = AbortOnDropHandle::new(tokio::spawn(async move {
                    let accepting = acceptor.accept(accepted?);
                    tokio::time::timeout(HANDSHAKE_WITHIN, accepting).await?
                }));
                handshake.await.map_err(io::Error::other).flatten()
            }
        });
        // As many at once as there are connections: fewer would keep others from being accepted.
        handshakes
            .buffer_unordered(usize::MAX)
            .filter_map(async |agreed| {
                // What fails here is a stranger's affair, and strangers may be many.
                agreed
                    .inspect_err(|error| tracing::debug!(%error, "no TLS with a peer"))
                    .ok()
                    .map(Ok)
            })
    }
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("read `{}`", path.display()))
}
