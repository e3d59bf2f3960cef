//! The folder of secrets: one folder for each reader, so that each can be given its own alone.
//!
//! | folder | who reads it | what is in it |
//! |---|---|---|
//! | `authority` | `grokctl secrets` alone | the certificate authority and its key |
//! | `database` | Postgres | its password |
//! | `server` | the coordinator | both tokens, the database's URL, its certificate and key |
//! | `worker`, `client` | workers; clients | their token and the authority's certificate |

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{
    certificates::{Pair, make_authority, make_server},
    file::{make_token, write_private},
};
use crate::failure::{Failure, file_step};

const OWNER_READS: u32 = 0o400;
/// Clients run as the person who calls them, and are let in by their group.
const GROUP_READS: u32 = 0o440;

/// What else the coordinator is called, beside the names that it always has.
const OWN_NAMES: [&str; 4] = ["coordinator", "localhost", "127.0.0.1", "::1"];

/// What the server's certificate and the database's URL name.
#[derive(Debug, Clone)]
pub struct Names {
    /// Names and addresses by which other machines reach the coordinator.
    pub hostnames: Vec<String>,
    /// Host and port of the database.
    pub database: String,
}

/// A folder of secrets, complete or not.
#[derive(Debug, Clone)]
pub struct SecretsFolder {
    path: PathBuf,
    /// What was written, by its path in the folder.
    made: Vec<String>,
}

impl SecretsFolder {
    pub fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            made: Vec::new(),
        }
    }

    /// Makes what is missing, and anew what names have changed; everything else stays. Returns
    /// the files that were written.
    pub fn complete(mut self, names: &Names) -> Result<Vec<String>, Failure> {
        for side in ["client", "worker"] {
            let token = self.keep_token(&format!("server/{side}.token"))?;
            self.write_copy(&format!("{side}/token"), &token, mode_of(side))?;
        }
        let password = self.keep_token("database/password")?;
        let url = format!(
            "postgres://groklab:{password}@{}/groklab?sslmode=disable",
            names.database
        );
        self.write_copy("server/database.url", &url, OWNER_READS)?;
        self.complete_certificates(names)?;
        Ok(self.made)
    }

    fn complete_certificates(&mut self, names: &Names) -> Result<(), Failure> {
        let authority = self.keep_authority()?;
        for side in ["client", "worker"] {
            let path = format!("{side}/ca.pem");
            self.write_copy(&path, &authority.certificate, mode_of(side))?;
        }
        let mut all_names = OWN_NAMES.map(str::to_owned).to_vec();
        all_names.extend_from_slice(&names.hostnames);
        // What the server's certificate was made from; a new authority changes it as well.
        let made_from = format!("{}\n{}", all_names.join(" "), authority.certificate);
        let is_current = self.read("authority/server.txt")?.as_deref() == Some(&made_from)
            && self.read("server/server.key")?.is_some()
            && self.read("server/server.pem")?.is_some();
        if is_current {
            return Ok(());
        }
        let server = make_server(&authority.key, &all_names).map_err(|error| {
            Failure::usage(format!("make a certificate for {}", all_names.join(", ")))
                .because(error)
                .next("give --hostnames (or GROKLAB_HOSTNAMES) names and addresses alone")
        })?;
        self.write("server/server.key", &server.key, OWNER_READS)?;
        self.write("server/server.pem", &server.certificate, OWNER_READS)?;
        // Last: after a crash in between both are made again.
        self.write("authority/server.txt", &made_from, OWNER_READS)
    }

    fn keep_authority(&mut self) -> Result<Pair, Failure> {
        let (path, key_path) = ("authority/ca.pem", "authority/ca.key");
        if let Some(certificate) = self.read(path)? {
            let Some(key) = self.read(key_path)? else {
                let missing = self.path.join(key_path);
                return Err(
                    Failure::other(format!("find `{}`", missing.display())).next(format!(
                        "put it back; or remove `{}` for a new authority, and let every box join \
                         again",
                        self.path.join(path).display()
                    )),
                );
            };
            return Ok(Pair { certificate, key });
        }
        let made = make_authority();
        let authority =
            made.map_err(|error| Failure::other("make a certificate authority").because(error))?;
        // The certificate last: it says that the pair is whole.
        self.write(key_path, &authority.key, OWNER_READS)?;
        self.write(path, &authority.certificate, OWNER_READS)?;
        Ok(authority)
    }

    /// The token in a file; made where there is none.
    fn keep_token(&mut self, name: &str) -> Result<String, Failure> {
        if let Some(token) = self.read(name)? {
            return Ok(token.trim_end().to_owned());
        }
        let token = file_step("make", &self.path.join(name), make_token())?;
        // Without a line's end: Postgres' image takes a password file as it is.
        self.write(name, &token, OWNER_READS)?;
        Ok(token)
    }

    /// Writes what follows from other files, where it is not there as it should be.
    fn write_copy(&mut self, name: &str, text: &str, mode: u32) -> Result<(), Failure> {
        if self.read(name)?.as_deref() == Some(text) {
            return Ok(());
        }
        self.write(name, text, mode)
    }

    fn write(&mut self, name: &str, text: &str, mode: u32) -> Result<(), Failure> {
        let path = self.path.join(name);
        file_step("write", &path, write_private(&path, text, mode))?;
        self.made.push(name.to_owned());
        Ok(())
    }

    /// The text of a file; none where there is no such file.
    pub fn read(&self, name: &str) -> Result<Option<String>, Failure> {
        let path = self.path.join(name);
        match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            read => file_step("read", &path, read).map(Some),
        }
    }
}

fn mode_of(side: &str) -> u32 {
    if side == "client" {
        GROUP_READS
    } else {
        OWNER_READS
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, os::unix::fs::PermissionsExt};

    use super::*;

    fn names(hostnames: &[&str]) -> Names {
        Names {
            hostnames: hostnames.iter().map(ToString::to_string).collect(),
            database: "postgres:5432".to_owned(),
        }
    }

    fn complete(path: &Path, hostnames: &[&str]) -> Vec<String> {
        SecretsFolder::new(path)
            .complete(&names(hostnames))
            .unwrap()
    }

    fn contents(path: &Path) -> BTreeMap<String, String> {
        let mut all = BTreeMap::new();
        for folder in fs::read_dir(path).unwrap() {
            let folder = folder.unwrap().path();
            for file in fs::read_dir(folder).unwrap() {
                let file = file.unwrap().path();
                let name = file.strip_prefix(path).unwrap().display().to_string();
                all.insert(name, fs::read_to_string(&file).unwrap());
            }
        }
        all
    }

    #[test]
    fn secrets_are_made_once_and_closed_to_others() {
        let folder = tempfile::tempdir().unwrap();
        let made = complete(folder.path(), &[]);
        let first = contents(folder.path());
        assert_eq!(first.len(), 13, "{first:?}");
        assert_eq!(first.len(), made.len());
        assert_eq!(complete(folder.path(), &[]), Vec::<String>::new());
        assert_eq!(contents(folder.path()), first);
        assert_eq!(first["client/token"], first["server/client.token"]);
        assert_ne!(first["client/token"], first["worker/token"]);
        let password = &first["database/password"];
        assert_eq!(password.len(), 64);
        assert_eq!(
            first["server/database.url"],
            format!("postgres://groklab:{password}@postgres:5432/groklab?sslmode=disable")
        );
        for name in first.keys() {
            let mode = fs::metadata(folder.path().join(name))
                .unwrap()
                .permissions();
            let expected = if name.starts_with("client") {
                0o440
            } else {
                0o400
            };
            assert_eq!(mode.mode() & 0o777, expected, "{name}");
        }
    }

    #[test]
    fn what_is_lost_is_made_again_and_what_was_copied_is_the_same() {
        let folder = tempfile::tempdir().unwrap();
        complete(folder.path(), &[]);
        let first = contents(folder.path());
        for name in ["client/token", "server/database.url", "worker/ca.pem"] {
            fs::remove_file(folder.path().join(name)).unwrap();
        }
        assert_eq!(complete(folder.path(), &[]).len(), 3);
        assert_eq!(contents(folder.path()), first);
    }

    #[test]
    fn another_name_gets_another_certificate_of_the_same_authority() {
        let folder = tempfile::tempdir().unwrap();
        complete(folder.path(), &[]);
        let before = contents(folder.path());
        let made = complete(folder.path(), &["box.example", "10.0.0.7"]);
        assert_eq!(
            made,
            [
                "server/server.key",
                "server/server.pem",
                "authority/server.txt"
            ]
        );
        let after = contents(folder.path());
        assert_eq!(after["client/ca.pem"], before["client/ca.pem"]);
        assert_eq!(after["client/token"], before["client/token"]);
    }

    #[test]
    fn a_name_that_cannot_be_one_is_refused_with_the_fix() {
        let folder = tempfile::tempdir().unwrap();
        let failure = SecretsFolder::new(folder.path())
            .complete(&names(&["böx"]))
            .unwrap_err();
        let report = failure.report();
        assert!(
            report.contains("böx") && report.contains("--hostnames"),
            "{report}"
        );
    }

    #[test]
    fn an_authority_without_its_key_is_not_replaced_in_silence() {
        let folder = tempfile::tempdir().unwrap();
        complete(folder.path(), &[]);
        fs::remove_file(folder.path().join("authority/ca.key")).unwrap();
        let failure = SecretsFolder::new(folder.path())
            .complete(&names(&[]))
            .unwrap_err();
        assert!(failure.report().contains("authority/ca.key"));
        assert!(failure.report().contains("join again"));
    }
}
