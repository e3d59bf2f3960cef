//! Each Python file of the sandbox can be read and checked by itself.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use crate::common::NSJAIL;

/// Nothing is imported but the file itself, and no bytecode is left beside it.
fn lint(files: &[PathBuf]) -> Output {
    Command::new(&NSJAIL.python.executable)
        .args(["-I", "-B"])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lint.py"))
        .args(files)
        .output()
        .expect("the interpreter runs")
}

fn told(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn each_file_is_complete_by_itself() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/jail/inside");
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "py"))
        .collect();
    files.push(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lint.py"));
    assert!(files.len() >= 6, "{files:?}");
    let output = lint(&files);
    assert!(output.status.success(), "{}", told(&output));
}

#[test]
fn the_check_finds_what_it_should() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("wrong.py");
    for (source, finding) in [
        ("def f(): return os.getpid()", "f uses `os`"),
        ("print(undefined)", "uses `undefined`"),
        (
            "import os, sys\nsys.exit()",
            "`os` is imported and not used",
        ),
        ("def f(:", "invalid syntax"),
        (&format!("x = '{}'", "y".repeat(100)), "106 columns"),
    ] {
        fs::write(&file, source).unwrap();
        let output = lint(std::slice::from_ref(&file));
        assert_eq!(output.status.code(), Some(1), "{source}");
        assert!(
            told(&output).contains(finding),
            "{source}: {}",
            told(&output)
        );
    }
    fs::write(
        &file,
        "import os\nclass A:\n    b = os.name\nprint(A, len('x'))\n",
    )
    .unwrap();
    let output = lint(&[file]);
    assert!(output.status.success(), "{}", told(&output));
}
