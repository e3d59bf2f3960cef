//! The binaries under test. `cargo test` does not build other packages' binaries, so an old one could pass for the new.

use std::{
    fs,
    path::{Path, PathBuf},
    time::SystemTime,
};

/// The workspace's root folder.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the tests are a folder of the workspace")
        .to_owned()
}

/// The built binary `name`.
///
/// # Panics
/// When it is missing, or older than one of the files it is made of.
pub fn binary(name: &str) -> PathBuf {
    let own = std::env::current_exe().expect("a running program has a path");
    // A benchmark lies beside the binaries, a test in `deps` below them.
    let folder = own.parent().expect("a program lies in a folder");
    let folder = if folder.ends_with("deps") {
        folder.parent().expect("deps lies in target/PROFILE")
    } else {
        folder
    };
    let path = folder.join(name);
    assert!(
        path.exists(),
        "{} is missing: run `make build` first",
        path.display()
    );
    let built = modified(&path).expect("it exists");
    if let Some(newer) = sources(&folder.join(format!("{name}.d")))
        .into_iter()
        .find(|source| modified(source).is_some_and(|at| at > built))
    {
        panic!(
            "{} is older than {}: run `make build` first",
            path.display(),
            newer.display()
        );
    }
    path
}

/// The source files that cargo wrote down beside the binary.
fn sources(dep_info: &Path) -> Vec<PathBuf> {
    let text = fs::read_to_string(dep_info).unwrap_or_default();
    text.split_once(": ")
        .map(|(_, files)| files.split_whitespace().map(PathBuf::from).collect())
        .unwrap_or_default()
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|meta| meta.modified()).ok()
}
