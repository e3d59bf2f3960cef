//! `join`: prints what another box, or a person, needs to take part.

use super::context::Context;
use crate::{
    cli::JoinArgs,
    failure::{Exit, Failure},
    secrets::{Invitation, SecretsFolder, Side},
    url::url_from_text,
};

pub fn run(context: &Context, args: &JoinArgs) -> Result<Exit, Failure> {
    let side = if args.client {
        Side::Client
    } else {
        Side::Worker
    };
    let named = context.global.coordinator.as_deref();
    let url = match named.and_then(url_from_text) {
        Some(url) => url,
        None => published_url(args, side)?,
    };
    let invitation = Invitation::new(&SecretsFolder::new(&args.secrets), side, url)?;
    context.console.print(invitation.lines())?;
    Ok(Exit::Ok)
}

/// The address by which others reach the coordinator that is published.
fn published_url(args: &JoinArgs, side: Side) -> Result<String, Failure> {
    let published = args.publish;
    let name = args.hostnames.iter().find(|name| !name.is_empty());
    if published.ip().is_loopback() {
        if side == Side::Client {
            return Ok(format!("https://{published}"));
        }
        return Err(Failure::usage("invite another machine")
            .because(format!(
                "the coordinator is published on {published}, which this machine alone can reach"
            ))
            .next("set GROKLAB_PUBLISH=0.0.0.0:7070, then `docker compose up -d`"));
    }
    match name {
        Some(name) => Ok(format!("https://{}:{}", in_url(name), published.port())),
        None => Err(Failure::usage("invite another machine")
            .because("it is not known by what name others reach this one")
            .next("set GROKLAB_HOSTNAMES=NAME[,NAME…], then `docker compose up -d`")),
    }
}

/// A URL holds an address of IP version 6 in brackets.
fn in_url(name: &str) -> String {
    if name.contains(':') {
        format!("[{name}]")
    } else {
        name.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(publish: &str, hostnames: &[&str], side: Side) -> Result<String, String> {
        let args = JoinArgs {
            client: side == Side::Client,
            secrets: "secrets".into(),
            hostnames: hostnames.iter().map(ToString::to_string).collect(),
            publish: publish.parse().unwrap(),
        };
        published_url(&args, side).map_err(|failure| failure.report())
    }

    #[test]
    fn others_are_told_a_name_that_they_can_reach() {
        let everywhere = "0.0.0.0:7071";
        let worker = Side::Worker;
        assert_eq!(
            url(everywhere, &["box", "b"], worker).unwrap(),
            "https://box:7071"
        );
        assert_eq!(
            url(everywhere, &["fd00::7"], worker).unwrap(),
            "https://[fd00::7]:7071"
        );
        let nameless = url(everywhere, &[""], worker).unwrap_err();
        assert!(nameless.contains("GROKLAB_HOSTNAMES"), "{nameless}");
        let hidden = url("127.0.0.1:7070", &["box"], worker).unwrap_err();
        assert!(hidden.contains("GROKLAB_PUBLISH=0.0.0.0:7070"), "{hidden}");
        let here = url("127.0.0.1:7070", &[], Side::Client).unwrap();
        assert_eq!(here, "https://127.0.0.1:7070");
    }
}
