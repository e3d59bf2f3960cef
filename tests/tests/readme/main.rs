//! Every command that README shows is run by a test: by the one below, in README's order on one
//! coordinator, or by another that is named here. A command that is not in the table fails it.
#![expect(
    clippy::unwrap_used,
    reason = "a test: a failure is a panic with its place"
)]

mod commands;

use std::{
    collections::BTreeSet,
    env, fs,
    process::{Command, Output, Stdio},
    time::Duration,
};

use groklab_tests::{Stack, binary, files, root, tiny_coder};

use crate::commands::{
    COMMANDS, INPUTS,
    Tested::{By, Here, Make},
};

/// Longer than the longest command takes by far.
const DEADLINE: Duration = Duration::from_secs(600);

/// The commands of README: the lines of its shell blocks, and within its text whatever begins with
/// a program of ours and has arguments.
fn shown_commands() -> Vec<String> {
    let text = files::read(&root().join("README.md"));
    let mut commands = Vec::new();
    let mut block = None;
    for line in text.lines() {
        match (line.strip_prefix("```"), block) {
            (Some(language), None) => block = Some(language),
            (Some(_), Some(_)) => block = None,
            (None, Some("sh")) => commands.extend(alternatives(line)),
            (None, Some(_)) => {}
            (None, None) => commands.extend(quoted(line)),
        }
    }
    commands
}

/// `grokctl list | show ID  # remark` is two commands.
fn alternatives(line: &str) -> Vec<String> {
    let line = line.split(" #").next().unwrap_or(line).trim();
    let mut parts = line.split(" | ");
    let first = parts.next().unwrap_or_default().to_owned();
    let program = first.split(' ').next().unwrap_or_default().to_owned();
    let mut commands = vec![first];
    commands.extend(parts.map(|part| format!("{program} {part}")));
    commands.retain(|command| !command.is_empty());
    commands
}

fn quoted(line: &str) -> Vec<String> {
    const OURS: [&str; 6] = [
        "make ",
        "grokctl ",
        "worker-",
        "deploy/images.sh",
        "docker compose ",
        "./",
    ];
    let spans = line.split('`').skip(1).step_by(2);
    let commands = spans.filter(|span| OURS.iter().any(|ours| span.starts_with(ours)));
    // A program's name alone is a name.
    let commands = commands.filter(|span| span.contains(' ') || span.contains('/'));
    commands.map(str::to_owned).collect()
}

#[test]
fn every_command_of_the_readme_is_tested() {
    let shown = shown_commands();
    assert!(shown.len() > 35, "{shown:#?}");
    let known: BTreeSet<&str> = COMMANDS.iter().map(|(command, _)| *command).collect();
    for command in &shown {
        assert!(
            known.contains(&**command),
            "README.md shows `{command}`, which no test runs: add it to readme/commands.rs"
        );
    }
    for (command, tested) in COMMANDS {
        assert!(
            shown.iter().any(|shown| shown == command),
            "README.md does not show `{command}` any more: take it out of readme/commands.rs"
        );
        match tested {
            By(place) => assert_exists(command, place),
            Make(recipe) => assert_makes(command, recipe),
            Here(_) => {}
        }
    }
}

fn assert_exists(command: &str, place: &str) {
    let (file, test) = place.split_once(": ").unwrap();
    let text = files::read(&root().join("tests/tests").join(file));
    assert!(
        text.contains(&format!("fn {test}()")),
        "`{command}`: no test `{place}`"
    );
}

/// Asks make what it would do.
fn assert_makes(command: &str, recipe: &str) {
    let goal = command.strip_prefix("make ").unwrap();
    let asked = Command::new("make")
        .args(["--dry-run", goal])
        .current_dir(root())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&asked.stdout);
    assert!(
        asked.status.success(),
        "{command}: {}",
        String::from_utf8_lossy(&asked.stderr)
    );
    assert!(said.contains(recipe), "{command}: {said}");
}

#[test]
fn the_commands_of_the_readme_run_in_its_order() {
    let stack = Stack::full();
    let folder = stack.dir.path();
    stack.file("my.toml", &files::experiment("mine", 3, "rft"));
    for (name, text) in INPUTS {
        stack.file(name, text);
    }
    std::os::unix::fs::symlink(tiny_coder(), folder.join("model")).unwrap();
    for command in shown_commands() {
        let Some((_, Here(words))) = COMMANDS.iter().find(|(known, _)| *known == command) else {
            continue;
        };
        for variant in variants(&command) {
            let script = replaced(&variant, words);
            // A folder that is there already is refused.
            if script.contains("--out adapter") {
                let _ = fs::remove_dir_all(folder.join("adapter"));
            }
            let ran = shell(&stack, &script);
            assert!(
                ran.status.success(),
                "`{script}`: {}\n{}{}",
                ran.status,
                String::from_utf8_lossy(&ran.stdout),
                String::from_utf8_lossy(&ran.stderr)
            );
        }
    }
    for made in [
        "results/report.html",
        "completions.jsonl",
        "verdicts.jsonl",
        "adapter",
    ] {
        assert!(folder.join(made).exists(), "{made}");
    }
    assert!(files::read(&folder.join("verdicts.jsonl")).contains("passed"));
}

/// Without what stands in brackets, and with it.
fn variants(command: &str) -> Vec<String> {
    let (mut without, mut rest) = (String::new(), command);
    while let Some((before, after)) = rest.split_once(" [") {
        without.push_str(before);
        rest = after.split_once(']').unwrap().1;
    }
    without.push_str(rest);
    let with = command.replace(['[', ']'], "");
    if with == without {
        vec![with]
    } else {
        vec![without, with]
    }
}

fn replaced(command: &str, words: &[(&str, &str)]) -> String {
    let word = |word: &str| {
        let found = words.iter().find(|(from, _)| *from == word);
        found.map_or(word.to_owned(), |(_, to)| (*to).to_owned())
    };
    let words: Vec<String> = command.split(' ').map(word).collect();
    words.join(" ")
}

/// Runs a command as a person would who has the programs on their path.
fn shell(stack: &Stack, script: &str) -> Output {
    // Each is looked at, so that none is older than its source.
    let mut folder = binary("grokctl");
    for name in ["worker-gen", "worker-train", "worker-verify"] {
        binary(name);
    }
    folder.pop();
    let path = format!(
        "{}:{}",
        folder.display(),
        env::var("PATH").unwrap_or_default()
    );
    Command::new("timeout")
        .args(["--kill-after=5", &DEADLINE.as_secs().to_string()])
        .args(["bash", "-euc", script])
        .current_dir(stack.dir.path())
        .env("PATH", path)
        .env("GROKLAB_COORDINATOR", &stack.address)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}
