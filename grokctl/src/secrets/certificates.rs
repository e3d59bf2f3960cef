//! A certificate authority of an installation's own, and the coordinator's certificate from it.

use std::time::{SystemTime, UNIX_EPOCH};

use chrono::{DateTime, Datelike};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, Error, ExtendedKeyUsagePurpose,
    IsCa, Issuer, KeyPair, KeyUsagePurpose, date_time_ymd,
};

/// Longer than an installation is likely to stay: when one expires, every box must join again.
const VALID_YEARS: i32 = 10;

/// A certificate and its private key, both as PEM.
pub struct Pair {
    pub certificate: String,
    pub key: String,
}

/// A new authority.
pub fn make_authority() -> Result<Pair, Error> {
    let authority = CertifiedIssuer::self_signed(authority_params()?, KeyPair::generate()?)?;
    Ok(Pair {
        certificate: authority.pem(),
        key: authority.key().serialize_pem(),
    })
}

/// A certificate for a server that has all these names and addresses.
pub fn make_server(authority_key: &str, names: &[String]) -> Result<Pair, Error> {
    let issuer = Issuer::new(authority_params()?, KeyPair::from_pem(authority_key)?);
    let mut params = CertificateParams::new(names)?;
    params
        .distinguished_name
        .push(DnType::CommonName, "Groklab coordinator");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    set_validity(&mut params);
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, &issuer)?;
    Ok(Pair {
        certificate: certificate.pem(),
        key: key.serialize_pem(),
    })
}

/// The same each time: what the authority signs names it by this.
fn authority_params() -> Result<CertificateParams, Error> {
    let mut params = CertificateParams::new(Vec::new())?;
    params
        .distinguished_name
        .push(DnType::CommonName, "Groklab installation");
    // It signs servers and nothing that signs in its turn.
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    set_validity(&mut params);
    Ok(params)
}

/// From last year on, so that a box whose clock is behind takes it too.
fn set_validity(params: &mut CertificateParams) {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
    let seconds = since_epoch.map_or(0, |time| time.as_secs());
    let now = DateTime::from_timestamp(i64::try_from(seconds).unwrap_or(0), 0).unwrap_or_default();
    params.not_before = date_time_ymd(now.year() - 1, 1, 1);
    params.not_after = date_time_ymd(now.year() + VALID_YEARS, 1, 1);
}
