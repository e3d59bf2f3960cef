//! The command line: commands, flags, their help and an example each. Decides nothing.

use std::{net::SocketAddr, path::PathBuf};

use clap::{
    Args, Parser, Subcommand,
    builder::{PossibleValuesParser, TypedValueParser},
};
use clap_complete::Shell;
use groklab_domain::{DeviceSetting, ExperimentState, Purpose, Split, Verdict, records::Level};
use groklab_runtime::{connect, secret::Secret};

const EXIT_CODES: &str = "Exit codes: 0 done, or nobody reads on (as with `| head`) · \
    1 other failure, also where standard output is full or closed · \
    2 wrong command line or file · 3 not found · 4 coordinator unreachable · \
    5 the experiment failed, was cancelled or is paused · 6 no or a wrong token · \
    130 interrupted";

/// Can a small code model improve itself on problems whose answers can be checked? Submit an
/// experiment and see.
#[derive(Debug, Parser)]
#[command(
    name = "grokctl",
    version,
    after_help = EXIT_CODES,
    propagate_version = true,
    max_term_width = 110
)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// Flags of every command.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// The coordinator; by default the one that `grokctl up` runs on the data folder, else the one
    /// of `grokctl login`, else http://127.0.0.1:7070.
    #[arg(long, global = true, env = "GROKLAB_COORDINATOR", value_name = "URL")]
    pub coordinator: Option<String>,
    /// The folder in which `up` and `run --local` keep their state.
    #[arg(
        long,
        global = true,
        env = "GROKLAB_DATA",
        value_name = "DIR",
        default_value = "groklab-data"
    )]
    pub data: PathBuf,
    /// Where `login` keeps a coordinator's address and token; by default
    /// ~/.config/groklab/login.json.
    #[arg(long, global = true, env = "GROKLAB_LOGIN_FILE", value_name = "FILE")]
    pub login_file: Option<PathBuf>,
    /// The one folder in which the workers see models of your own, at the same path as you do;
    /// by default any.
    #[arg(long, global = true, env = "GROKLAB_MODEL_FOLDER", value_name = "DIR")]
    pub model_folder: Option<PathBuf>,
    #[command(flatten)]
    pub connect: connect::Args,
    /// Print results as JSON, one value a line; notes stay on standard error.
    #[arg(long, global = true)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the coordinator and workers of each kind on this machine, until Ctrl-C.
    #[command(after_help = "Example: grokctl up --data /srv/groklab")]
    Up(UpArgs),
    /// Submit an experiment, watch it to its end and export the results.
    #[command(
        after_help = "With --local everything is brought up before and stopped after. \
            An unfinished experiment of the same name and content in the data folder is gone on \
            with instead of being started twice.\n\n\
            Example: grokctl run --local examples/quickstart.toml"
    )]
    Run(RunArgs),
    /// Check an experiment file and submit it.
    #[command(after_help = "Example: grokctl submit examples/quickstart.toml --watch")]
    Submit(SubmitArgs),
    /// List experiments, newest first.
    #[command(after_help = "Example: grokctl list --state running")]
    List(ListArgs),
    /// Show an experiment: what it is, how far it is, and its accuracy so far.
    #[command(after_help = "Example: grokctl show quickstart")]
    Show(Experiment),
    /// Follow an experiment to its end.
    #[command(after_help = "Example: grokctl watch quickstart --json | jq .experiment.state")]
    Watch(Experiment),
    /// End an experiment; what it stored stays.
    #[command(after_help = "Example: grokctl cancel 0198c0de")]
    Cancel(Experiment),
    /// Give out no new jobs of an experiment; running ones finish.
    #[command(after_help = "Example: grokctl pause quickstart")]
    Pause(Experiment),
    /// Go on with a paused experiment.
    #[command(after_help = "Example: grokctl resume quickstart")]
    Resume(Experiment),
    /// Show what the model wrote, and why it failed.
    #[command(
        after_help = "Example: grokctl rollouts quickstart --split test --verdict wrong_answer \
            --limit 5"
    )]
    Rollouts(RolloutsArgs),
    /// Show the problems that a file would make; submits nothing.
    #[command(
        after_help = "Example: grokctl problems examples/quickstart.toml --family rpn --limit 2"
    )]
    Problems(ProblemsArgs),
    /// Compare two experiments, or two iterations, on the problems they share: paired differences
    /// with intervals.
    #[command(after_help = "Example: grokctl compare baseline quickstart --split test")]
    Compare(CompareArgs),
    /// Show an experiment's timeline.
    #[command(after_help = "Example: grokctl logs quickstart --level warn")]
    Logs(LogsArgs),
    /// Write an experiment's files, adapters and report to a folder.
    #[command(after_help = "Example: grokctl export quickstart --out experiments/quickstart")]
    Export(ExportArgs),
    /// List the workers and what they work on.
    #[command(after_help = "Example: grokctl workers")]
    Workers,
    /// Check an experiment file and say what it would cost; submits nothing.
    #[command(after_help = "Example: grokctl validate examples/quickstart.toml")]
    Validate(FileArg),
    /// Keep a coordinator's address and token, and its certificate authority, for all commands
    /// that come after.
    #[command(
        after_help = "The token and the authority are those of --token-file and --tls-ca or of \
            their variables; with `-` instead of an address all three come from standard input, \
            as `grokctl join --client` prints them. They are kept once the coordinator has \
            answered, in a file that its owner alone may read.\n\n\
            Example: grokctl login https://box:7070 --token-file client.token --tls-ca ca.pem"
    )]
    Login(LoginArgs),
    /// Print what another box needs for its workers to join: address, token and certificate
    /// authority, as lines for its environment.
    #[command(after_help = "Example: grokctl join --secrets /secrets > worker.env")]
    Join(JoinArgs),
    /// Make what an installation keeps to itself: tokens, the database's password and URL,
    /// certificates. What is there already stays.
    #[command(after_help = "Example: grokctl secrets --out /secrets --hostnames box,10.0.0.7")]
    Secrets(SecretsArgs),
    /// Print a completion script for a shell.
    #[command(after_help = "Example: grokctl completions bash > /etc/bash_completion.d/grokctl")]
    Completions {
        #[arg(value_name = "SHELL")]
        shell: Shell,
    },
}

#[derive(Debug, Args)]
pub struct Experiment {
    /// Its id, a unique beginning of the id, or its name.
    #[arg(value_name = "ID")]
    pub experiment: String,
}

#[derive(Debug, Args)]
pub struct FileArg {
    /// The experiment file (TOML).
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

#[derive(Debug, Args)]
pub struct SubmitArgs {
    #[command(flatten)]
    pub file: FileArg,
    /// Go on as `watch`.
    #[arg(long)]
    pub watch: bool,
}

#[derive(Debug, Args)]
pub struct ListArgs {
    #[arg(long, value_name = "STATE", help = state_help())]
    pub state: Option<ExperimentState>,
}

#[derive(Debug, Args)]
pub struct RolloutsArgs {
    #[command(flatten)]
    pub experiment: Experiment,
    #[arg(long, value_name = "N")]
    pub iteration: Option<u32>,
    #[arg(long, value_name = "SPLIT", help = one_of(Split::ALL))]
    pub split: Option<Split>,
    #[arg(long, value_name = "NAME")]
    pub family: Option<String>,
    #[arg(long, value_name = "VERDICT", help = one_of(&shown_verdicts()))]
    pub verdict: Option<Verdict>,
    #[arg(long, value_name = "PURPOSE", help = one_of(Purpose::ALL))]
    pub purpose: Option<Purpose>,
    /// The problem's number.
    #[arg(long, value_name = "N")]
    pub problem: Option<u32>,
    /// How many to show at most; 0: all. By default 10 for a person, all with --json.
    #[arg(long, value_name = "N")]
    pub limit: Option<u32>,
    /// Show the whole completion rather than the code taken out of it.
    #[arg(long)]
    pub full: bool,
}

#[derive(Debug, Args)]
pub struct ProblemsArgs {
    #[command(flatten)]
    pub file: FileArg,
    #[arg(long, value_name = "SPLIT", help = one_of(Split::ALL))]
    pub split: Option<Split>,
    #[arg(long, value_name = "NAME")]
    pub family: Option<String>,
    /// How many to show at most; 0: all. By default 3 for a person, all with --json.
    #[arg(long, value_name = "N")]
    pub limit: Option<u32>,
}

#[derive(Debug, Args)]
pub struct CompareArgs {
    /// The one before: an id, a unique beginning of it, or a name; `@N` after it means iteration N
    /// instead of the last evaluated one.
    #[arg(value_name = "BEFORE")]
    pub before: String,
    /// The one after.
    #[arg(value_name = "AFTER")]
    pub after: String,
    #[arg(
        long,
        value_name = "SPLIT",
        default_value = Split::Test.as_str(),
        help = one_of(Split::ALL)
    )]
    pub split: Split,
}

#[derive(Debug, Args)]
pub struct LogsArgs {
    #[command(flatten)]
    pub experiment: Experiment,
    #[arg(
        long,
        value_name = "LEVEL",
        default_value = Level::Info.as_str(),
        value_parser = level_parser(),
        help = level_help()
    )]
    pub level: Level,
    /// Go on as new events come, until the experiment has ended.
    #[arg(long)]
    pub follow: bool,
}

#[derive(Debug, Args)]
pub struct ExportArgs {
    #[command(flatten)]
    pub experiment: Experiment,
    /// The folder to make.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Replace the folder if it exists.
    #[arg(long)]
    pub force: bool,
}

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
pub struct RunArgs {
    #[command(flatten)]
    pub file: FileArg,
    /// Bring everything up on this machine first and stop it afterwards.
    #[arg(long)]
    pub local: bool,
    /// The folder to export to; by default experiments/NAME, with a number where that exists.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    #[command(flatten)]
    pub up: UpArgs,
}

fn state_help() -> String {
    format!("Only those in this state: {}", one_of(ExperimentState::ALL))
}

fn level_help() -> String {
    format!("Only this level and above: {}", one_of(Level::ALL))
}

/// Takes a level and lists all of them where it is given something else.
fn level_parser() -> impl TypedValueParser<Value = Level> {
    let words = Level::ALL.iter().copied().map(Level::as_str);
    PossibleValuesParser::new(words).try_map(parse_level)
}

fn parse_level(word: String) -> Result<Level, groklab_domain::Unknown> {
    word.parse()
}

/// The verdicts that a stored rollout may have.
fn shown_verdicts() -> Vec<Verdict> {
    let mut verdicts = Verdict::ALL.to_vec();
    // A failure of the machinery is run again and never becomes a rollout's verdict.
    verdicts.retain(|verdict| *verdict != Verdict::InfrastructureError);
    verdicts
}

/// "train, val, test or ood".
fn one_of(words: &[impl ToString]) -> String {
    let words: Vec<String> = words.iter().map(ToString::to_string).collect();
    // People read "a, b or c" where a list would end without a word.
    match words.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => words.concat(),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn every_command_has_an_example() {
        let cli = Cli::command();
        cli.clone().debug_assert();
        for command in cli.get_subcommands() {
            let help = command
                .get_after_help()
                .map(ToString::to_string)
                .unwrap_or_default();
            assert!(
                help.contains(&format!("Example: grokctl {}", command.get_name())),
                "{}",
                command.get_name()
            );
        }
    }

    #[test]
    fn global_flags_go_anywhere() {
        let cli = Cli::try_parse_from(["grokctl", "show", "x", "--json", "--data", "d"]).unwrap();
        assert!(cli.global.json && cli.global.data.as_os_str() == "d");
        assert!(Cli::try_parse_from(["grokctl", "list", "--state", "lost"]).is_err());
    }
}
