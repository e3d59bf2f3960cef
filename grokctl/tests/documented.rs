//! The page that documents experiment files is what the program prints.

use std::{fs, path::Path, process::Command};

#[test]
fn the_page_of_the_experiment_file_is_current() {
    let output = Command::new(env!("CARGO_BIN_EXE_grokctl"))
        .args(["config", "reference"])
        .output()
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(printed.contains("| `rank` | whole number, 1 to 512 | `16` |"));
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/experiment-file.md");
    let page = fs::read_to_string(page).unwrap();
    assert!(
        page == printed,
        "docs/experiment-file.md is out of date; write it anew: \
         `cargo run -p grokctl -- config reference > docs/experiment-file.md`"
    );
}
