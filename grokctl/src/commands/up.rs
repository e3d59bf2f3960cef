//! `up`: everything on this machine until Ctrl-C.

use super::context::Context;
use crate::{
    address::DEFAULT_PORT,
    cli::UpArgs,
    console::Console,
    data_folder::{CLIENT_TOKEN, DataFolder, WORKER_TOKEN},
    failure::{Exit, Failure},
    up::{Stack, StackOptions, Started},
};

const PLAIN_TEXT_WARNING: &str = "\n  in plain text: give the coordinator a certificate by \
    GROKLAB_SERVER_CERT and GROKLAB_SERVER_KEY, or keep the network private";

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
    if let Some(address) = options.up.listen
        && options.is_reachable_by_others()
    {
        let url = stack.client().url();
        console.note(invitation(&context.data, url, address.port()));
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
    let is_plain = url.starts_with("http://");
    let scheme = if is_plain { "http" } else { "https" };
    let client_token = data.token_file(CLIENT_TOKEN).display().to_string();
    let worker_token = data.token_file(WORKER_TOKEN).display().to_string();
    let address = format!("{scheme}://THIS-MACHINE:{port}");
    let mut text = format!(
        "others reach it at this machine's name and port {port}, with the tokens in \
         {client_token} (clients) and {worker_token} (workers):\n  \
         grokctl --coordinator {address} --token-file CLIENT-TOKEN list\n  \
         worker-verify work --coordinator {address} --token-file WORKER-TOKEN"
    );
    if is_plain {
        // Tokens and results can be read by whoever is on the way.
        text.push_str(PLAIN_TEXT_WARNING);
    }
    text
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
    // A worker serves nothing that could be named.
    let place = match &started.address {
        Some(address) => address.clone(),
        None => format!("pid {}", started.pid),
    };
    let (component, log) = (&started.component, started.log.display());
    format!("{component:<14} {place:<24} log {log}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_is_one_line() {
        let coordinator = Started {
            component: "coordinator".to_owned(),
            address: Some("http://127.0.0.1:7070".into()),
            pid: 7,
            log: "d/logs/coordinator.log".into(),
        };
        assert_eq!(
            line(&coordinator),
            "coordinator    http://127.0.0.1:7070    log d/logs/coordinator.log"
        );
        let worker = Started {
            component: "worker-gen".to_owned(),
            address: None,
            ..coordinator
        };
        assert_eq!(
            line(&worker),
            "worker-gen     pid 7                    log d/logs/coordinator.log"
        );
    }
}
