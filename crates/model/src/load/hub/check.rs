//! Whether what came is what the hub named.

use std::{fs, path::Path};

use crate::digest;

/// Whether the file is what the hub said: its size, and its SHA-256 where the blob is named by it.
/// Another one goes, so that it is fetched anew.
pub(super) fn check(pointer: &Path, size: Option<u64>) -> Result<(), String> {
    let unread = |error: std::io::Error| format!("read `{}`: {error}", pointer.display());
    let blob = fs::canonicalize(pointer).map_err(unread)?;
    let here = fs::metadata(&blob).map_err(unread)?.len();
    let name = blob.file_name().and_then(|name| name.to_str());
    let fault = match (size, sha256_of_name(name)) {
        (Some(size), _) if size != here => format!("{here} bytes came of {size}"),
        (_, Some(named)) if digest::of_file(&blob).map_err(unread)?.hex() != named => {
            "its SHA-256 is not the one that the hub names".to_owned()
        }
        _ => return Ok(()),
    };
    for path in [pointer, &blob] {
        fs::remove_file(path).map_err(unread)?;
    }
    Err(format!("{fault}; it was removed, try again"))
}

/// Large files' blobs are named by their SHA-256, others by git's own digest.
fn sha256_of_name(name: Option<&str>) -> Option<&str> {
    name.filter(|name| name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit()))
}
