//! Which coordinator a command asks, and what it shows to that one.

use groklab_runtime::{
    connect::{self, Access, Fallback},
    secret::token_from_file,
};

use crate::{
    data_folder::{CLIENT_TOKEN, DataFolder},
    failure::{Failure, chain},
    lock::Lock,
    login_file::Login,
    url::url_from_text,
};

/// Where a coordinator listens when nothing else is known.
pub const DEFAULT_PORT: u16 = 7070;

/// Which coordinator to ask: the one named, else the one that runs in `data`, else the one that
/// was logged in to, else the default port on this machine.
pub fn coordinator_url(named: Option<&str>, data: &DataFolder, login: Option<&Login>) -> String {
    if let Some(url) = named.and_then(url_from_text) {
        return url;
    }
    // The address of a coordinator that has ended stays in the folder.
    if let Some(url) = data.recorded_url()
        && Lock::is_held(&data.lock_file())
    {
        return url;
    }
    match login {
        Some(login) => login.coordinator.clone(),
        None => format!("http://127.0.0.1:{DEFAULT_PORT}"),
    }
}

/// What is shown to the coordinator at `url`: the token given; else that of the data folder or of
/// the login, if it is theirs. Nobody else is shown it.
pub fn access(
    args: &connect::Args,
    data: &DataFolder,
    login: Option<&Login>,
    url: &str,
) -> Result<Access, Failure> {
    let access = fallback(data, login, url).and_then(|fallback| args.access(fallback));
    access.map_err(|error| access_failure(&error))
}

/// A token shown to another coordinator would be known to it.
fn fallback(
    data: &DataFolder,
    login: Option<&Login>,
    url: &str,
) -> Result<Fallback, connect::Error> {
    let token_file = data.token_file(CLIENT_TOKEN);
    if data.recorded_url().as_deref() == Some(url) && token_file.exists() {
        return Ok(Fallback {
            token: Some(token_from_file(&token_file)?),
            authority: None,
        });
    }
    match login {
        Some(login) if login.coordinator == url => Ok(Fallback {
            token: login.token(),
            authority: login.authority.clone(),
        }),
        _ => Ok(Fallback::default()),
    }
}

/// Tokens, certificates or addresses that cannot be used.
pub fn access_failure(error: &connect::Error) -> Failure {
    Failure::usage("prepare access to the coordinator").because(chain(error))
}

#[cfg(test)]
mod tests {
    use groklab_runtime::secret::Secret;

    use super::*;

    #[test]
    fn the_coordinator_is_named_recorded_or_default() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataFolder::new(folder.path()).unwrap();
        assert_eq!(coordinator_url(None, &data, None), "http://127.0.0.1:7070");
        data.record_url("http://127.0.0.1:4242").unwrap();
        assert_eq!(
            coordinator_url(None, &data, None),
            "http://127.0.0.1:7070",
            "nothing runs there"
        );
        let login = Login::new("https://box:7070".to_owned(), None, None);
        assert_eq!(
            coordinator_url(None, &data, Some(&login)),
            "https://box:7070"
        );
        let lock = Lock::take(&data).unwrap();
        assert_eq!(
            coordinator_url(None, &data, Some(&login)),
            "http://127.0.0.1:4242"
        );
        assert_eq!(
            coordinator_url(Some("box:99"), &data, Some(&login)),
            "http://box:99"
        );
        drop(lock);
    }

    #[test]
    fn a_login_is_shown_to_its_own_coordinator_alone() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataFolder::new(folder.path()).unwrap();
        let token = Secret::new("0123456789abcdef0123456789abcdef");
        let pem = Some("PEM".to_owned());
        let login = Login::new("https://box:7070".to_owned(), Some(&token), pem);
        let own = fallback(&data, Some(&login), "https://box:7070").unwrap();
        assert!(own.token == Some(token) && own.authority.is_some());
        let other = fallback(&data, Some(&login), "https://bax:7070").unwrap();
        assert!(other.token.is_none() && other.authority.is_none());
    }
}
