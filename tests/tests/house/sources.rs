//! The source files that the rules are about: all that is tracked, without tests.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use groklab_tests::files::read;

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// One file of a package's library or program.
pub struct Source {
    /// Relative to the root.
    pub path: String,
    pub text: String,
}

impl Source {
    /// The folder of its package and the path below `src/`.
    pub fn parts(&self) -> (&str, &str) {
        self.path.split_once("/src/").expect("all lie in a src/")
    }

    /// The text without the tests beside the code.
    pub fn code(&self) -> &str {
        match self.text.find("#[cfg(test)]\nmod tests {") {
            Some(end) => &self.text[..end],
            None => &self.text,
        }
    }
}

/// Every Rust file below a `src/`, but for the package of the tests itself.
pub fn sources() -> Vec<Source> {
    let mut command = Command::new("git");
    command.args([
        "ls-files",
        "--cached",
        "--others",
        "--exclude-standard",
        "*.rs",
    ]);
    let listed = command
        .current_dir(root())
        .output()
        .expect("git and cargo answer as they do");
    assert!(listed.status.success(), "git ls-files: {listed:?}");
    let mut sources = Vec::new();
    for path in String::from_utf8(listed.stdout)
        .expect("git and cargo answer as they do")
        .lines()
    {
        let is_test = path.starts_with("tests/") || path.ends_with("tests.rs");
        if path.contains("/src/") && !is_test && root().join(path).exists() {
            sources.push(Source {
                path: path.to_owned(),
                text: read(&root().join(path)),
            });
        }
    }
    assert!(sources.len() > 200, "{} files", sources.len());
    sources
}
