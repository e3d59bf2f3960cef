//! Finds nsjail and the interpreter on this machine. Takes the environment's answers as arguments;
//! reads none itself.

use std::{env, ffi::OsStr, iter, path::PathBuf};

use crate::jail::nsjail::Config;

/// Debian's interpreter: readable by every user, unlike one in somebody's home.
const PYTHON: &str = "/usr/bin/python3";

/// Where nsjail is below the folder of an installation: by `make setup`, and in images and
/// archives, beside `bin`.
const INSTALLED: [&str; 2] = [".groklab/bin/nsjail", "site/nsjail/bin/nsjail"];

/// Completes what the caller was told: nsjail as given, else on `search_path`, else where it is
/// [`INSTALLED`] below a folder above this executable, or by `make setup` below the working folder.
/// Without any, the last place looked at, for the error to name.
pub fn locate(
    nsjail: Option<PathBuf>,
    python: Option<PathBuf>,
    search_path: Option<&OsStr>,
) -> Config {
    let nsjail = nsjail
        .or_else(|| on_path(search_path?))
        .or_else(installed)
        .unwrap_or_else(|| PathBuf::from(INSTALLED[0]));
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

/// The one that came with this program.
fn installed() -> Option<PathBuf> {
    let executable = env::current_exe().unwrap_or_default();
    let working_folder = env::current_dir().unwrap_or_default();
    // Tests and `cargo run` start below the repository, installed programs beside what they need.
    let above = executable.ancestors().skip(1);
    let beside = above.flat_map(|folder| INSTALLED.map(|place| folder.join(place)));
    iter::once(working_folder.join(INSTALLED[0]))
        .chain(beside)
        .find(|path| path.is_file())
}
