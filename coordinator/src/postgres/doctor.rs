//! Whether this machine has what a Postgres of the coordinator's own needs. Starts none.

use std::{path::Path, process::Command};

use groklab_domain::finding::{Finding, Level};
use nix::unistd::geteuid;

use super::{
    Error,
    layout::{find_binaries, unprivileged},
};

/// Looks at the programs, and as root at the account that they would run as.
pub fn examine() -> Vec<Finding> {
    let mut findings = vec![programs()];
    if geteuid().is_root() {
        findings.push(match unprivileged() {
            Ok(account) => {
                let details = format!("root; Postgres runs as user {}", account.uid);
                Finding::new(Level::Good, "account", details)
            }
            Err(error) => Finding::new(Level::Missing, "account", error.to_string()),
        });
    }
    findings
}

fn programs() -> Finding {
    let Some(folder) = find_binaries() else {
        return Finding::new(Level::Missing, "postgres", Error::NoBinaries.to_string());
    };
    match version(&folder) {
        Ok(version) => {
            let details = format!("{version} in {}", folder.display());
            Finding::new(Level::Good, "postgres", details)
        }
        Err(reason) => {
            let details = format!("`{}/postgres` does not start: {reason}", folder.display());
            Finding::new(Level::Missing, "postgres", details)
        }
    }
}

/// What the server in `folder` says of itself, as in `15.14 (Debian 15.14-0+deb12u1)`.
fn version(folder: &Path) -> Result<String, String> {
    let asked = Command::new(folder.join("postgres"))
        .arg("--version")
        .output()
        .map_err(|error| error.to_string())?;
    if !asked.status.success() {
        return Err(String::from_utf8_lossy(&asked.stderr).trim().to_owned());
    }
    let said = String::from_utf8_lossy(&asked.stdout);
    let version = said.trim().trim_start_matches("postgres (PostgreSQL) ");
    Ok(version.to_owned())
}
