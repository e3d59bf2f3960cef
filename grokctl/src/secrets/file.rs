//! One secret in one file: whole or not at all, and on the disk before anybody uses it.

use std::{
    fs::{self, File, Permissions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::Path,
};

const TOKEN_BYTES: usize = 32;
/// Of folders that are made: nobody but their owner may look for files in them.
const FOLDER_MODE: u32 = 0o700;

/// [`TOKEN_BYTES`] random bytes in hexadecimal.
pub fn make_token() -> io::Result<String> {
    let mut random = [0; TOKEN_BYTES];
    File::open("/dev/urandom")?.read_exact(&mut random)?;
    let mut token = String::new();
    for byte in random {
        token.push_str(&format!("{byte:02x}"));
    }
    Ok(token)
}

/// Writes `text` with this mode and makes the folder where it is missing. A crash leaves the file
/// as it was.
pub fn write_private(path: &Path, text: &str, mode: u32) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    fs::DirBuilder::new()
        .recursive(true)
        .mode(FOLDER_MODE)
        .create(folder)?;
    // It is closed to others from its first byte on.
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(text.as_bytes())?;
    let open_file = file.as_file();
    open_file.set_permissions(Permissions::from_mode(mode))?;
    // A database that was set up with a password must never meet another one after a power cut.
    open_file.sync_all()?;
    file.persist(path)?;
    File::open(folder)?.sync_all()
}
