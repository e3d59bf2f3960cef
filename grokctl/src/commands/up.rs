//! `up`: everything on this machine until Ctrl-C.

use super::Context;
use crate::{
    cli::UpArgs,
    console::Console,
    failure::{Exit, Failure},
    place::{CLIENT_TOKEN, DEFAULT_PORT, DataFolder, WORKER_TOKEN},
    up::{Stack, StackOptions, Started},
};

pub async fn run(context: &Context, args: UpArgs) -> Result<Exit, Failure> {
    let (console, interrupt) = (&context.console, &context.interrupt);
    let options = StackOptions {
        connect: context.global.connect.clone(),
        data: context.data.clone(),
        up: args,
        port: DEFAULT_PORT,
    };
    let mut stack = Stack::start(&options, interrupt, console).await?;
    announce(stack.started(), console)?;
    if let Some(address) = options
        .up
        .listen
        .filter(|address| !address.ip().is_loopback())
    {
        console.note(invitation(
            &context.data,
            stack.client().url(),
            address.port(),
        ));
    }
    console.note("ready; submit with `grokctl submit FILE`, stop with Ctrl-C");
    let outcome = tokio::select! {
        () = interrupt.stop.cancelled() => Ok(Exit::Ok),
        failure = stack.given_up() => Err(failure),
    };
    console.note(
        "stopping: workers first, then the coordinator; Ctrl-C again ends everything at once",
    );
    stack.stop().await;
    console.note("stopped");
    outcome
}

/// What others need who use this coordinator or add a worker to it.
fn invitation(data: &DataFolder, url: &str, port: u16) -> String {
    let scheme = url.split_once("://").map_or("http", |(scheme, _)| scheme);
    let token = |side| data.token_file(side).display().to_string();
    let plain = "\n  in plain text: give the coordinator a certificate by GROKLAB_SERVER_CERT and GROKLAB_SERVER_KEY, or keep the network private";
    let warning = if scheme == "http" { plain } else { "" };
    format!(
        "others reach it at this machine's name and port {port}, with the tokens in {} (clients) and {} (workers):\n  \
         grokctl --coordinator {scheme}://THIS-MACHINE:{port} --token-file CLIENT-TOKEN list\n  \
         worker-verify work --coordinator {scheme}://THIS-MACHINE:{port} --token-file WORKER-TOKEN{warning}",
        token(CLIENT_TOKEN),
        token(WORKER_TOKEN)
    )
}

/// A line per component.
fn announce(started: &[Started], console: &Console) -> Result<(), Failure> {
    for component in started {
        if console.json() {
            console.print_json(component)?;
        } else {
            console.print(line(component))?;
        }
    }
    Ok(())
}

/// What a component is called, where it is, and its log.
pub fn line(started: &Started) -> String {
    let place = started
        .address
        .clone()
        .unwrap_or_else(|| format!("pid {}", started.pid));
    format!(
        "{:<14} {place:<24} log {}",
        started.component,
        started.log.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_is_one_line() {
        let coordinator = Started {
            component: "coordinator",
            address: Some("http://127.0.0.1:7070".into()),
            pid: 7,
            log: "d/logs/coordinator.log".into(),
        };
        assert_eq!(
            line(&coordinator),
            "coordinator    http://127.0.0.1:7070    log d/logs/coordinator.log"
        );
        let worker = Started {
            component: "worker-gen",
            address: None,
            ..coordinator
        };
        assert_eq!(
            line(&worker),
            "worker-gen     pid 7                    log d/logs/coordinator.log"
        );
    }
}
