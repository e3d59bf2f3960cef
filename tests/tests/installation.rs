//! An installation with secrets of its own: made once, given to boxes that join and people that log in.
#![expect(
    clippy::unwrap_used,
    reason = "a test: a failure is a panic with its place"
)]

use std::{
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Output, Stdio},
    time::Duration,
};

use groklab_tests::{Process, Stack, binary, files::experiment, tiny_coder, wait::until};

/// Runs grokctl with nothing but these variables of ours, and `input` to read.
fn grokctl(login_file: &Path, args: &[&str], input: &str) -> Output {
    let mut command = Command::new(binary("grokctl"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("GROKLAB_") {
            command.env_remove(name);
        }
    }
    let mut child = command
        .args(args)
        .env("GROKLAB_LOGIN_FILE", login_file)
        .env("GROKLAB_DATA", login_file.with_file_name("no-data"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that does not read may have ended.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn text(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr].concat();
    String::from_utf8(both).unwrap()
}

#[test]
fn a_box_joins_and_a_person_logs_in_with_what_join_prints() {
    let dir = groklab_tests::folder();
    let (login, secrets) = (dir.path().join("login.json"), dir.path().join("secrets"));
    let secrets_text = secrets.to_str().unwrap();
    let made = grokctl(&login, &["secrets", "--out", secrets_text], "");
    assert!(made.status.success(), "{}", text(&made));
    let file = |name: &str| secrets.join(name).to_str().unwrap().to_owned();
    let stack = Stack::coordinator(&[
        "--client-token-file",
        &file("server/client.token"),
        "--worker-token-file",
        &file("server/worker.token"),
        "--tls-cert",
        &file("server/server.pem"),
        "--tls-key",
        &file("server/server.key"),
        "--model-folder",
        tiny_coder().parent().unwrap().to_str().unwrap(),
    ]);
    let join = |client: &[&str]| {
        let args = [
            "join",
            "--secrets",
            secrets_text,
            "--coordinator",
            &stack.address,
        ];
        let printed = grokctl(&login, &[&args[..], client].concat(), "");
        assert!(printed.status.success(), "{}", text(&printed));
        String::from_utf8(printed.stdout).unwrap()
    };
    let (for_workers, for_clients) = (join(&[]), join(&["--client"]));

    // A worker's token is no client's, and what does not work is not kept.
    let refused = grokctl(&login, &["login", "-"], &for_workers);
    assert_eq!(refused.status.code(), Some(6), "{}", text(&refused));
    assert!(!login.exists());
    let done = grokctl(&login, &["login", "-"], &for_clients);
    assert!(done.status.success(), "{}", text(&done));

    let mut variables = Vec::new();
    for line in for_workers.lines() {
        variables.push(line.split_once('=').unwrap());
    }
    let cache = dir.path().join("cache");
    variables.push(("GROKLAB_CACHE", cache.to_str().unwrap()));
    let _worker = Process::start(dir.path(), "worker-verify", &["work"], &variables);
    until("the worker that joined", Duration::from_secs(180), || {
        let listed = grokctl(&login, &["workers"], "");
        assert!(listed.status.success(), "{}", text(&listed));
        text(&listed).contains("verify").then_some(())
    });

    // The model lies where the workers look, and then it does not.
    let own = stack.file("own.toml", &experiment("own", 0, "none"));
    let submitted = grokctl(&login, &["submit", own.to_str().unwrap()], "");
    assert!(submitted.status.success(), "{}", text(&submitted));
    let elsewhere = dir.path().join("m.gguf");
    fs::write(&elsewhere, "x").unwrap();
    let stray = experiment("stray", 0, "none")
        .replace(tiny_coder().to_str().unwrap(), elsewhere.to_str().unwrap());
    let stray = stack.file("stray.toml", &stray);
    let refused = grokctl(&login, &["submit", stray.to_str().unwrap()], "");
    assert_eq!(refused.status.code(), Some(2), "{}", text(&refused));
    assert!(
        text(&refused).contains("put the model there"),
        "{}",
        text(&refused)
    );
}

/// Flags that only say what is printed in place of working.
const SHOWING: [&str; 3] = ["--help", "--version", "--print-config"];

#[test]
fn every_flag_of_a_service_has_a_variable() {
    let services: [(&str, &[&str]); 4] = [
        ("coordinator", &["--help"]),
        ("worker-gen", &["work", "--help"]),
        ("worker-train", &["work", "--help"]),
        ("worker-verify", &["work", "--help"]),
    ];
    for (name, args) in services {
        let help = Command::new(binary(name)).args(args).output().unwrap();
        let help = String::from_utf8(help.stdout).unwrap();
        // A flag stands at the left; its text, to the next one, further in.
        let mut flags: Vec<String> = Vec::new();
        for line in help.lines() {
            let indentation = line.len() - line.trim_start().len();
            if line.trim_start().starts_with('-') && indentation <= 6 {
                flags.push(String::new());
            }
            if let Some(flag) = flags.last_mut() {
                flag.push_str(line);
            }
        }
        for flag in &flags {
            let name_of_flag = flag.split_whitespace().find(|word| word.starts_with("--"));
            let only_shows = SHOWING.contains(&name_of_flag.unwrap());
            assert!(
                only_shows || flag.contains("[env: GROKLAB_"),
                "{name} has no variable for {flag}"
            );
        }
        assert!(flags.len() >= 10, "{name}: {help}");
    }
}
