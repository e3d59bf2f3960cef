//! The coordinator's configuration: flags over environment. The only place that reads the environment.

use std::{fmt, net::SocketAddr, path::PathBuf, time::Duration};

use anyhow::{Context as _, ensure};
use clap::Parser;

/// Serves experiments and workers, and keeps everything in Postgres.
#[derive(Debug, Parser)]
#[command(name = "coordinator", version, after_help = "Example:\n  coordinator --listen 127.0.0.1:7070 --data ./groklab-data")]
struct Flags {
    /// Address to serve on; port 0 takes a free one.
    #[arg(long, env = "GROKLAB_LISTEN", default_value = "127.0.0.1:7070")]
    listen: SocketAddr,
    /// Folder for artifacts and, without a database URL, for a Postgres of its own.
    #[arg(long, env = "GROKLAB_DATA", default_value = "groklab-data")]
    data: PathBuf,
    /// An existing Postgres: postgres://user:password@host/database. Arguments can be seen by every user of the machine: with a
    /// password, prefer --database-url-file or the environment.
    #[arg(long, env = "GROKLAB_DATABASE_URL", hide_env_values = true, conflicts_with = "database_url_file")]
    database_url: Option<Secret>,
    /// A file that holds the database URL.
    #[arg(long, env = "GROKLAB_DATABASE_URL_FILE")]
    database_url_file: Option<PathBuf>,
    /// How long a worker may be silent before its job can be given to another.
    #[arg(long, env = "GROKLAB_LEASE_SECONDS", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=3600))]
    lease_seconds: u32,
    /// Lost leases and infrastructure failures of one job before its experiment is paused.
    #[arg(long, env = "GROKLAB_ATTEMPTS", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    attempts: u32,
    /// Where to write the address, as http://HOST:PORT, once it is served.
    #[arg(long, env = "GROKLAB_ADDRESS_FILE")]
    address_file: Option<PathBuf>,
    /// Show the configuration, secrets redacted, and end.
    #[arg(long)]
    print_config: bool,
}

/// What a coordinator runs with.
#[derive(Debug, Clone)]
pub struct Config {
    pub listen: SocketAddr,
    /// Holds `artifacts/` and, without a database URL, `postgres/`.
    pub data: PathBuf,
    /// Absent: a Postgres of its own.
    pub database_url: Option<Secret>,
    pub lease: Duration,
    /// Lost leases and infrastructure failures of one job before its experiment is paused.
    pub attempts: u32,
    pub address_file: Option<PathBuf>,
}

/// What the command line asks for.
pub enum Command {
    Run(Config),
    /// Show this text and end.
    Print(String),
}

impl Config {
    /// Reads flags and environment; ends the process where clap says so (`--help`, bad flags).
    pub fn from_args() -> anyhow::Result<Command> {
        let flags = Flags::parse();
        let print = flags.print_config;
        let config = Self::try_from(flags)?;
        Ok(if print { Command::Print(config.describe()) } else { Command::Run(config) })
    }

    /// Refuses what must not be served.
    pub fn check(&self) -> anyhow::Result<()> {
        ensure!(
            self.listen.ip().is_loopback(),
            "refusing to listen on {}: there is no access control yet, so only loopback addresses (127.0.0.1, ::1) are served",
            self.listen
        );
        Ok(())
    }

    fn describe(&self) -> String {
        let optional = |value: Option<String>| value.unwrap_or_else(|| "none".to_owned());
        format!(
            "listen = {}\ndata = {}\ndatabase_url = {}\nlease_seconds = {}\nattempts = {}\naddress_file = {}",
            self.listen,
            self.data.display(),
            self.database_url.as_ref().map_or_else(|| "none (a Postgres of its own)".to_owned(), ToString::to_string),
            self.lease.as_secs(),
            self.attempts,
            optional(self.address_file.as_ref().map(|path| path.display().to_string())),
        )
    }
}

impl TryFrom<Flags> for Config {
    type Error = anyhow::Error;

    fn try_from(flags: Flags) -> anyhow::Result<Self> {
        let from_file = flags.database_url_file.as_ref().map(|path| {
            let text = std::fs::read_to_string(path).with_context(|| format!("read database URL from `{}`", path.display()))?;
            ensure!(!text.trim().is_empty(), "`{}` is empty: it should hold a database URL", path.display());
            Ok(Secret(text.trim().to_owned()))
        });
        let config = Self {
            listen: flags.listen,
            data: std::path::absolute(&flags.data).with_context(|| format!("data folder `{}`", flags.data.display()))?,
            database_url: from_file.transpose()?.or(flags.database_url),
            lease: Duration::from_secs(flags.lease_seconds.into()),
            attempts: flags.attempts,
            address_file: flags.address_file,
        };
        config.check()?;
        Ok(config)
    }
}

/// A text that is never shown.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for Secret {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(redacted)")
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(redacted)")
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
        assert_eq!(config.database_url.unwrap().reveal(), "postgres://u:hunter2@h/d");
    }

    #[test]
    fn only_loopback_is_served() {
        let error = config(&["--listen", "0.0.0.0:7070"]).unwrap_err().to_string();
        assert!(error.contains("loopback"), "{error}");
    }
}
