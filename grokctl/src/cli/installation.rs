//! The arguments of commands that run or reach an installation.

use std::{net::SocketAddr, path::PathBuf};

use clap::Args;
use groklab_domain::DeviceSetting;
use groklab_runtime::secret::Secret;

use crate::experiment_file::{Inputs, Sweep};

/// How to bring everything up on this machine.
#[derive(Debug, Clone, Args)]
pub struct UpArgs {
    /// Serve others too: an address of this machine and a port, as in 0.0.0.0:7070. Makes tokens in
    /// the data folder.
    #[arg(long, env = "GROKLAB_LISTEN", value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// Use this Postgres instead of one in the data folder.
    #[arg(
        long,
        env = "GROKLAB_DATABASE_URL",
        value_name = "URL",
        hide_env_values = true
    )]
    pub database_url: Option<Secret>,
    /// Where generation workers compute, one for each, as in cuda:0,cuda:1; by default one, on the
    /// first GPU where there is one, or where GROKLAB_DEVICE says.
    #[arg(
        long,
        env = "GROKLAB_GENERATE_DEVICE",
        value_name = "DEVICES",
        value_delimiter = ','
    )]
    pub generate_device: Vec<DeviceSetting>,
    /// The same for training workers.
    #[arg(
        long,
        env = "GROKLAB_TRAIN_DEVICE",
        value_name = "DEVICES",
        value_delimiter = ','
    )]
    pub train_device: Vec<DeviceSetting>,
    /// Where the coordinator and the workers are; by default beside grokctl itself.
    #[arg(long, value_name = "DIR")]
    pub bin_dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Where the coordinator and the workers are; by default beside grokctl itself.
    #[arg(long, value_name = "DIR")]
    pub bin_dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct LoginArgs {
    /// The coordinator's address, as in https://HOST:PORT; `-`: it is on standard input with the
    /// rest.
    #[arg(value_name = "URL")]
    pub from: String,
}

#[derive(Debug, Args)]
pub struct JoinArgs {
    /// For a person's `grokctl login -` instead of a box's workers.
    #[arg(long)]
    pub client: bool,
    /// The folder that `grokctl secrets` has filled.
    #[arg(long, env = "GROKLAB_SECRETS", value_name = "DIR")]
    pub secrets: PathBuf,
    /// Names and addresses by which others reach this machine; the first is told.
    #[arg(
        long,
        env = "GROKLAB_HOSTNAMES",
        value_name = "NAMES",
        value_delimiter = ','
    )]
    pub hostnames: Vec<String>,
    /// The address that the coordinator is published on.
    #[arg(
        long,
        env = "GROKLAB_PUBLISH",
        value_name = "ADDRESS",
        default_value = "127.0.0.1:7070"
    )]
    pub publish: SocketAddr,
}

#[derive(Debug, Args)]
pub struct SecretsArgs {
    /// The folder to fill.
    #[arg(long, env = "GROKLAB_SECRETS", value_name = "DIR")]
    pub out: PathBuf,
    /// Names and addresses by which others reach the coordinator, separated by commas; its
    /// certificate is for these, for `coordinator` and for this machine.
    #[arg(
        long,
        env = "GROKLAB_HOSTNAMES",
        value_name = "NAMES",
        value_delimiter = ','
    )]
    pub hostnames: Vec<String>,
    /// Where the coordinator reaches its database.
    #[arg(
        long,
        env = "GROKLAB_DATABASE_HOST",
        value_name = "HOST:PORT",
        default_value = "postgres:5432"
    )]
    pub database_host: String,
}

#[derive(Debug, Args)]
pub struct PilotArgs {
    #[command(flatten)]
    pub inputs: Inputs,
    /// Rules to ask, dealt to the families of the file.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 60,
        value_parser = clap::value_parser!(u32).range(1..=20_000)
    )]
    pub rules: u32,
    /// Samples of each.
    #[arg(
        long,
        value_name = "N",
        default_value_t = 32,
        value_parser = clap::value_parser!(u32).range(1..=1024)
    )]
    pub samples: u32,
    /// The file to write.
    #[arg(long, value_name = "FILE", default_value = "pilot.json")]
    pub out: PathBuf,
    /// Replace the file if it exists.
    #[arg(long)]
    pub force: bool,
    /// Bring everything up on this machine first and stop it afterwards.
    #[arg(long)]
    pub local: bool,
    #[command(flatten)]
    pub up: UpArgs,
}

#[derive(Debug, Args)]
pub struct RunArgs {
    #[command(flatten)]
    pub inputs: Inputs,
    #[command(flatten)]
    pub sweep: Sweep,
    /// Bring everything up on this machine first and stop it afterwards.
    #[arg(long)]
    pub local: bool,
    /// The folder to export to; by default experiments/NAME, with a number where that exists.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub up: UpArgs,
}
