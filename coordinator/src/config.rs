//! The coordinator's configuration: flags over environment. The only place that reads the
//! environment.

use std::{
    net::SocketAddr,
    num::NonZeroU32,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};
use clap::Parser;
use groklab_runtime::{
    admin::HealthArgs,
    config::{Args as ProcessArgs, parse, variable},
    secret::{self, Secret, token},
};
use sqlx::postgres::PgConnectOptions;

use crate::{
    access::Tokens,
    blobs::{AwsVariables, Place},
    database_url,
    tls::{Certificates, Tls},
};

/// Serves experiments and workers, and keeps everything in Postgres.
#[derive(Debug, Parser)]
#[command(
    name = "coordinator",
    version,
    after_help = "Example:\n  coordinator --listen 127.0.0.1:7070 --data ./groklab-data\n\n\
    Exit codes: 0 stopped in order · 1 could not start or go on · 2 wrong command line, or a \
    file that it names"
)]
struct Flags {
    /// Address to serve on; port 0 takes a free one.
    #[arg(long, env = "GROKLAB_LISTEN", default_value = "127.0.0.1:7070")]
    listen: SocketAddr,
    /// Folder for artifacts and, without a database URL, for a Postgres of its own.
    #[arg(long, env = "GROKLAB_DATA", default_value = "groklab-data")]
    data: PathBuf,
    /// Where artifacts are kept: s3://BUCKET/PREFIX, reached by the standard AWS_* variables, or
    /// another folder than `artifacts` in the data folder.
    #[arg(long, env = "GROKLAB_ARTIFACTS", value_name = "S3_URL|FOLDER")]
    artifacts: Option<Place>,
    /// An existing Postgres: postgres://user:password@host/database, with ?sslmode=verify-full
    /// where a network lies between. Arguments can be seen by every user of the machine: with a
    /// password, prefer --database-url-file or the environment.
    #[arg(
        long,
        env = "GROKLAB_DATABASE_URL",
        hide_env_values = true,
        conflicts_with = "database_url_file"
    )]
    database_url: Option<Secret>,
    /// A file that holds the database URL.
    #[arg(long, env = "GROKLAB_DATABASE_URL_FILE")]
    database_url_file: Option<PathBuf>,
    /// How long a worker may be silent before its job can be given to another.
    #[arg(
        long,
        env = "GROKLAB_LEASE_SECONDS",
        default_value_t = 30,
        value_parser = clap::value_parser!(u32).range(1..=3600)
    )]
    lease_seconds: u32,
    /// Lost leases and infrastructure failures of one job before its experiment is paused.
    #[arg(
        long,
        env = "GROKLAB_ATTEMPTS",
        default_value_t = 3,
        value_parser = clap::value_parser!(u32).range(1..=100)
    )]
    attempts: u32,
    /// File with the token that clients show; instead of it, GROKLAB_CLIENT_TOKEN may hold the
    /// token.
    #[arg(long, env = "GROKLAB_CLIENT_TOKEN_FILE", value_name = "FILE")]
    client_token_file: Option<PathBuf>,
    /// File with the token that workers show; instead of it, GROKLAB_WORKER_TOKEN may hold the
    /// token.
    #[arg(long, env = "GROKLAB_WORKER_TOKEN_FILE", value_name = "FILE")]
    worker_token_file: Option<PathBuf>,
    /// Certificate chain (PEM): serve with TLS.
    #[arg(
        long,
        env = "GROKLAB_SERVER_CERT",
        value_name = "FILE",
        requires = "tls_key"
    )]
    tls_cert: Option<PathBuf>,
    /// The certificate's private key (PEM).
    #[arg(
        long,
        env = "GROKLAB_SERVER_KEY",
        value_name = "FILE",
        requires = "tls_cert"
    )]
    tls_key: Option<PathBuf>,
    /// Certificate authority (PEM): workers must show a certificate that it signed.
    #[arg(
        long,
        env = "GROKLAB_CLIENT_CA",
        value_name = "FILE",
        requires = "tls_cert"
    )]
    tls_client_ca: Option<PathBuf>,
    /// Calls that one address may make per second.
    #[arg(long, env = "GROKLAB_CALLS_PER_SECOND", default_value = "20000")]
    calls_per_second: NonZeroU32,
    /// The one folder in which all workers see models of the users' own, at the same path as the
    /// users do: experiments that name a path elsewhere are refused. By default any path is taken.
    #[arg(long, env = "GROKLAB_MODEL_FOLDER", value_name = "DIR")]
    model_folder: Option<PathBuf>,
    /// Where to write the address, as http://HOST:PORT, once it is served.
    #[arg(long, env = "GROKLAB_ADDRESS_FILE")]
    address_file: Option<PathBuf>,
    #[command(flatten)]
    process: ProcessArgs,
    /// Show the configuration, secrets redacted, and end.
    #[arg(long)]
    print_config: bool,
    #[command(subcommand)]
    command: Option<Subcommand>,
}

#[derive(Debug, clap::Subcommand)]
enum Subcommand {
    /// Ask a running coordinator on this machine whether it can do its duty.
    #[command(after_help = "Example:\n  coordinator health --admin-listen 127.0.0.1:9090")]
    Health(HealthArgs),
    /// Say whether this machine has what a Postgres of the coordinator's own needs, and the fix.
    #[command(
        after_help = "Exit codes: 0 a coordinator can start here, 1 it cannot\n\n\
            Example:\n  coordinator doctor"
    )]
    Doctor(DoctorArgs),
}

#[derive(Debug, clap::Args)]
pub struct DoctorArgs {
    /// Print an object a line instead of text.
    #[arg(long)]
    pub json: bool,
}

/// What a coordinator runs with.
#[derive(Debug, Clone)]
pub struct Config {
    pub listen: SocketAddr,
    /// Holds `artifacts/`, unless they are elsewhere, and, without a database URL, `postgres/`.
    pub data: PathBuf,
    /// Absent: `artifacts/` in the data folder.
    pub artifacts: Option<Place>,
    /// How S3 is reached.
    pub aws: AwsVariables,
    /// Absent: a Postgres of its own.
    pub database_url: Option<Secret>,
    pub lease: Duration,
    /// Lost leases and infrastructure failures of one job before its experiment is paused.
    pub attempts: u32,
    /// Where models of the users' own lie; absent: anywhere.
    pub model_folder: Option<PathBuf>,
    pub address_file: Option<PathBuf>,
    /// Absent: everybody may call, on loopback.
    pub tokens: Option<Tokens>,
    pub tls: Option<Tls>,
    /// Calls that one address may make per second.
    pub calls_per_second: NonZeroU32,
    pub process: ProcessArgs,
}

/// What the command line asks for.
pub enum Command {
    Run(Box<Config>),
    /// Show this text and end.
    Print(String),
    /// Ask a running coordinator how it is.
    Health(HealthArgs),
    /// Look at this machine.
    Doctor(DoctorArgs),
}

impl Config {
    /// Reads flags and environment; ends the process where clap says so (`--help`, bad flags).
    pub fn from_args() -> anyhow::Result<Command> {
        let mut flags: Flags = parse();
        match flags.command.take() {
            Some(Subcommand::Health(health)) => return Ok(Command::Health(health)),
            Some(Subcommand::Doctor(doctor)) => return Ok(Command::Doctor(doctor)),
            None => {}
        }
        let print = flags.print_config;
        let config = Self::try_from(flags)?;
        Ok(if print {
            Command::Print(config.describe())
        } else {
            Command::Run(Box::new(config))
        })
    }

    /// Refuses what must not be served.
    pub fn check(&self) -> anyhow::Result<()> {
        ensure!(
            // Only this machine reaches loopback. 0.0.0.0 is not loopback, though it includes it.
            self.listen.ip().is_loopback() || self.tokens.is_some(),
            "refusing to listen on {} without tokens: others can reach it. Make two with \
             `openssl rand -hex 32` and give them by --client-token-file and --worker-token-file \
             (or GROKLAB_CLIENT_TOKEN and GROKLAB_WORKER_TOKEN), or listen on 127.0.0.1",
            self.listen
        );
        self.database()?;
        if let Some(Place::S3(bucket)) = &self.artifacts {
            self.aws.check(bucket)?;
        }
        // Read and thrown away: what is wrong with the files is wrong use, like a wrong flag.
        if let Some(tls) = &self.tls {
            Certificates::read(tls.clone())?;
        }
        Ok(())
    }

    /// The database's parts where one is named. Errors show nothing of the URL: it may hold a
    /// password.
    pub fn database(&self) -> anyhow::Result<Option<PgConnectOptions>> {
        let Some(url) = &self.database_url else {
            return Ok(None);
        };
        Ok(Some(database_url::parse(url.reveal(), |name| {
            std::env::var(name).ok()
        })?))
    }

    /// Where artifacts are kept.
    pub fn artifacts(&self) -> Place {
        let given = self.artifacts.clone();
        given.unwrap_or_else(|| Place::Folder(self.data.join("artifacts")))
    }

    fn describe_s3(&self) -> String {
        let way = match &self.artifacts {
            Some(Place::S3(bucket)) => self.aws.way(bucket).ok(),
            _ => None,
        };
        shown(way, "none")
    }

    fn describe(&self) -> String {
        let tls = self.tls.as_ref();
        let tokens = match self.tokens {
            Some(_) => "client (redacted), worker (redacted)",
            None => "none (loopback only)",
        };
        let lines = [
            ("listen", self.listen.to_string()),
            ("data", self.data.display().to_string()),
            ("artifacts", self.artifacts().to_string()),
            ("s3", self.describe_s3()),
            (
                "database_url",
                shown(self.database_url.as_ref(), "none (a Postgres of its own)"),
            ),
            ("lease_seconds", self.lease.as_secs().to_string()),
            ("attempts", self.attempts.to_string()),
            (
                "model_folder",
                shown(self.model_folder.as_deref().map(Path::display), "any"),
            ),
            ("address_file", shown_path(self.address_file.as_deref())),
            ("tokens", tokens.to_owned()),
            ("tls_cert", shown_path(tls.map(|tls| &*tls.cert))),
            (
                "tls_client_ca",
                shown_path(tls.and_then(|tls| tls.client_ca.as_deref())),
            ),
            ("calls_per_second", self.calls_per_second.to_string()),
            (
                "admin_listen",
                shown(self.process.admin_listen, "none (not served)"),
            ),
            (
                "runtime_threads",
                shown(self.process.runtime_threads, "one per core"),
            ),
        ];
        let lines = lines.map(|(name, value)| format!("{name} = {value}"));
        lines.join("\n")
    }
}

/// A value, or what stands for none.
fn shown(value: Option<impl ToString>, none: &str) -> String {
    match value {
        Some(value) => value.to_string(),
        None => none.to_owned(),
    }
}

fn shown_path(path: Option<&Path>) -> String {
    shown(path.map(Path::display), "none")
}

impl TryFrom<Flags> for Config {
    type Error = anyhow::Error;

    fn try_from(flags: Flags) -> anyhow::Result<Self> {
        let from_file = flags.database_url_file.as_deref().map(url_from_file);
        let config = Self {
            listen: flags.listen,
            data: std::path::absolute(&flags.data)
                .with_context(|| format!("data folder `{}`", flags.data.display()))?,
            artifacts: flags.artifacts.map(absolute).transpose()?,
            aws: aws_variables()?,
            database_url: from_file.transpose()?.or(flags.database_url),
            lease: Duration::from_secs(flags.lease_seconds.into()),
            attempts: flags.attempts,
            model_folder: flags.model_folder,
            address_file: flags.address_file,
            tokens: tokens(
                flags.client_token_file.as_deref(),
                flags.worker_token_file.as_deref(),
            )?,
            tls: flags.tls_cert.zip(flags.tls_key).map(|(cert, key)| Tls {
                cert,
                key,
                client_ca: flags.tls_client_ca,
            }),
            calls_per_second: flags.calls_per_second,
            process: flags.process,
        };
        config.check()?;
        Ok(config)
    }
}

fn absolute(place: Place) -> anyhow::Result<Place> {
    Ok(match place {
        Place::Folder(folder) => Place::Folder(
            std::path::absolute(&folder)
                .with_context(|| format!("artifacts' folder `{}`", folder.display()))?,
        ),
        place @ Place::S3(_) => place,
    })
}

/// How S3 is reached.
fn aws_variables() -> anyhow::Result<AwsVariables> {
    let mut variables = Vec::new();
    for (name, value) in std::env::vars_os() {
        let Ok(name) = name.into_string() else {
            continue;
        };
        if name.starts_with("AWS_") {
            let value = value.into_string();
            ensure!(value.is_ok(), "the variable {name} is not UTF-8");
            variables.push((name, value.unwrap_or_default()));
        }
    }
    Ok(AwsVariables::among(variables.into_iter()))
}

/// The database URL that a file holds.
fn url_from_file(path: &Path) -> anyhow::Result<Secret> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path);
    ensure!(
        // The message must not repeat it: given the wrong flag, this is the URL with its password.
        text.is_ok() || !secret::may_be_url(&name),
        "--database-url-file (or GROKLAB_DATABASE_URL_FILE) names no file: is it the URL itself? \
         That goes to --database-url"
    );
    let text = text.with_context(|| format!("read database URL from `{name}`"))?;
    ensure!(
        !text.trim().is_empty(),
        "`{name}` is empty: it should hold a database URL"
    );
    Ok(Secret::new(text.trim()))
}

/// Both tokens or none.
fn tokens(client: Option<&Path>, worker: Option<&Path>) -> anyhow::Result<Option<Tokens>> {
    match (
        token(client, &variable("GROKLAB_CLIENT_TOKEN"))?,
        token(worker, &variable("GROKLAB_WORKER_TOKEN"))?,
    ) {
        (None, None) => Ok(None),
        (Some(client), Some(worker)) => {
            ensure!(
                client != worker,
                "the clients' token and the workers' are the same: a worker could submit and read \
                 experiments"
            );
            Ok(Some(Tokens { client, worker }))
        }
        (Some(_), None) => bail!(
            "there is a token for clients but none for workers: give --worker-token-file or \
             GROKLAB_WORKER_TOKEN"
        ),
        (None, Some(_)) => bail!(
            "there is a token for workers but none for clients: give --client-token-file or \
             GROKLAB_CLIENT_TOKEN"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(args: &[&str]) -> anyhow::Result<Config> {
        Flags::try_parse_from([&["coordinator"], args].concat())?.try_into()
    }

    #[test]
    fn secrets_are_never_shown() {
        let config = config(&["--database-url", "postgres://u:hunter2@h/d"]).unwrap();
        assert!(!format!("{config:?}{}", config.describe()).contains("hunter2"));
        assert_eq!(
            config.database_url.unwrap().reveal(),
            "postgres://u:hunter2@h/d"
        );
    }

    #[test]
    fn only_loopback_is_served() {
        let error = config(&["--listen", "0.0.0.0:7070"])
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("refusing to listen on 0.0.0.0:7070 without tokens"),
            "{error}"
        );
    }

    #[test]
    fn tokens_come_in_pairs_that_differ() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path.to_str().unwrap().to_owned()
        };
        let (one, other) = (file("one", &"a".repeat(32)), file("other", &"b".repeat(32)));
        let with = |client: &str, worker: &str| {
            config(&[
                "--listen",
                "0.0.0.0:7070",
                "--client-token-file",
                client,
                "--worker-token-file",
                worker,
            ])
        };
        let served = with(&one, &other).unwrap();
        assert!(!format!("{served:?}{}", served.describe()).contains("aaaa"));
        assert!(
            with(&one, &one)
                .unwrap_err()
                .to_string()
                .contains("the same")
        );
        let short = file("short", "abc");
        assert!(
            with(&one, &short)
                .unwrap_err()
                .to_string()
                .contains("3 characters")
        );
        let half = config(&["--client-token-file", &one])
            .unwrap_err()
            .to_string();
        assert!(half.contains("none for workers"), "{half}");
    }
}
