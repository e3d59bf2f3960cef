//! The data folder's two tokens, for a coordinator that others can reach: made once, readable by
//! their owner alone.

use std::{io, path::Path};

use crate::{
    data_folder::{CLIENT_TOKEN, DataFolder, WORKER_TOKEN},
    failure::Failure,
    secrets::{make_token, write_private},
};

const OWNER_ALONE: u32 = 0o600;

/// Makes the tokens that are not there yet.
pub fn make(data: &DataFolder) -> Result<(), Failure> {
    for side in [CLIENT_TOKEN, WORKER_TOKEN] {
        let path = data.token_file(side);
        make_one(&path).map_err(|error| {
            Failure::other(format!("make the token `{}`", path.display())).because(error)
        })?;
    }
    Ok(())
}

fn make_one(path: &Path) -> io::Result<()> {
    // A new one would lock out who has the old one.
    if path.exists() {
        return Ok(());
    }
    write_private(path, &format!("{}\n", make_token()?), OWNER_ALONE)
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    #[test]
    fn tokens_are_made_once_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let data = DataFolder::new(folder.path()).unwrap();
        make(&data).unwrap();
        let read = || {
            [CLIENT_TOKEN, WORKER_TOKEN]
                .map(|side| fs::read_to_string(data.token_file(side)).unwrap())
        };
        let first = read();
        assert!(first[0] != first[1] && first.iter().all(|token| token.trim().len() == 64));
        let mode = fs::metadata(data.token_file(CLIENT_TOKEN))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        make(&data).unwrap();
        assert_eq!(read(), first);
    }
}
