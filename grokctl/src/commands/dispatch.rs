//! From a command line to its command, and to what the process ends with.

use clap::CommandFactory;
use clap_complete::Shell;
use groklab_runtime::output;

use super::{
    compare, config, context::Context, control, delete, detect, doctor, export, fork, group, join,
    label, list, login, logs, pilot, problems, rollouts, run_local, secrets, show, submit, up,
    validate, watch, workers,
};
use crate::{
    cli::{Cli, Command},
    client::Control,
    console::Console,
    data_folder::DataFolder,
    failure::{Exit, Failure},
    interrupt::Interrupt,
};

/// Runs one command line.
pub async fn run(cli: Cli, interrupt: Interrupt) -> Result<Exit, Failure> {
    // Before anything is begun whose result could not be shown.
    output::require()?;
    let mut console = Console::new(cli.global.json);
    if let Command::Up(_) | Command::Run(_) | Command::Pilot(_) = &cli.command {
        console = console.working();
    }
    let context = Context {
        data: DataFolder::new(&cli.global.data)?,
        console,
        global: cli.global,
        interrupt,
    };
    let starts_processes = match &cli.command {
        Command::Up(_) => true,
        Command::Run(args) => args.local,
        Command::Pilot(args) => args.local,
        _ => false,
    };
    let command = run_command(cli.command, &context);
    let outcome = if starts_processes {
        // Dropped at a signal, it would leave them behind: it listens for signals itself.
        command.await
    } else {
        context.interrupt.unless_stopped(command).await
    };
    context.console.conclude(outcome)
}

async fn run_command(command: Command, context: &Context) -> Result<Exit, Failure> {
    match command {
        Command::Up(args) => up::run(context, args).await,
        Command::Run(args) if args.local => run_local::run(context, args).await,
        Command::Run(args) => submit::run_remote(context, args).await,
        Command::Submit(args) => submit::run(context, args).await,
        Command::List(args) => list::run(context, args).await,
        Command::Show(args) => show::run(context, &args.experiment).await,
        Command::Watch(args) => watch::run(context, &args.experiment).await,
        Command::Cancel(args) => control::run(context, &args.experiment, Control::Cancel).await,
        Command::Pause(args) => control::run(context, &args.experiment, Control::Pause).await,
        Command::Resume(args) => control::run(context, &args.experiment, Control::Resume).await,
        Command::Delete(args) => delete::run(context, args).await,
        Command::Rename(args) => label::rename(context, &args).await,
        Command::Tag(args) => label::tag(context, &args).await,
        Command::Fork(args) => fork::run(context, args).await,
        Command::Rollouts(args) => rollouts::run(context, args).await,
        Command::Pilot(args) => pilot::run(context, args).await,
        Command::Problems(args) => problems::run(context, &args),
        Command::Compare(args) => compare::run(context, &args).await,
        Command::Group(args) => group::run(context, &args).await,
        Command::Logs(args) => logs::run(context, &args).await,
        Command::Export(args) => export::run(context, args).await,
        Command::Workers => workers::run(context).await,
        Command::Doctor(args) => doctor::run(context, &args).await,
        Command::Login(args) => login::run(context, &args).await,
        Command::Join(args) => join::run(context, &args),
        Command::Secrets(args) => secrets::run(context, args),
        Command::Config(command) => config::run(context, command),
        Command::Detect(args) => detect::run(context, &args),
        Command::Validate(args) => validate::run(context, &args),
        Command::Completions { shell } => completions(context, shell),
    }
}

/// The script for `shell`; made in memory, for clap panics where it cannot write.
fn completions(context: &Context, shell: Shell) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "grokctl", &mut script);
    let script = String::from_utf8_lossy(&script);
    context.console.print(script.trim_end())?;
    Ok(Exit::Ok)
}
