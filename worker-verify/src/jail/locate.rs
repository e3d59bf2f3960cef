//! Finds nsjail and the interpreter on this machine. Takes the environment's answers as arguments;
//! reads none itself.

use std::{env, ffi::OsStr, iter, path::PathBuf};

use crate::jail::nsjail::Config;

/// Debian's interpreter: readable by every user, unlike one in somebody's home.
const PYTHON: &str = "/usr/bin/python3";

/// Completes what the caller was told: nsjail as given, else on `search_path`, else in
/// `.groklab/bin` of the working folder or of a folder above this executable. Without any, the last
/// place looked at, for the error to name.
pub fn locate(
    nsjail: Option<PathBuf>,
    python: Option<PathBuf>,
    search_path: Option<&OsStr>,
) -> Config {
    let nsjail = nsjail
        .or_else(|| on_path(search_path?))
        .or_else(installed)
        .unwrap_or_else(|| PathBuf::from(".groklab/bin/nsjail"));
    Config {
        nsjail,
        python: python.unwrap_or_else(|| PathBuf::from(PYTHON)),
    }
}

fn on_path(search_path: &OsStr) -> Option<PathBuf> {
    for folder in env::split_paths(search_path) {
        let path = folder.join("nsjail");
        if path.is_file() {
            return Some(path);
        }
    }
    None
}

/// Where `make setup` installs it.
fn installed() -> Option<PathBuf> {
    let executable = env::current_exe().unwrap_or_default();
    let working_folder = env::current_dir().unwrap_or_default();
    let above = executable.ancestors().skip(1);
    // Tests and `cargo run` start below the repository, installed programs beside `.groklab`.
    for folder in iter::once(working_folder.as_path()).chain(above) {
        let path = folder.join(".groklab/bin/nsjail");
        if path.is_file() {
            return Some(path);
        }
    }
    None
}
