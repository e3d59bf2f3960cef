//! Looks into a Postgres on a Unix socket by psql, which comes with it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Asks the database `name`; a line per row, columns parted by `|`. None while it does not answer.
///
/// # Panics
/// When the database answers with an error.
pub fn ask(socket: &Path, name: &str, query: &str) -> Option<Vec<String>> {
    let mut psql = Command::new(binaries().join("psql"));
    psql.args([
        "-X",
        "-A",
        "-t",
        "-v",
        "ON_ERROR_STOP=1",
        "-U",
        "groklab",
        "-d",
        name,
        "-c",
        query,
    ])
    .arg("-h")
    .arg(socket);
    let output = psql.output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!error.contains("ERROR:"), "{query}: {error}");
    output.status.success().then(|| {
        String::from_utf8_lossy(&output.stdout)
            .lines()
            .map(str::to_owned)
            .collect()
    })
}

/// The folder of the newest Postgres on this machine.
pub fn binaries() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").unwrap().flatten();
    let found = versions.filter_map(|entry| {
        Some((
            entry.file_name().to_str()?.parse::<u32>().ok()?,
            entry.path().join("bin"),
        ))
    });
    found.max().expect("Postgres is installed").1
}
