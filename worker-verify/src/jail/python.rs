//! Finds what the interpreter inside the jail needs: its executable, its standard library, the
//! shared libraries of both. Binds nothing else: no site-packages, no other program.

use std::{
    collections::BTreeSet,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use crate::sandbox::InfrastructureError;

/// Prints version, executable, standard library and the `_ctypes` extension (empty if there is
/// none), a line each.
const QUESTION: &str = "
import os, sys, glob
library = os.path.dirname(os.path.realpath(os.__file__))
print('.'.join(map(str, sys.version_info[:3])))
print(os.path.realpath(sys.executable))
print(library)
print((glob.glob(library + '/lib-dynload/_ctypes.*.so') or [''])[0])
";

/// An interpreter and what to bind for it.
#[derive(Debug, Clone)]
pub struct Interpreter {
    pub version: String,
    pub executable: PathBuf,
    /// Files and folders, each bound read-only at its own place.
    pub binds: Vec<PathBuf>,
}

impl Interpreter {
    /// Asks the interpreter at `path`.
    ///
    /// # Errors
    /// `InfrastructureError::NoPython` or `Python` if it does not run or what it needs can't be
    /// found.
    pub fn inspect(path: &Path) -> Result<Self, InfrastructureError> {
        if !path.exists() {
            return Err(InfrastructureError::NoPython(path.to_owned()));
        }
        match Self::ask(path) {
            Ok(interpreter) => Ok(interpreter),
            Err(reason) => Err(InfrastructureError::Python {
                path: path.to_owned(),
                reason,
            }),
        }
    }

    fn ask(path: &Path) -> Result<Self, String> {
        // The options are those it gets in the jail, so that it names the same library.
        let answer = output(Command::new(path).args(["-sPSB", "-c", QUESTION]))?;
        let lines: Vec<&str> = answer.lines().collect();
        // An interpreter that prints something else is no Python that we know.
        let [version, executable, library, ctypes] = lines[..] else {
            return Err(format!("it printed `{}`", answer.trim()));
        };
        let mut binds = BTreeSet::from([PathBuf::from(executable), PathBuf::from(library)]);
        // `_ctypes` needs a library of its own that the executable does not name.
        for file in [executable, ctypes] {
            if !file.is_empty() {
                binds.extend(libraries(Path::new(file))?);
            }
        }
        for bind in &binds {
            // nsjail takes what is behind a colon for the place to bind at.
            if bind.as_os_str().as_bytes().contains(&b':') {
                return Err(format!("`{}` has a colon in its path", bind.display()));
            }
        }
        Ok(Self {
            version: version.to_owned(),
            executable: executable.into(),
            binds: outermost(&binds),
        })
    }
}

/// The shared libraries and the loader that `file` names, by `ldd`.
fn libraries(file: &Path) -> Result<Vec<PathBuf>, String> {
    let listed = output(Command::new("ldd").arg(file))?;
    // `ldd` succeeds all the same.
    if listed.contains("not found") {
        return Err(format!("a library of `{}` is missing", file.display()));
    }
    let words = listed.split_whitespace();
    let paths = words.filter(|word| word.starts_with('/'));
    Ok(paths.map(PathBuf::from).collect())
}

/// Leaves out what lies within another of the paths.
fn outermost(paths: &BTreeSet<PathBuf>) -> Vec<PathBuf> {
    let mut outermost = Vec::new();
    for path in paths {
        let mut folders = path.ancestors().skip(1);
        if !folders.any(|folder| paths.contains(folder)) {
            outermost.push(path.clone());
        }
    }
    outermost
}

fn output(command: &mut Command) -> Result<String, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    // What the worker's environment says about Python must not decide what is bound.
    command.env_clear().env("PATH", "/usr/bin:/bin");
    let done = match command.output() {
        Ok(done) => done,
        Err(error) => return Err(format!("{name}: {error}")),
    };
    if !done.status.success() {
        let complaint = String::from_utf8_lossy(&done.stderr);
        return Err(format!("{name}: {}: {}", done.status, complaint.trim()));
    }
    String::from_utf8(done.stdout).map_err(|_| format!("{name}: output is not utf-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nested_paths_are_bound_once() {
        let paths = ["/a", "/a/b/c", "/ab"].map(PathBuf::from);
        assert_eq!(
            outermost(&paths.into()),
            [PathBuf::from("/a"), PathBuf::from("/ab")]
        );
    }

    #[test]
    fn a_missing_interpreter_is_named() {
        let error = Interpreter::inspect(Path::new("/nowhere/python")).unwrap_err();
        assert!(error.to_string().contains("/nowhere/python"), "{error}");
    }
}
