//! One file per command (or two that belong together), each from arguments to exit code.

mod compare;
mod control;
mod export;
mod list;
mod logs;
mod problems;
mod rollouts;
mod run_local;
mod show;
mod submit;
mod up;
mod validate;
mod watch;
mod workers;

use clap::CommandFactory;
use clap_complete::Shell;
use groklab_runtime::output;

use crate::{
    cli::{Cli, Command, Global},
    client::{Client, Control},
    console::Console,
    failure::{Exit, Failure},
    interrupt::Interrupt,
    place::{DataFolder, access, coordinator_url},
};

/// What every command needs.
struct Context {
    global: Global,
    data: DataFolder,
    console: Console,
    interrupt: Interrupt,
}

impl Context {
    async fn client(&self) -> Result<Client, Failure> {
        let url = coordinator_url(self.global.coordinator.as_deref(), &self.data);
        Client::connect(&url, &access(&self.global.connect, &self.data, &url)?).await
    }
}

/// Runs one command line.
pub async fn run(cli: Cli, interrupt: Interrupt) -> Result<Exit, Failure> {
    // Before anything is begun whose result could not be shown.
    output::require()?;
    let console = Console::new(cli.global.json);
    let console = if matches!(cli.command, Command::Up(_) | Command::Run(_)) {
        console.working()
    } else {
        console
    };
    let context = Context {
        data: DataFolder::new(&cli.global.data)?,
        console,
        global: cli.global,
        interrupt,
    };
    context
        .console
        .conclude(run_command(cli.command, &context).await)
}

async fn run_command(command: Command, context: &Context) -> Result<Exit, Failure> {
    let until_stopped = &context.interrupt;
    match command {
        // These two start processes, which they must stop themselves.
        Command::Up(args) => up::run(context, args).await,
        Command::Run(args) if args.local => run_local::run(context, args).await,
        Command::Run(args) => {
            until_stopped
                .unless_stopped(submit::run_remote(context, args))
                .await
        }
        Command::Submit(args) => {
            until_stopped
                .unless_stopped(submit::run(context, args))
                .await
        }
        Command::List(args) => until_stopped.unless_stopped(list::run(context, args)).await,
        Command::Show(args) => {
            until_stopped
                .unless_stopped(show::run(context, &args.experiment))
                .await
        }
        Command::Watch(args) => {
            until_stopped
                .unless_stopped(watch::run(context, &args.experiment))
                .await
        }
        Command::Cancel(args) => {
            until_stopped
                .unless_stopped(control::run(context, &args.experiment, Control::Cancel))
                .await
        }
        Command::Pause(args) => {
            until_stopped
                .unless_stopped(control::run(context, &args.experiment, Control::Pause))
                .await
        }
        Command::Resume(args) => {
            until_stopped
                .unless_stopped(control::run(context, &args.experiment, Control::Resume))
                .await
        }
        Command::Rollouts(args) => {
            until_stopped
                .unless_stopped(rollouts::run(context, args))
                .await
        }
        Command::Problems(args) => problems::run(context, &args),
        Command::Compare(args) => {
            until_stopped
                .unless_stopped(compare::run(context, &args))
                .await
        }
        Command::Logs(args) => {
            until_stopped
                .unless_stopped(logs::run(context, &args))
                .await
        }
        Command::Export(args) => {
            until_stopped
                .unless_stopped(export::run(context, args))
                .await
        }
        Command::Workers => until_stopped.unless_stopped(workers::run(context)).await,
        Command::Validate(args) => validate::run(context, &args.file),
        Command::Completions { shell } => completions(context, shell),
    }
}

/// The script for `shell`; made in memory, for clap panics where it cannot write.
fn completions(context: &Context, shell: Shell) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "grokctl", &mut script);
    context
        .console
        .print(String::from_utf8_lossy(&script).trim_end())?;
    Ok(Exit::Ok)
}
