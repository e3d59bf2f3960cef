//! Which coordinator a command asks, and what it shows to that one.

use groklab_runtime::connect::{self, Access};

use crate::{
    data_folder::{CLIENT_TOKEN, DataFolder},
    failure::{Failure, chain},
    lock::Lock,
    url::url_from_text,
};

/// Where a coordinator listens when nothing else is known.
pub const DEFAULT_PORT: u16 = 7070;

/// Which coordinator to ask: the one named, else the one that runs in `data`, else the default port
/// on this machine.
pub fn coordinator_url(named: Option<&str>, data: &DataFolder) -> String {
    if let Some(url) = named.and_then(url_from_text) {
        return url;
    }
    // The address of a coordinator that has ended stays in the folder.
    match data.recorded_url() {
        Some(url) if Lock::is_held(&data.lock_file()) => url,
        _ => format!("http://127.0.0.1:{DEFAULT_PORT}"),
    }
}

/// What is shown to the coordinator at `url`: the token given; else that of the data folder, if it
/// is this folder's coordinator. Nobody else is shown it.
pub fn access(args: &connect::Args, data: &DataFolder, url: &str) -> Result<Access, Failure> {
    // A token shown to another coordinator would be known to it.
    let is_own = data.recorded_url().as_deref() == Some(url);
    let token_file = is_own.then(|| data.token_file(CLIENT_TOKEN));
    args.access(token_file)
        .map_err(|error| Failure::usage("prepare access to the coordinator").because(chain(&error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_coordinator_is_named_recorded_or_default() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataFolder::new(folder.path()).unwrap();
        assert_eq!(coordinator_url(None, &data), "http://127.0.0.1:7070");
        data.record_url("http://127.0.0.1:4242").unwrap();
        assert_eq!(
            coordinator_url(None, &data),
            "http://127.0.0.1:7070",
            "nothing runs there"
        );
        let lock = Lock::take(&data).unwrap();
        assert_eq!(coordinator_url(None, &data), "http://127.0.0.1:4242");
        assert_eq!(coordinator_url(Some("box:99"), &data), "http://box:99");
        drop(lock);
    }
}
