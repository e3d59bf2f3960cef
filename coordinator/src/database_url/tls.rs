//! What is asked of TLS, with libpq's meaning. Two things are stricter: what a mode would not look
//! at is refused, and the files are read once, here, so that a wrong one is noticed at start.

use std::fs;

use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use sqlx::postgres::{PgConnectOptions, PgSslMode};

use super::{error::Error, parameters::Parameters, place::is_socket};

/// libpq's word for an sslrootcert that is no file: the authorities that the machine trusts.
const SYSTEM: &str = "system";

pub(super) fn mode(word: &str) -> Option<PgSslMode> {
    Some(match word {
        "disable" => PgSslMode::Disable,
        "allow" => PgSslMode::Allow,
        "prefer" => PgSslMode::Prefer,
        "require" => PgSslMode::Require,
        "verify-ca" => PgSslMode::VerifyCa,
        "verify-full" => PgSslMode::VerifyFull,
        _ => return None,
    })
}

/// Sets the mode and the files of TLS from the URL's parameters, else from libpq's variables.
pub(super) fn apply(
    options: PgConnectOptions,
    parameters: &Parameters,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<PgConnectOptions, Error> {
    let setting = |name: &str| {
        let given = parameters
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value.clone());
        given.or_else(|| {
            // libpq names them alike: `sslmode` and PGSSLMODE. Set and empty means not set.
            environment(&format!("PG{}", name.to_uppercase())).filter(|value| !value.is_empty())
        })
    };
    let root = setting("sslrootcert");
    let asked = setting("sslmode")
        .map(|word| mode(&word).ok_or(Error::Environment))
        .transpose()?;
    // Before the files are read: nothing on a socket looks at them.
    if is_socket(&options) {
        return if asked.is_some_and(needs_tls) {
            Err(Error::Socket)
        } else {
            Ok(options.ssl_mode(PgSslMode::Disable))
        };
    }
    let mode = settle(asked, root.as_deref())?;
    let mut options = options.ssl_mode(mode);
    if let Some(root) = root {
        // The machine's authorities are trusted in any case.
        let more = if root == SYSTEM {
            Vec::new()
        } else {
            certificates("sslrootcert", &root)?
        };
        options = options.ssl_root_cert_from_pem(more);
    }
    match (setting("sslcert"), setting("sslkey")) {
        (None, None) => Ok(options),
        // A certificate that is never shown is not what was meant.
        (Some(_), Some(_)) if matches!(mode, PgSslMode::Disable) => Err(Error::Unused {
            name: "sslcert",
            wanted: "use another sslmode",
        }),
        (Some(cert), Some(key)) => Ok(options
            .ssl_client_cert_from_pem(certificates("sslcert", &cert)?)
            .ssl_client_key_from_pem(private_key(&key)?)),
        _ => Err(Error::HalfIdentity),
    }
}

fn needs_tls(mode: PgSslMode) -> bool {
    matches!(
        mode,
        PgSslMode::Require | PgSslMode::VerifyCa | PgSslMode::VerifyFull
    )
}

/// The mode that is meant. As with libpq, an authority beside `require` makes it `verify-ca`, and
/// `system` is for `verify-full` alone.
fn settle(asked: Option<PgSslMode>, root: Option<&str>) -> Result<PgSslMode, Error> {
    use PgSslMode::{Prefer, Require, VerifyCa, VerifyFull};
    match (asked, root) {
        (None | Some(VerifyFull), Some(SYSTEM)) | (Some(VerifyFull), _) => Ok(VerifyFull),
        (Some(Require | VerifyCa), Some(SYSTEM)) | (Some(VerifyCa), None) => {
            Err(Error::NoAuthority)
        }
        (Some(Require | VerifyCa), Some(_)) => Ok(VerifyCa),
        (_, Some(_)) => Err(Error::Unused {
            name: "sslrootcert",
            wanted: "use sslmode=verify-full",
        }),
        (asked, None) => Ok(asked.unwrap_or(Prefer)),
    }
}

fn certificates(name: &'static str, file: &str) -> Result<Vec<u8>, Error> {
    let pem = read(name, file)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let whole = found.is_ok_and(|found| !found.is_empty());
    if whole {
        Ok(pem)
    } else {
        Err(Error::Pem {
            name,
            wanted: "certificates in PEM form",
        })
    }
}

fn private_key(file: &str) -> Result<Vec<u8>, Error> {
    let pem = read("sslkey", file)?;
    let whole = PrivateKeyDer::from_pem_slice(&pem).is_ok();
    if whole {
        Ok(pem)
    } else {
        Err(Error::Pem {
            name: "sslkey",
            wanted: "private key in PEM form, without a passphrase",
        })
    }
}

fn read(name: &'static str, file: &str) -> Result<Vec<u8>, Error> {
    fs::read(file).map_err(|source| Error::File { name, source })
}
