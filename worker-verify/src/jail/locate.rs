//! Finds nsjail and the interpreter on this machine. Takes the environment's answers as arguments; reads none itself.

use std::{
    env,
    ffi::OsStr,
    path::{Path, PathBuf},
};

use crate::jail::nsjail::Config;

/// Debian's interpreter: readable by every user, unlike one in somebody's home.
const PYTHON: &str = "/usr/bin/python3";

/// Completes what the caller was told: nsjail as given, else on `search_path`, else in `.groklab/bin` of the working folder
/// or of a folder above this executable. Without any, the last place looked at, for the error to name.
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
    env::split_paths(search_path)
        .map(|folder| folder.join("nsjail"))
        .find(|path| path.is_file())
}

fn installed() -> Option<PathBuf> {
    let executable = env::current_exe().ok().unwrap_or_default();
    let above = executable.ancestors().skip(1).map(Path::to_owned);
    env::current_dir()
        .into_iter()
        .chain(above)
        .map(|folder| folder.join(".groklab/bin/nsjail"))
        .find(|path| path.is_file())
}
