//! What every process takes from its command line and its environment. No other file of this crate
//! reads either, except `openmp`, which runs before there is a command line.

use std::{env, net::SocketAddr, num::NonZeroUsize, process};

use clap::ValueEnum;

use crate::{
    output,
    secret::{self, Secret, Variable},
};

/// Names the file descriptor of an inherited pipe whose end means "drain".
pub const DRAIN_FD: &str = "GROKLAB_DRAIN_FD";

/// Flags of every service, whatever it serves.
#[derive(Debug, Clone, Default, clap::Args)]
#[group(id = "process")]
pub struct Args {
    /// Address of the plain HTTP that operators use: /livez, /readyz and /metrics. Without it
    /// nothing listens. It serves no secrets and takes no orders, so it may be reachable from
    /// other machines, as in 0.0.0.0:9090.
    #[arg(long, env = "GROKLAB_ADMIN_LISTEN", value_name = "ADDRESS")]
    pub admin_listen: Option<SocketAddr>,
    /// Threads that wait for the network and answer it. By default one per core in a coordinator,
    /// and 2 in a worker, whose computing has threads of its own.
    #[arg(long, env = "GROKLAB_RUNTIME_THREADS", value_name = "N")]
    pub runtime_threads: Option<NonZeroUsize>,
    /// What is logged, such as `debug` or `info,groklab_coordinator=debug`.
    #[arg(long = "log", env = "GROKLAB_LOG", value_name = "FILTER")]
    pub log_filter: Option<String>,
    /// How log lines are written; by default as text on a terminal and as JSON elsewhere.
    #[arg(long, env = "GROKLAB_LOG_FORMAT", value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// An object a line, for programs.
    Json,
}

/// What is sent to an OpenTelemetry collector, by the standard `OTEL_*` variables. Where to and
/// how is read by OpenTelemetry's own exporters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Otlp {
    pub traces: bool,
    pub metrics: bool,
}

impl Otlp {
    pub fn from_environment() -> Self {
        Self::from_variables(variable_value)
    }

    fn from_variables(value: impl Fn(&str) -> Option<String>) -> Self {
        let wanted = |signal: &str| {
            // Naming an exporter is enough: it then goes to the collector on this machine.
            let exporter = value(&format!("OTEL_{signal}_EXPORTER"));
            match exporter.as_deref() {
                Some("none") => false,
                Some("otlp") => true,
                _ => {
                    let own = value(&format!("OTEL_EXPORTER_OTLP_{signal}_ENDPOINT"));
                    own.or(value("OTEL_EXPORTER_OTLP_ENDPOINT")).is_some()
                }
            }
        };
        let disabled = value("OTEL_SDK_DISABLED").as_deref() == Some("true");
        Self {
            traces: !disabled && wanted("TRACES"),
            metrics: !disabled && wanted("METRICS"),
        }
    }
}

/// Looks up a variable that may hold a secret.
pub fn variable(name: &'static str) -> Variable {
    let value = env::var(name).ok().map(Secret::new);
    Variable { name, value }
}

/// The inherited pipe whose end means "drain", where there is one.
pub fn drain_fd() -> Option<i32> {
    variable_value(DRAIN_FD)?.parse().ok()
}

/// OpenTelemetry takes an empty variable for one that is not set.
fn variable_value(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// Reads the command line. Where it cannot be used, or asks for help or the version, this ends the
/// process as clap does, with two differences: help that could not be written is an error, and
/// nothing that may be a database URL is repeated.
pub fn parse<C: clap::Parser>() -> C {
    let error = match C::try_parse() {
        Ok(parsed) => return parsed,
        Err(error) => error,
    };
    if !error.use_stderr() {
        let name = C::command().get_name().to_owned();
        process::exit(output::show_help(&name, &error));
    }
    // clap repeats what it did not expect, and that may be a URL with a password.
    let mut given: Vec<_> = env::args_os().skip(1).collect();
    given.extend(env::vars_os().map(|(_, value)| value));
    match secret::without_urls(&error.render().to_string(), &given) {
        None => error.exit(),
        Some(message) => {
            output::complain(message.trim_end());
            process::exit(error.exit_code())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn otlp(variables: &[(&str, &str)]) -> (bool, bool) {
        let otlp = Otlp::from_variables(|name| {
            let found = variables.iter().find(|(other, _)| *other == name);
            found.map(|(_, value)| (*value).to_owned())
        });
        (otlp.traces, otlp.metrics)
    }

    #[test]
    fn what_is_exported_follows_the_standard_variables() {
        const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4317");
        assert_eq!(otlp(&[]), (false, false));
        assert_eq!(otlp(&[ENDPOINT]), (true, true));
        let traces_only = [("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://c:4317")];
        assert_eq!(otlp(&traces_only), (true, false));
        assert_eq!(otlp(&[("OTEL_METRICS_EXPORTER", "otlp")]), (false, true));
        let no_metrics = [ENDPOINT, ("OTEL_METRICS_EXPORTER", "none")];
        assert_eq!(otlp(&no_metrics), (true, false));
        let disabled = [ENDPOINT, ("OTEL_SDK_DISABLED", "true")];
        assert_eq!(otlp(&disabled), (false, false));
    }
}
