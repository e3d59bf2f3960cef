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

/// The folder of the built binaries, `target/PROFILE`.
pub(crate) fn folder() -> PathBuf {
    let own = std::env::current_exe().expect("a running program has a path");
    // A benchmark lies beside the binaries, a test in `deps` below them.
    let folder = own.parent().expect("a program lies in a folder");
    let folder = if folder.ends_with("deps") {
        folder.parent().expect("deps lies in target/PROFILE")
    } else {
        folder
    };
    folder.to_owned()
}

/// The built binary `name`.
///
/// # Panics
/// When it is missing, or older than one of the files it is made of.
pub fn binary(name: &str) -> PathBuf {
    let path = folder().join(name);
    assert!(
        path.exists(),
        "{} is missing: run `make build` first",
        path.display()
    );
    require_current(&path, &path.with_extension("d"), "make build");
    path
}

/// The built tests in `PACKAGE/tests/NAME/main.rs`, which test the library of the package's binary
/// `package`.
///
/// # Panics
/// When they are missing, or older than one of the files they are made of.
pub fn test_binary(package: &str, name: &str) -> PathBuf {
    let build = format!("cargo test --workspace --test {name} --no-run");
    let main = root()
        .join(package)
        .join("tests")
        .join(name)
        .join("main.rs");
    let entries = fs::read_dir(folder().join("deps")).expect("this test lies in it");
    let mut newest: Option<(SystemTime, PathBuf)> = None;
    for path in entries.map(|entry| entry.unwrap().path()) {
        let file = path.file_name().and_then(|file| file.to_str());
        let hash = file.and_then(|file| file.strip_prefix(name)?.strip_prefix('-'));
        // Beside it lie other packages' tests of the same name, and those of earlier builds.
        if hash.is_some_and(|hash| !hash.contains('.'))
            && sources(&path.with_extension("d")).contains(&main)
            && let Some(built) = modified(&path)
            && newest.as_ref().is_none_or(|(time, _)| *time < built)
        {
            newest = Some((built, path));
        }
    }
    let (_, path) = newest.unwrap_or_else(|| panic!("{name} is missing: run `{build}` first"));
    require_current(&path, &path.with_extension("d"), &build);
    require_current(&path, &folder().join(format!("{package}.d")), &build);
    path
}

/// Panics if `path` is older than a source that cargo wrote down in `dep_info`.
fn require_current(path: &Path, dep_info: &Path, build: &str) {
    let built = modified(path).expect("it exists");
    let mut sources = sources(dep_info).into_iter();
    let newer = sources.find(|source| modified(source).is_some_and(|at| at > built));
    if let Some(newer) = newer {
        panic!(
            "{} is older than {}: run `{build}` first",
            path.display(),
            newer.display()
        );
    }
}

/// The source files that cargo wrote down for a binary.
fn sources(dep_info: &Path) -> Vec<PathBuf> {
    let text = fs::read_to_string(dep_info).unwrap_or_default();
    let Some((_, files)) = text.split_once(": ") else {
        return Vec::new();
    };
    // A test's are relative to the workspace.
    let files = files.split_whitespace();
    files.map(|file| root().join(file)).collect()
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|meta| meta.modified()).ok()
}
