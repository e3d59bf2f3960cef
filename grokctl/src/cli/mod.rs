//! The command line: commands, flags, their help and an example each. Decides nothing.

mod experiments;
mod installation;
mod words;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use groklab_runtime::connect;

pub use self::{
    experiments::{
        CompareArgs, ConfigCommand, DeleteArgs, DetectArgs, ExportArgs, ForkArgs, Forms, GroupArgs,
        ListArgs, LogsArgs, ProblemsArgs, RenameArgs, RolloutsArgs, SubmitArgs, TagArgs,
    },
    installation::{DoctorArgs, JoinArgs, LoginArgs, PilotArgs, RunArgs, SecretsArgs, UpArgs},
};

use crate::experiment_file::Inputs;

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
#[command(next_help_heading = "Global options")]
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
    #[command(after_help = "With --sweep or --seeds it submits a group: `--sweep \
            train.select=verified,any,shuffled --seeds 1..3` makes nine experiments on the same \
            problems, and `grokctl group NAME` shows what each gained.\n\n\
            Example: grokctl submit examples/quickstart.toml --set train.rank=8 --watch")]
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
    /// Delete an experiment that has ended: its problems, jobs, rollouts and metrics at once, and
    /// after a day the artifacts that no other experiment refers to.
    #[command(
        after_help = "It says what goes and asks; without a terminal --yes is needed. Until \
            everything is gone the experiment is shown as `deleting`. Forks of it keep what they \
            need.\n\n\
            Example: grokctl delete quickstart --yes"
    )]
    Delete(DeleteArgs),
    /// Give an experiment another name, which no other may have.
    #[command(after_help = "Example: grokctl rename 0198c0de baseline")]
    Rename(RenameArgs),
    /// Add tags to an experiment, or take them off.
    #[command(
        after_help = "Flags go before the tags.\n\nExample: grokctl tag quickstart +paper -draft"
    )]
    Tag(TagArgs),
    /// Make an experiment that starts from an iteration's adapter of another one, with the same
    /// problems, seed and model.
    #[command(
        after_help = "Its iteration 0 is evaluated and rolled out with that adapter. With \
            `train.start` = \"continue\" training goes on from it, and from the optimiser's state \
            where that is still kept; with \"restart\" every iteration trains an adapter of its \
            own from the base.\n\n\
            Example: grokctl fork quickstart@1 --name slower --set train.learning_rate=1e-5"
    )]
    Fork(ForkArgs),
    /// Show what the model wrote, and why it failed.
    #[command(
        after_help = "Example: grokctl rollouts quickstart --split test --verdict wrong_answer \
            --limit 5"
    )]
    Rollouts(RolloutsArgs),
    /// Find out what the untrained model makes of the rules that a file would train on: which it
    /// solves, which it could learn, which are out of its reach.
    #[command(
        after_help = "Submits NAME-pilot, an evaluation that asks so many rules, greedily and \
            sampled as training would sample. A rule is learnable where the greedy completion is \
            wrong and a sample is right; `problems.learnable = \"pilot.json\"`, relative to the \
            file that says it, then trains on these alone.\n\n\
            Example: grokctl pilot --local examples/learn.toml"
    )]
    Pilot(PilotArgs),
    /// Show the problems that a file would make; submits nothing.
    #[command(
        after_help = "Example: grokctl problems examples/quickstart.toml --family rpn --limit 2"
    )]
    Problems(ProblemsArgs),
    /// Compare two experiments, or two iterations, on the problems they share: paired differences
    /// with intervals.
    #[command(after_help = "Example: grokctl compare baseline quickstart --split test")]
    Compare(CompareArgs),
    /// Look at a group together: what each setting gained over seeds and rules, and how they
    /// differ.
    #[command(
        after_help = "A group is made by `submit` or `run` with --sweep or --seeds, or by tags.\n\n\
            Example: grokctl group learn"
    )]
    Group(GroupArgs),
    /// Say what learning curves show: memorising, delayed generalisation, grokking, emergence.
    #[command(
        after_help = "FILE holds an evaluation a line: those of an export's metrics.jsonl, or \
            {\"step\": 20, \"train\": [...], \"val\": [...], \"test\": [...]} with the share \
            solved (0 to 1) of each unit, or {\"correct\": 3, \"total\": 30} in place of a \
            list. One that ends in .csv is a table with the columns step,split,unit,correct or \
            these and total. A unit is what passes or fails together: a rule, or a problem \
            that stands for itself.\n\n\
            Example: grokctl detect experiments/quickstart/metrics.jsonl"
    )]
    Detect(DetectArgs),
    /// Show an experiment's timeline.
    #[command(after_help = "Example: grokctl logs quickstart --level warn")]
    Logs(LogsArgs),
    /// Write an experiment's files, adapters and report to a folder.
    #[command(
        after_help = "Example: grokctl export quickstart --out experiments/quickstart --merged"
    )]
    Export(ExportArgs),
    /// List the workers and what they work on.
    #[command(after_help = "Example: grokctl workers")]
    Workers,
    /// Say what this machine has and lacks to run everything on it, and the fix.
    #[command(
        after_help = "Each program looks at what it needs itself; nothing that stays is started. \
            Ends with 1 where something is missing.\n\n\
            Example: grokctl doctor"
    )]
    Doctor(DoctorArgs),
    /// Check an experiment file and say what it would cost; submits nothing.
    #[command(after_help = "Example: grokctl validate examples/quickstart.toml")]
    Validate(Inputs),
    /// What an experiment file may say: its keys, defaults and schema, and what several files say
    /// together.
    #[command(subcommand, after_help = "Example: grokctl config defaults > my.toml")]
    Config(ConfigCommand),
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
