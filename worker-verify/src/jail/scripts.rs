//! The Python programs that run inside the jail, each as the one text that `python3 -c` takes: the
//! files of `inside/`, which are modules that import each other, behind a few lines that load them.

use std::sync::LazyLock;

const BOOTSTRAP: &str = include_str!("inside/bootstrap.py");
const RUNNER: Module = ("runner", include_str!("inside/runner.py"));
const COLD: Module = ("cold", include_str!("inside/cold.py"));
const PREPARE: Module = ("prepare", include_str!("inside/prepare.py"));
const ZYGOTE: Module = ("zygote", include_str!("inside/zygote.py"));

/// A module's name and source.
type Module = (&'static str, &'static str);

/// Runs one candidate.
pub static COLD_PROGRAM: LazyLock<String> = LazyLock::new(|| program(&[RUNNER, COLD]));
/// Forks a child for each candidate.
pub static ZYGOTE_PROGRAM: LazyLock<String> = LazyLock::new(|| program(&[RUNNER, PREPARE, ZYGOTE]));

/// Loads the modules in order and calls the last one's `main`.
fn program(modules: &[Module]) -> String {
    // A list of texts in JSON is one in Python too.
    let modules = serde_json::to_string(modules).expect("texts are JSON");
    // `main` is called from the outermost level, so that the candidate's stack has no frame more.
    format!("{BOOTSTRAP}\n\nload({modules}).main()\n")
}
