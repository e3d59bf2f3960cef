//! What another box needs to take part, as lines for its environment: `NAME=VALUE`.

use groklab_runtime::connect::{AUTHORITY_VARIABLE, one_line};

use super::folder::SecretsFolder;
use crate::failure::{Exit, Failure};

const COORDINATOR: &str = "GROKLAB_COORDINATOR";
const TOKEN: &str = "GROKLAB_TOKEN";

/// Whom a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Client,
    Worker,
}

impl Side {
    fn folder(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Worker => "worker",
        }
    }
}

/// An address, a token and, for TLS, the authority. Printed by `join`, read by `login`.
#[derive(Clone, PartialEq, Eq)]
pub struct Invitation {
    pub url: String,
    pub token: Option<String>,
    /// As one line.
    pub authority: Option<String>,
}

impl Invitation {
    /// For one side, from the installation's secrets.
    pub fn new(secrets: &SecretsFolder, side: Side, url: String) -> Result<Self, Failure> {
        let folder = side.folder();
        let token = required(secrets, &format!("{folder}/token"))?;
        let authority = required(secrets, &format!("{folder}/ca.pem"))?;
        Ok(Self {
            url,
            token: Some(token),
            authority: Some(one_line(&authority)),
        })
    }

    /// The lines, each with one variable.
    pub fn lines(&self) -> String {
        let mut text = format!("{COORDINATOR}={}", self.url);
        let rest = [(TOKEN, &self.token), (AUTHORITY_VARIABLE, &self.authority)];
        for (name, value) in rest {
            if let Some(value) = value {
                text.push_str(&format!("\n{name}={value}"));
            }
        }
        text
    }

    /// Reads such lines; what else stands among them is passed over, as a shell's comment is.
    pub fn parse(text: &str) -> Option<Self> {
        let mut invitation = Self {
            url: value_of(text, COORDINATOR)?,
            token: None,
            authority: None,
        };
        invitation.token = value_of(text, TOKEN);
        invitation.authority = value_of(text, AUTHORITY_VARIABLE);
        Some(invitation)
    }
}

fn value_of(text: &str, name: &str) -> Option<String> {
    for line in text.lines() {
        if let Some((found, value)) = line.trim().split_once('=')
            && found == name
            && !value.is_empty()
        {
            return Some(value.to_owned());
        }
    }
    None
}

fn required(secrets: &SecretsFolder, name: &str) -> Result<String, Failure> {
    let missing = || {
        Failure::new(Exit::NotFound, format!("find the secret `{name}`"))
            .next("make it with `grokctl secrets`; in deploy/ by `docker compose up -d`")
    };
    secrets.read(name)?.ok_or_else(missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_printed_can_be_read() {
        let invitation = Invitation {
            url: "https://box:7070".to_owned(),
            token: Some("t".repeat(32)),
            authority: Some("QUJDPT0=".to_owned()),
        };
        let text = format!("# on the other box\n{}\n", invitation.lines());
        assert!(Invitation::parse(&text) == Some(invitation));
        assert!(Invitation::parse("GROKLAB_TOKEN=x").is_none());
    }
}
