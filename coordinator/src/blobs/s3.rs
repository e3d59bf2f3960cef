//! S3 as the standard `AWS_*` variables describe it. What they leave unclear is refused before
//! anything is asked.

use std::{fmt, sync::Arc, time::Duration};

use anyhow::{Context as _, bail, ensure};
use groklab_runtime::secret::Secret;
use object_store::{
    BackoffConfig, Certificate, ClientConfigKey, ClientOptions, ObjectStore, RetryConfig,
    aws::{AmazonS3Builder, AmazonS3ConfigKey},
    prefix::PrefixStore,
};
use url::Url;

use super::{answers::TypedConnector, fault::Way, place::Bucket};

/// How long a call repeats what may heal.
const PATIENCE: Duration = Duration::from_secs(30);
/// The same for those who only ask whether it answers.
const LITTLE_PATIENCE: Duration = Duration::from_secs(2);
const FIRST_RETRY_AFTER: Duration = Duration::from_millis(100);
const LAST_RETRY_AFTER: Duration = Duration::from_secs(5);
/// By default: the endpoint's variables, the first that is set counts.
const ENDPOINTS: [&str; 3] = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"];
const KEY_ID: &str = "AWS_ACCESS_KEY_ID";
const SECRET_KEY: &str = "AWS_SECRET_ACCESS_KEY";
const IDENTITY: &str = "AWS_WEB_IDENTITY_TOKEN_FILE";
const ROLE: &str = "AWS_ROLE_ARN";
const VIRTUAL_HOSTED: &str = "AWS_VIRTUAL_HOSTED_STYLE_REQUEST";
/// Of a key's id; the rest may be a secret that was put into the wrong variable.
const SHOWN_KEY_CHARS: usize = 4;

/// The `AWS_*` variables that are set.
#[derive(Debug, Clone, Default)]
pub struct AwsVariables(Vec<(String, Secret)>);

impl AwsVariables {
    /// Those of `all` that concern S3; an empty one counts as not set.
    pub fn among(all: impl Iterator<Item = (String, String)>) -> Self {
        let mut variables = Vec::new();
        for (name, value) in all {
            if name.starts_with("AWS_") && !value.is_empty() {
                variables.push((name, Secret::new(value)));
            }
        }
        Self(variables)
    }

    /// Refuses what leaves unclear how the bucket is reached.
    pub fn check(&self, bucket: &Bucket) -> anyhow::Result<()> {
        Settings::new(bucket, self)?.store().map(drop)
    }

    /// How the bucket is reached.
    pub fn way(&self, bucket: &Bucket) -> anyhow::Result<Way> {
        Ok(Settings::new(bucket, self)?.way())
    }

    fn get(&self, wanted: &str) -> Option<&str> {
        let found = self.0.iter().find(|(name, _)| name == wanted);
        found.map(|(_, value)| value.reveal())
    }

    fn is_true(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| {
            matches!(&*value.to_ascii_lowercase(), "true" | "1" | "yes" | "on")
        })
    }
}

/// Who signs the requests.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Signer {
    /// What of its id may be shown.
    AccessKey(String),
    WebIdentity,
    Container,
    Instance,
    Nobody,
}

/// What S3 is asked with.
#[derive(Debug)]
pub struct Settings<'a> {
    bucket: &'a Bucket,
    variables: &'a AwsVariables,
    signer: Signer,
    endpoint: Option<Endpoint>,
    certificates: Vec<Certificate>,
}

/// A server other than AWS'.
#[derive(Debug)]
struct Endpoint {
    variable: &'static str,
    /// Without the bucket.
    url: Url,
}

impl<'a> Settings<'a> {
    pub fn new(bucket: &'a Bucket, variables: &'a AwsVariables) -> anyhow::Result<Self> {
        for (name, value) in &variables.0 {
            let value = value.reveal();
            ensure!(
                value.trim() == value,
                "{name} begins or ends with a blank or the end of a line: set it without"
            );
        }
        for name in ["AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT"] {
            ensure!(
                !variables.is_true(name),
                "{name} is not known here: name the server itself in AWS_ENDPOINT_URL, as \
                 https://s3-fips.us-east-1.amazonaws.com"
            );
        }
        Ok(Self {
            bucket,
            variables,
            signer: signer(variables)?,
            endpoint: endpoint(variables)?,
            certificates: certificates(variables)?,
        })
    }

    /// How it is reached, for messages.
    pub fn way(&self) -> Way {
        Way {
            place: self.bucket.to_string(),
            bucket: self.bucket.name.clone(),
            endpoint: match &self.endpoint {
                Some(Endpoint { variable, url }) => format!("{url} ({variable})"),
                None => format!("AWS in {}", self.region()),
            },
            region: self.region().to_owned(),
            signer: self.signer.to_string(),
        }
    }

    fn region(&self) -> &str {
        let named = self.variables.get("AWS_REGION");
        named
            .or(self.variables.get("AWS_DEFAULT_REGION"))
            .unwrap_or("us-east-1")
    }

    pub fn store(&self) -> anyhow::Result<Arc<dyn ObjectStore>> {
        self.store_with(PATIENCE)
    }

    pub fn impatient_store(&self) -> anyhow::Result<Arc<dyn ObjectStore>> {
        self.store_with(LITTLE_PATIENCE)
    }

    fn store_with(&self, patience: Duration) -> anyhow::Result<Arc<dyn ObjectStore>> {
        // The HTTP client leaves it to the program which cryptography it uses. It fails where that
        // was said before, as by the store that was made first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = AmazonS3Builder::new()
            .with_http_connector(TypedConnector)
            // One request for each object: what deletes many at once is not everywhere.
            .with_config(AmazonS3ConfigKey::DisableBulkDelete, "true")
            .with_client_options(self.client_options()?)
            .with_retry(RetryConfig {
                backoff: BackoffConfig {
                    init_backoff: FIRST_RETRY_AFTER,
                    max_backoff: LAST_RETRY_AFTER,
                    base: 2.0,
                },
                max_retries: usize::MAX,
                retry_timeout: patience,
            });
        for (name, value) in &self.variables.0 {
            // What it does not know concerns other programs of AWS.
            if let Ok(key) = name.to_ascii_lowercase().parse() {
                builder = builder.with_config(key, value.reveal());
            }
        }
        if let Some(endpoint) = &self.endpoint {
            // Three variables may name it, and one of them counts.
            builder = builder
                .with_config(AmazonS3ConfigKey::S3Endpoint, self.endpoint_url(endpoint))
                .with_allow_http(endpoint.url.scheme() == "http");
        }
        let builder = builder
            .with_region(self.region())
            .with_bucket_name(&self.bucket.name);
        // What it says of a variable that it cannot read may hold the value.
        let store = builder.build().context(
            "an AWS_* variable cannot be used: true or false, or a time like `30 seconds`, is \
             expected where docs/operations.md says so",
        )?;
        Ok(Arc::new(PrefixStore::new(
            store,
            self.bucket.prefix.clone(),
        )))
    }

    fn client_options(&self) -> anyhow::Result<ClientOptions> {
        let mut options = ClientOptions::new()
            .with_config(
                ClientConfigKey::UserAgent,
                concat!("groklab/", env!("CARGO_PKG_VERSION")),
            )
            // One that hangs does not take others with it.
            .with_http1_only();
        for certificate in &self.certificates {
            options = options.with_root_certificate(certificate.clone());
        }
        Ok(options)
    }

    /// With the bucket in the host's name where that is wanted.
    fn endpoint_url(&self, endpoint: &Endpoint) -> String {
        let mut url = endpoint.url.clone();
        let host = url.host_str().unwrap_or_default().to_owned();
        let within = format!("{}.", self.bucket.name);
        if self.variables.is_true(VIRTUAL_HOSTED) && !host.starts_with(&within) {
            // An address takes no name before it; the request then fails and says where.
            let _ = url.set_host(Some(&format!("{within}{host}")));
        }
        url.as_str().trim_end_matches('/').to_owned()
    }
}

fn signer(variables: &AwsVariables) -> anyhow::Result<Signer> {
    if variables.is_true("AWS_SKIP_SIGNATURE") {
        return Ok(Signer::Nobody);
    }
    match (variables.get(KEY_ID), variables.get(SECRET_KEY)) {
        (Some(id), Some(_)) => return Ok(Signer::AccessKey(shown_key(id))),
        (Some(_), None) => bail!("{KEY_ID} is set and {SECRET_KEY} is not: set both or none"),
        (None, Some(_)) => bail!("{SECRET_KEY} is set and {KEY_ID} is not: set both or none"),
        (None, None) => {}
    }
    match (variables.get(IDENTITY), variables.get(ROLE)) {
        (Some(_), Some(_)) => return Ok(Signer::WebIdentity),
        (Some(_), None) => bail!("{IDENTITY} is set and {ROLE} is not: set both or none"),
        // A role alone says nothing about how to get it.
        (None, _) => {}
    }
    let container = [
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    ];
    if container.iter().any(|name| variables.get(name).is_some()) {
        return Ok(Signer::Container);
    }
    for name in ["AWS_PROFILE", "AWS_SHARED_CREDENTIALS_FILE"] {
        ensure!(
            variables.get(name).is_none(),
            "{name} is set, and files of profiles are not read: set {KEY_ID} and {SECRET_KEY}, as \
             by `eval \"$(aws configure export-credentials --format env)\"`"
        );
    }
    ensure!(
        !variables.is_true("AWS_EC2_METADATA_DISABLED"),
        "no keys for S3: set {KEY_ID} and {SECRET_KEY}, or {IDENTITY} and {ROLE}"
    );
    Ok(Signer::Instance)
}

/// Enough of a key's id to tell it from another, and too little where it is a secret.
fn shown_key(id: &str) -> String {
    let start: String = id.chars().take(SHOWN_KEY_CHARS).collect();
    format!("{start}…")
}

fn endpoint(variables: &AwsVariables) -> anyhow::Result<Option<Endpoint>> {
    for variable in ENDPOINTS {
        let Some(text) = variables.get(variable) else {
            continue;
        };
        // A text that is no URL may hold anything, so it is not shown.
        let url = Url::parse(text)
            .with_context(|| format!("{variable} is no URL: give http(s)://HOST:PORT"))?;
        ensure!(
            url.username().is_empty() && url.password().is_none(),
            "{variable} holds a name or a password: keys go to {KEY_ID} and {SECRET_KEY}"
        );
        ensure!(
            matches!(url.scheme(), "http" | "https") && url.host().is_some(),
            "{variable} is {url}: give http(s)://HOST:PORT"
        );
        ensure!(
            url.query().is_none() && url.fragment().is_none(),
            "{variable} is no URL of a server: give http(s)://HOST:PORT"
        );
        return Ok(Some(Endpoint { variable, url }));
    }
    Ok(None)
}

/// Whom to trust beside those that the machine trusts.
fn certificates(variables: &AwsVariables) -> anyhow::Result<Vec<Certificate>> {
    let Some(path) = variables.get("AWS_CA_BUNDLE") else {
        return Ok(Vec::new());
    };
    let read = || format!("read the certificates in AWS_CA_BUNDLE, `{path}`");
    let pem = std::fs::read(path).with_context(read)?;
    let certificates = Certificate::from_pem_bundle(&pem).with_context(read)?;
    ensure!(
        !certificates.is_empty(),
        "AWS_CA_BUNDLE: no certificate (PEM) in `{path}`"
    );
    Ok(certificates)
}

impl fmt::Display for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AccessKey(shown) => write!(f, "the access key `{shown}`"),
            Self::WebIdentity => write!(f, "the role in {ROLE}"),
            Self::Container => f.write_str("the container's role"),
            Self::Instance => f.write_str("the machine's role"),
            Self::Nobody => f.write_str("nobody (AWS_SKIP_SIGNATURE)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use object_store::path::Path as Key;

    use super::*;

    fn bucket() -> Bucket {
        Bucket {
            name: "things".to_owned(),
            prefix: Key::from("here"),
        }
    }

    fn variables(given: &[(&str, &str)]) -> AwsVariables {
        let owned = given
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        AwsVariables::among(owned)
    }

    const KEYS: [(&str, &str); 2] = [(KEY_ID, "AKIAhunter2"), (SECRET_KEY, "hunter2")];

    #[test]
    fn what_is_unclear_is_refused_and_no_secret_is_shown() {
        for (given, says) in [
            (vec![KEYS[0]], "AWS_SECRET_ACCESS_KEY is not"),
            (vec![KEYS[1]], "AWS_ACCESS_KEY_ID is not"),
            (
                vec![(KEY_ID, "AKIA"), (SECRET_KEY, "hunter2\n")],
                "the end of a line",
            ),
            (
                vec![("AWS_PROFILE", "mine")],
                "files of profiles are not read",
            ),
            (vec![(IDENTITY, "/token")], "AWS_ROLE_ARN is not"),
            (
                vec![("AWS_EC2_METADATA_DISABLED", "true")],
                "no keys for S3",
            ),
            (
                vec![KEYS[0], KEYS[1], ("AWS_ENDPOINT_URL", "store:9000")],
                "give http(s)://",
            ),
            (
                vec![KEYS[0], KEYS[1], ("AWS_ENDPOINT_URL", "hunter2")],
                "is no URL",
            ),
            (
                vec![
                    KEYS[0],
                    KEYS[1],
                    ("AWS_ENDPOINT_URL", "http://k:hunter2@store"),
                ],
                "a name or a password",
            ),
            (
                vec![
                    KEYS[0],
                    KEYS[1],
                    ("AWS_ENDPOINT_URL_S3", "http://store/?x=hunter2"),
                ],
                "AWS_ENDPOINT_URL_S3 is no URL of a server",
            ),
            (
                vec![KEYS[0], KEYS[1], ("AWS_USE_FIPS_ENDPOINT", "true")],
                "s3-fips",
            ),
            (
                vec![KEYS[0], KEYS[1], ("AWS_CA_BUNDLE", "/nowhere.pem")],
                "`/nowhere.pem`",
            ),
        ] {
            let variables = variables(&given);
            let error = format!("{:#}", Settings::new(&bucket(), &variables).unwrap_err());
            assert!(
                error.contains(says) && !error.contains("hunter2"),
                "{given:?}: {error}"
            );
        }
    }

    #[test]
    fn a_variable_that_cannot_be_read_is_refused() {
        let given = variables(&[KEYS[0], KEYS[1], ("AWS_CONNECT_TIMEOUT", "soon")]);
        let bucket = bucket();
        let error = Settings::new(&bucket, &given).unwrap().store().unwrap_err();
        let error = format!("{error:#}");
        assert!(
            error.contains("30 seconds") && error.contains("soon"),
            "{error}"
        );
    }

    #[test]
    fn who_signs_follows_from_the_variables() {
        for (given, signer) in [
            (
                vec![KEYS[0], KEYS[1], ("AWS_PROFILE", "mine")],
                "the access key `AKIA…`",
            ),
            (
                vec![(IDENTITY, "/token"), (ROLE, "arn")],
                "the role in AWS_ROLE_ARN",
            ),
            (
                vec![("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2")],
                "the container's role",
            ),
            // Compose hands on what is not set as empty.
            (vec![(KEY_ID, ""), (SECRET_KEY, "")], "the machine's role"),
        ] {
            let variables = variables(&given);
            let bucket = bucket();
            let settings = Settings::new(&bucket, &variables).unwrap();
            assert_eq!(settings.way().signer, signer);
            settings.store().unwrap();
        }
    }

    #[test]
    fn an_endpoint_counts_by_its_rank_and_takes_the_bucket_into_its_name() {
        let given = [
            KEYS[0],
            KEYS[1],
            ("AWS_ENDPOINT_URL", "http://second:9000/"),
            ("AWS_ENDPOINT_URL_S3", "https://first:9000/"),
        ];
        let (bucket, plain) = (bucket(), variables(&given));
        let hosted = variables(&[&given[..], &[(VIRTUAL_HOSTED, "true")]].concat());
        for (given, url) in [
            (&plain, "https://first:9000"),
            (&hosted, "https://things.first:9000"),
        ] {
            let settings = Settings::new(&bucket, given).unwrap();
            let endpoint = settings.endpoint.as_ref().unwrap();
            assert_eq!(settings.endpoint_url(endpoint), url);
            let way = settings.way();
            assert_eq!(way.endpoint, "https://first:9000/ (AWS_ENDPOINT_URL_S3)");
            assert_eq!(way.region, "us-east-1");
        }
    }

    #[test]
    fn nothing_of_the_variables_is_shown() {
        let given = variables(&[KEYS[0], KEYS[1], ("AWS_SESSION_TOKEN", "hunter2")]);
        let bucket = bucket();
        let settings = Settings::new(&bucket, &given).unwrap();
        let shown = format!("{settings:?} {:?}", settings.way());
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
