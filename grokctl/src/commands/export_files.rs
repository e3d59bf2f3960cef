//! The files of an export, written as their pieces arrive. It trusts no path that it is given.

use std::{
    fs::{self, File, OpenOptions},
    io::{BufWriter, Write},
    path::{Component, Path, PathBuf},
};

use crate::failure::{Failure, file_step};

pub struct ExportFiles<'a> {
    root: &'a Path,
    /// The file whose pieces come at the moment.
    current: Option<CurrentFile>,
    count: usize,
}

struct CurrentFile {
    /// As the coordinator names it.
    name: String,
    path: PathBuf,
    writer: BufWriter<File>,
}

impl<'a> ExportFiles<'a> {
    /// Files below `root`, which must exist.
    pub fn new(root: &'a Path) -> Self {
        Self {
            root,
            current: None,
            count: 0,
        }
    }

    /// Adds a piece to the end of the file `name`.
    pub fn append(&mut self, name: &str, data: &[u8]) -> Result<(), Failure> {
        // A file comes in many pieces, and opening it for each would be slow.
        let mut file = match self.current.take() {
            Some(current) if current.name == name => current,
            other => {
                flush(other)?;
                self.open_file(name)?
            }
        };
        file_step("write", &file.path, file.writer.write_all(data))?;
        self.current = Some(file);
        Ok(())
    }

    fn open_file(&mut self, name: &str) -> Result<CurrentFile, Failure> {
        let path = self.root.join(relative(name)?);
        let parent = path.parent().unwrap_or(self.root);
        file_step("create", parent, fs::create_dir_all(parent))?;
        // Pieces of two files may alternate.
        self.count += usize::from(!path.exists());
        let opened = OpenOptions::new().create(true).append(true).open(&path);
        let writer = BufWriter::new(file_step("write", &path, opened)?);
        Ok(CurrentFile {
            name: name.to_owned(),
            path,
            writer,
        })
    }

    /// How many files there are.
    pub fn finish(self) -> Result<usize, Failure> {
        // What is still in memory may not fit on the disk.
        flush(self.current)?;
        Ok(self.count)
    }
}

/// Dropping a writer would lose the error.
fn flush(file: Option<CurrentFile>) -> Result<(), Failure> {
    match file {
        Some(mut file) => file_step("write", &file.path, file.writer.flush()),
        None => Ok(()),
    }
}

/// `name` as a path, if it stays inside the folder that it is joined to.
fn relative(name: &str) -> Result<&Path, Failure> {
    if stays_inside(name) {
        return Ok(Path::new(name));
    }
    Err(Failure::other("write the export").because(format!(
        "the coordinator named a file outside the folder: `{}`",
        name.escape_debug()
    )))
}

fn stays_inside(name: &str) -> bool {
    if name.contains(['\\', '\0']) {
        return false;
    }
    // What `components` normalises away is refused too: two names must not be one file.
    for part in name.split('/') {
        if part.is_empty() || part == "." {
            return false;
        }
    }
    let mut components = Path::new(name).components();
    components.all(|part| matches!(part, Component::Normal(_)))
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
        let mut files = ExportFiles::new(folder.path());
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
}
