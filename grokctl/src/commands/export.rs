//! `export`: the experiment's files into a folder that appears whole or not at all.

use std::{
    fs::{self, File, OpenOptions},
    io::{BufWriter, Write},
    os::unix::fs::PermissionsExt,
    path::{Component, Path, PathBuf},
};

use serde_json::json;
use tempfile::TempDir;

use super::Context;
use crate::{
    cli::ExportArgs,
    client::Client,
    console::Console,
    failure::{Exit, Failure},
    report,
};

pub async fn run(context: &Context, args: ExportArgs) -> Result<Exit, Failure> {
    let client = context.client().await?;
    to_folder(
        &client,
        &args.experiment.experiment,
        &args.out,
        args.force,
        &context.console,
    )
    .await?;
    Ok(Exit::Ok)
}

/// experiments/NAME, or the first of NAME-2, NAME-3, … that does not exist.
pub fn default_folder(name: &str) -> PathBuf {
    let folder = Path::new("experiments");
    let numbered = (2..).map(|n| folder.join(format!("{name}-{n}")));
    std::iter::once(folder.join(name))
        .chain(numbered)
        .find(|path| !path.exists())
        .unwrap_or_else(|| folder.join(name))
}

/// Receives everything into a hidden folder beside `out` and renames it at the end. Safe to drop: what was begun goes away.
pub async fn to_folder(
    client: &Client,
    id: &str,
    out: &Path,
    force: bool,
    console: &Console,
) -> Result<(), Failure> {
    refuse_existing(out, force)?;
    let out = &std::path::absolute(out).map_err(|error| failed("use the folder", out, error))?;
    let staging = stage(out)?;
    let mut files = Files::new(staging.path());
    let mut chunks = client.export(id).await?;
    while let Some(chunk) = chunks.next().await? {
        files.append(&chunk.path, &chunk.data)?;
    }
    let count = files.finish()?;
    report::write(staging.path())
        .map_err(|failure| failure.next("the files themselves arrived; please report this"))?;
    publish(staging, out, force)?;
    if console.json() {
        console
            .print_json(&json!({"out": out, "files": count + 1, "report": out.join("report.html")}))
    } else {
        console.print(format!("exported {} files to {}", count + 1, out.display()))?;
        console.print(format!("report: {}", out.join("report.html").display()))
    }
}

fn refuse_existing(out: &Path, force: bool) -> Result<(), Failure> {
    if !force && fs::symlink_metadata(out).is_ok() {
        let why = "it exists, and an export never mixes with what is there";
        return Err(Failure::usage(format!("export to `{}`", out.display()))
            .because(why)
            .next("name another folder with --out DIR, or replace it with --force"));
    }
    Ok(())
}

fn stage(out: &Path) -> Result<TempDir, Failure> {
    let parent = out.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(parent).map_err(|error| failed("create", parent, error))?;
    let name = out.file_name().unwrap_or_default().to_string_lossy();
    let staging = tempfile::Builder::new()
        .prefix(&format!(".{name}.partial-"))
        .tempdir_in(parent);
    staging.map_err(|error| failed("create a folder in", parent, error))
}

/// Gives the finished folder its name.
fn publish(staging: TempDir, out: &Path, force: bool) -> Result<(), Failure> {
    fs::set_permissions(staging.path(), fs::Permissions::from_mode(0o755))
        .map_err(|error| failed("open to others", staging.path(), error))?;
    refuse_existing(out, force)?;
    let old = if fs::symlink_metadata(out).is_ok() {
        let aside = stage(out)?;
        fs::rename(out, aside.path().join("old"))
            .map_err(|error| failed("move aside", out, error))?;
        Some(aside)
    } else {
        None
    };
    fs::rename(staging.path(), out).map_err(|error| failed("write", out, error))?;
    // Renamed away, so there is nothing left to remove.
    let _ = staging.keep();
    drop(old);
    Ok(())
}

fn failed(what: &str, path: &Path, error: std::io::Error) -> Failure {
    Failure::other(format!("{what} `{}`", path.display())).because(error)
}

/// The files of an export as their pieces arrive, each in order.
struct Files<'a> {
    root: &'a Path,
    open: Option<(String, BufWriter<File>)>,
    count: usize,
}

impl<'a> Files<'a> {
    fn new(root: &'a Path) -> Self {
        Self {
            root,
            open: None,
            count: 0,
        }
    }

    fn append(&mut self, path: &str, data: &[u8]) -> Result<(), Failure> {
        if self.open.as_ref().is_none_or(|(name, _)| name != path) {
            self.close()?;
            let target = self.root.join(relative(path)?);
            let parent = target.parent().unwrap_or(self.root);
            fs::create_dir_all(parent).map_err(|error| failed("create", parent, error))?;
            self.count += usize::from(!target.exists());
            let file = OpenOptions::new()
                .create(true)
                .append(true)
                .open(&target)
                .map_err(|error| failed("write", &target, error))?;
            self.open = Some((path.to_owned(), BufWriter::new(file)));
        }
        match &mut self.open {
            Some((name, file)) => file
                .write_all(data)
                .map_err(|error| failed("write", Path::new(name), error)),
            None => Ok(()),
        }
    }

    fn close(&mut self) -> Result<(), Failure> {
        match self.open.take() {
            Some((name, mut file)) => file
                .flush()
                .map_err(|error| failed("write", Path::new(&name), error)),
            None => Ok(()),
        }
    }

    /// How many files there are.
    fn finish(mut self) -> Result<usize, Failure> {
        self.close()?;
        Ok(self.count)
    }
}

/// `path` if it stays inside the folder it is joined to.
fn relative(path: &str) -> Result<&Path, Failure> {
    let inside = !path.is_empty()
        && !path.contains(['\\', '\0'])
        && !path.split('/').any(|part| part.is_empty() || part == ".")
        && Path::new(path)
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
    if inside {
        return Ok(Path::new(path));
    }
    Err(Failure::other("write the export").because(format!(
        "the coordinator named a file outside the folder: `{}`",
        path.escape_debug()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_inside() {
        for path in [
            "config.json",
            "checkpoints/iter_1/adapter_config.json",
            "a..b",
        ] {
            assert!(relative(path).is_ok(), "{path}");
        }
        for path in [
            "",
            "/etc/passwd",
            "..",
            "../x",
            "a/../../x",
            "a//b",
            "./a",
            "a/.",
            "a\\b",
            "a\0b",
        ] {
            assert!(relative(path).is_err(), "{path:?}");
        }
    }

    #[test]
    fn files_arrive_in_pieces() {
        let folder = tempfile::tempdir().unwrap();
        let mut files = Files::new(folder.path());
        for (path, data) in [
            ("a.txt", "one "),
            ("a.txt", "two"),
            ("b/c.txt", "three"),
            ("a.txt", "!"),
            ("empty", ""),
        ] {
            files.append(path, data.as_bytes()).unwrap();
        }
        assert_eq!(files.finish().unwrap(), 3);
        let read = |path: &str| fs::read_to_string(folder.path().join(path)).unwrap();
        assert_eq!(
            (
                read("a.txt").as_str(),
                read("b/c.txt").as_str(),
                read("empty").as_str()
            ),
            ("one two!", "three", "")
        );
    }

    #[test]
    fn a_folder_appears_whole_and_is_replaced_only_by_force() {
        let parent = tempfile::tempdir().unwrap();
        let out = parent.path().join("x");
        let staged = |text: &str| {
            let staging = stage(&out).unwrap();
            fs::write(staging.path().join("f"), text).unwrap();
            staging
        };
        publish(staged("1"), &out, false).unwrap();
        assert_eq!(
            publish(staged("2"), &out, false).unwrap_err().exit,
            Exit::Usage
        );
        assert_eq!(fs::read_to_string(out.join("f")).unwrap(), "1");
        publish(staged("3"), &out, true).unwrap();
        assert_eq!(fs::read_to_string(out.join("f")).unwrap(), "3");
        assert_eq!(
            fs::read_dir(parent.path()).unwrap().count(),
            1,
            "nothing is left beside it"
        );
    }
}
