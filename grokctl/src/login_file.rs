//! The coordinator that `grokctl login` has been told of: its address, the token and the authority
//! that it is trusted by. One at a time, in a file that its owner alone may read.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

use groklab_runtime::secret::Secret;
use serde::{Deserialize, Serialize};

use crate::{
    failure::{Failure, file_step},
    secrets::write_private,
};

const OWNER_ALONE: u32 = 0o600;

/// What is kept.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Login {
    pub coordinator: String,
    token: Option<String>,
    /// As PEM.
    pub authority: Option<String>,
}

impl Login {
    pub fn new(coordinator: String, token: Option<&Secret>, authority: Option<String>) -> Self {
        Self {
            coordinator,
            token: token.map(|token| token.reveal().to_owned()),
            authority,
        }
    }

    pub fn token(&self) -> Option<Secret> {
        self.token.as_deref().map(Secret::new)
    }

    /// What is kept in the file; none where nobody has logged in.
    pub fn read(path: &Path) -> Result<Option<Self>, Failure> {
        let text = match fs::read_to_string(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            read => file_step("read", path, read)?,
        };
        match serde_json::from_str(&text) {
            Ok(login) => Ok(Some(login)),
            Err(error) => {
                let what = format!("use the login in `{}`", path.display());
                // What serde says names keys and places, and no values but of a wrong kind.
                let place = format!("line {}, column {}", error.line(), error.column());
                Err(Failure::usage(what)
                    .because(format!("it cannot be read: {place}"))
                    .next("log in again with `grokctl login`"))
            }
        }
    }

    pub fn write(&self, path: &Path) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(self);
        let text = text.map_err(|error| Failure::other("write the login").because(error))?;
        let written = write_private(path, &format!("{text}\n"), OWNER_ALONE);
        file_step("write", path, written)
    }
}

/// Where the login is kept when no other place is named: beside other programs' settings.
pub fn default_login_file() -> PathBuf {
    let settings = match env::var_os("XDG_CONFIG_HOME") {
        Some(folder) if !folder.is_empty() => PathBuf::from(folder),
        _ => PathBuf::from(env::var_os("HOME").unwrap_or_default()).join(".config"),
    };
    settings.join("groklab").join("login.json")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_login_is_kept_for_its_owner_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("groklab/login.json");
        assert!(Login::read(&path).unwrap().is_none());
        let token = Secret::new("0123456789abcdef0123456789abcdef");
        let login = Login::new("https://box:7070".into(), Some(&token), Some("PEM".into()));
        login.write(&path).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let read = Login::read(&path).unwrap().unwrap();
        assert_eq!(read.token().unwrap().reveal(), token.reveal());
        assert_eq!(read.authority.as_deref(), Some("PEM"));
    }

    #[test]
    fn a_login_that_cannot_be_read_is_named_without_what_is_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("login.json");
        fs::write(&path, "{\"token\": hunter2}").unwrap();
        let report = Login::read(&path).map(|_| ()).unwrap_err().report();
        assert!(
            report.contains("grokctl login") && !report.contains("hunter2"),
            "{report}"
        );
    }
}
