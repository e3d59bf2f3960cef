//! Who may call what, decided before a call is looked at: tokens, client certificates, rates. Knows
//! nothing of experiments.

use std::{net::IpAddr, num::NonZeroU32, sync::Arc};

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use groklab_runtime::secret::Secret;
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use tonic::{Request, Status, service::Interceptor};

use crate::metrics::{Metrics, Refusal};

/// Refused calls of one address that are logged per second. Guessing is hopeless at any rate that
/// `calls` lets through.
const LOGGED_PER_SECOND: NonZeroU32 = NonZeroU32::new(10).expect("it is not 0");
/// Addresses whose rates are remembered before those that have been quiet are forgotten.
const ADDRESSES: usize = 10_000;

/// Which side a service is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Submits and reads experiments.
    Client,
    /// Leases work and moves artifacts.
    Worker,
}

impl Role {
    fn name(self) -> &'static str {
        match self {
            Self::Client => "a client's",
            Self::Worker => "a worker's",
        }
    }

    fn other(self) -> Self {
        match self {
            Self::Client => Self::Worker,
            Self::Worker => Self::Client,
        }
    }
}

/// The two tokens, which must differ.
#[derive(Debug, Clone)]
pub struct Tokens {
    pub client: Secret,
    pub worker: Secret,
}

/// What every call is checked against.
pub struct Access {
    /// SHA-256 of the client's and of the worker's token, so that comparing takes the same time
    /// whatever was sent.
    tokens: Option<[[u8; 32]; 2]>,
    /// Workers must show a certificate.
    certificates: bool,
    calls: DefaultKeyedRateLimiter<IpAddr>,
    logged: DefaultKeyedRateLimiter<IpAddr>,
    metrics: Metrics,
}

impl Access {
    /// Without tokens everybody may call: for loopback alone. `certificates`: workers must show one
    /// that TLS has verified.
    pub fn new(
        tokens: Option<&Tokens>,
        certificates: bool,
        calls_per_second: NonZeroU32,
        metrics: Metrics,
    ) -> Self {
        let hash = |token: &Secret| Sha256::digest(token.reveal()).into();
        Self {
            // In the order of `Role`, which is the index.
            tokens: tokens.map(|tokens| [hash(&tokens.client), hash(&tokens.worker)]),
            certificates,
            calls: RateLimiter::keyed(Quota::per_second(calls_per_second)),
            logged: RateLimiter::keyed(Quota::per_second(LOGGED_PER_SECOND)),
            metrics,
        }
    }

    fn admit(&self, role: Role, request: &Request<()>) -> Result<(), Status> {
        // A connection without an address is a local one.
        let address = request
            .remote_addr()
            .map_or(IpAddr::from([127, 0, 0, 1]), |address| address.ip());
        // Before the address is counted: each new one takes memory, and anybody may call.
        self.forget_quiet_addresses();
        // First of all checks, so that guessing tokens is limited as well.
        if self.calls.check_key(&address).is_err() {
            self.metrics.call_refused(Refusal::Rate);
            return Err(Status::resource_exhausted(format!(
                "too many calls from {address}: try again in a second"
            )));
        }
        let (refusal, status) = match self.recognise(role, request) {
            Ok(()) => return Ok(()),
            Err(refused) => refused,
        };
        self.metrics.call_refused(refusal);
        if self.logged.check_key(&address).is_ok() {
            tracing::warn!(%address, reason = status.message(), "call refused");
        }
        Err(status)
    }

    /// Whether the caller is who may call a service of `role`.
    fn recognise(&self, role: Role, request: &Request<()>) -> Result<(), (Refusal, Status)> {
        // Asked here and not by TLS alone, which clients without a certificate share.
        if self.certificates && role == Role::Worker && !shows_certificate(request) {
            let status = Status::unauthenticated(
                "no client certificate: workers of this coordinator show one, \
                 by --tls-cert and --tls-key",
            );
            return Err((Refusal::Certificate, status));
        }
        let Some(tokens) = &self.tokens else {
            return Ok(());
        };
        let Some(token) = bearer_token(request) else {
            let status = Status::unauthenticated(
                "no token: give one by --token-file, GROKLAB_TOKEN_FILE or GROKLAB_TOKEN",
            );
            return Err((Refusal::NoToken, status));
        };
        let shown: [u8; 32] = Sha256::digest(token).into();
        let is = |role: Role| bool::from(tokens[role as usize].ct_eq(&shown));
        // Both are compared every time, so how long it takes tells nothing of which one fits.
        match (is(role), is(role.other())) {
            (true, _) => Ok(()),
            (false, true) => {
                let (other, needed) = (role.other().name(), role.name());
                let status = Status::permission_denied(format!(
                    "this is {other} token, the call needs {needed}"
                ));
                Err((Refusal::OtherRole, status))
            }
            (false, false) => Err((
                Refusal::UnknownToken,
                Status::unauthenticated("the token is not the coordinator's"),
            )),
        }
    }

    fn forget_quiet_addresses(&self) {
        for limiter in [&self.calls, &self.logged] {
            if limiter.len() > ADDRESSES {
                limiter.retain_recent();
            }
        }
    }
}

fn shows_certificate(request: &Request<()>) -> bool {
    match request.peer_certs() {
        Some(certificates) => !certificates.is_empty(),
        None => false,
    }
}

fn bearer_token(request: &Request<()>) -> Option<&str> {
    let header = request.metadata().get("authorization")?;
    header.to_str().ok()?.strip_prefix("Bearer ")
}

/// Stands before one service.
#[derive(Clone)]
pub struct Guard {
    pub access: Arc<Access>,
    pub role: Role,
}

// An interceptor sees the headers alone: a call is refused before its message is read.
impl Interceptor for Guard {
    fn call(&mut self, request: Request<()>) -> Result<Request<()>, Status> {
        self.access.admit(self.role, &request)?;
        Ok(request)
    }
}

#[cfg(test)]
mod tests {
    use tonic::Code;

    use super::*;

    const CLIENT: &str = "client-client-client-client-client";
    const WORKER: &str = "worker-worker-worker-worker-worker";

    const MANY: NonZeroU32 = NonZeroU32::new(100).unwrap();

    fn access(calls: u32) -> Access {
        let tokens = Tokens {
            client: Secret::new(CLIENT),
            worker: Secret::new(WORKER),
        };
        Access::new(
            Some(&tokens),
            false,
            NonZeroU32::new(calls).unwrap(),
            metrics(),
        )
    }

    fn metrics() -> Metrics {
        Metrics::new(&opentelemetry::global::meter("test"))
    }

    fn request(header: Option<&str>) -> Request<()> {
        let mut request = Request::new(());
        if let Some(header) = header {
            request
                .metadata_mut()
                .insert("authorization", header.parse().unwrap());
        }
        request
    }

    #[test]
    fn each_side_has_its_token() {
        let access = access(1000);
        let code = |role, header: Option<&str>| {
            access
                .admit(role, &request(header))
                .err()
                .map(|status| status.code())
        };
        let bearer = |token: &str| format!("Bearer {token}");
        assert_eq!(code(Role::Client, Some(&bearer(CLIENT))), None);
        assert_eq!(code(Role::Worker, Some(&bearer(WORKER))), None);
        assert_eq!(
            code(Role::Client, Some(&bearer(WORKER))),
            Some(Code::PermissionDenied)
        );
        assert_eq!(
            code(Role::Worker, Some(&bearer(CLIENT))),
            Some(Code::PermissionDenied)
        );
        for header in [
            None,
            Some(CLIENT),
            Some("Bearer "),
            Some("Bearer client"),
            Some(&bearer(&CLIENT.to_uppercase())),
        ] {
            assert_eq!(
                code(Role::Client, header),
                Some(Code::Unauthenticated),
                "{header:?}"
            );
        }
    }

    #[test]
    fn calls_have_a_rate() {
        let access = access(3);
        let header = format!("Bearer {CLIENT}");
        let outcomes: Vec<bool> = (0..4)
            .map(|_| access.admit(Role::Client, &request(Some(&header))).is_ok())
            .collect();
        assert_eq!(outcomes, [true, true, true, false]);
    }

    #[test]
    fn without_tokens_loopback_is_open_but_a_worker_without_certificate_is_not() {
        let open = Access::new(None, false, MANY, metrics());
        assert!(open.admit(Role::Worker, &request(None)).is_ok());
        let certified = Access::new(None, true, MANY, metrics());
        assert_eq!(
            certified
                .admit(Role::Worker, &request(None))
                .unwrap_err()
                .code(),
            Code::Unauthenticated
        );
        assert!(certified.admit(Role::Client, &request(None)).is_ok());
    }
}
