//! A model named by its hub id, with the built program and a hub on loopback: tokens, refusals, and working without the network.

#![expect(clippy::unwrap_used, reason = "a test's helpers may fail the test")]

use std::{
    fs,
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use groklab_model::testing::{COMMIT, Hub, Served, write_tiny_model};

const TOKEN: &str = "hf_0123456789secret";

/// A hub with a tiny model that wants [`TOKEN`], and a home of Hugging Face software.
fn hub(folder: &Path) -> Hub {
    write_tiny_model(&folder.join("served"), 1).unwrap();
    fs::create_dir(folder.join("home")).unwrap();
    let mut served = Served::new("org/tiny", &folder.join("served"));
    served.token = Some((TOKEN.to_owned(), 401));
    served.licensed = true;
    Hub::serve(served).unwrap()
}

/// Scores a text with the model; the exit code, what was written and what was said.
fn score(
    folder: &Path,
    hub: &Hub,
    cache: &str,
    env: &[(&str, &str)],
) -> (Option<i32>, String, String) {
    let mut command = command(&["worker-gen"], folder, hub, env);
    command.args(["--model", "org/tiny", "--models"]);
    command.arg(folder.join(cache));
    scored(command)
}

/// `worker-gen score`, begun by way of other programs.
fn command(begun: &[&str], folder: &Path, hub: &Hub, env: &[(&str, &str)]) -> Command {
    let program = |name: &str| match name {
        "worker-gen" => env!("CARGO_BIN_EXE_worker-gen").to_owned(),
        other => other.to_owned(),
    };
    let mut command = Command::new(program(begun[0]));
    command.args(begun[1..].iter().map(|name| program(name)));
    for name in [
        "HF_TOKEN",
        "HUGGING_FACE_HUB_TOKEN",
        "HF_TOKEN_PATH",
        "HF_HUB_OFFLINE",
        "TRANSFORMERS_OFFLINE",
        "HF_HUB_CACHE",
        "HUGGINGFACE_HUB_CACHE",
        "GROKLAB_MODELS",
    ] {
        command.env_remove(name);
    }
    command
        .arg("score")
        .env("HF_HOME", folder.join("home"))
        .env("HF_ENDPOINT", &hub.endpoint)
        .envs(env.iter().copied());
    command
}

fn scored(mut command: Command) -> (Option<i32>, String, String) {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(b"{\"id\": 1, \"text\": \"abc\"}\n")
        .unwrap();
    let done = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (done.status.code(), text(done.stdout), text(done.stderr))
}

#[test]
fn a_token_is_taken_from_where_hugging_face_software_keeps_it() {
    let folder = tempfile::tempdir().unwrap();
    let hub = hub(folder.path());
    let file = folder.path().join("elsewhere");
    fs::write(&file, format!("{TOKEN}\n")).unwrap();
    let from = [
        ("HF_TOKEN", TOKEN),
        ("HUGGING_FACE_HUB_TOKEN", TOKEN),
        ("HF_TOKEN_PATH", file.to_str().unwrap()),
    ];
    for variable in from {
        let (code, out, said) = score(folder.path(), &hub, variable.0, &[variable]);
        assert!(
            code == Some(0) && out.contains("logprobs") && !said.contains(TOKEN),
            "{}: {said}",
            variable.0
        );
    }
    fs::copy(&file, folder.path().join("home/token")).unwrap();
    let (code, _, said) = score(folder.path(), &hub, "home-token", &[]);
    assert_eq!(code, Some(0), "{said}");
    let (code, _, said) = score(folder.path(), &hub, "wrong", &[("HF_TOKEN", "hf_stale9")]);
    assert!(
        code == Some(1) && said.contains("the token in HF_TOKEN") && !said.contains("hf_stale9"),
        "the variable comes before the file: {said}"
    );
}

#[test]
fn a_refusal_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let hub = hub(folder.path());
    let (code, out, said) = score(folder.path(), &hub, "cache", &[]);
    assert!(code == Some(1) && out.is_empty(), "{said}");
    assert!(
        said.contains(&format!(
            "accept the licence at {}/org/tiny, then set HF_TOKEN",
            hub.endpoint
        )),
        "{said}"
    );
}

#[test]
fn offline_a_model_that_was_fetched_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let hub = hub(folder.path());
    let offline = ("HF_HUB_OFFLINE", "1");
    let (code, _, said) = score(folder.path(), &hub, "cache", &[offline]);
    assert!(
        code == Some(1) && said.contains("HF_HUB_OFFLINE is set"),
        "{said}"
    );
    assert_eq!(hub.requests(), []);
    let (_, online, _) = score(folder.path(), &hub, "cache", &[("HF_TOKEN", TOKEN)]);
    let asked = hub.requests().len();
    assert_eq!(score(folder.path(), &hub, "cache", &[offline]).1, online);
    assert_eq!(hub.requests().len(), asked);
}

/// The cache of huggingface_hub itself, as two of its variables place it, where it holds the model.
fn warm_cache(folder: &Path, hub: &Hub) {
    let generation = folder.join("served/generation_config.json");
    fs::write(generation, "{\"eos_token_id\": 2}").unwrap();
    let fetch = command(
        &["worker-gen"],
        folder,
        hub,
        &[("HF_TOKEN", TOKEN), ("HF_HUB_CACHE", "$HF_HOME/cache")],
    );
    let (code, _, said) = scored(with_model(fetch, &[]));
    assert_eq!(code, Some(0), "{said}");
    let model = folder.join("home/cache/models--org--tiny");
    assert!(
        model
            .join(format!("snapshots/{COMMIT}/config.json"))
            .exists()
    );
    // What is left is what huggingface_hub would have left: it knows nothing of missing files here.
    fs::remove_dir_all(model.join(".no_exist")).unwrap();
}

fn with_model(mut command: Command, more: &[&str]) -> Command {
    command.args(["--model", "org/tiny"]).args(more);
    command
}

#[test]
fn a_warm_cache_needs_no_network_and_asks_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let hub = hub(folder.path());
    warm_cache(folder.path(), &hub);
    let asked = hub.requests();
    let cache = [("HF_HUB_CACHE", "$HF_HOME/cache")];
    // A network namespace of its own has no way to anywhere, not even to loopback.
    let apart = ["unshare", "--user", "--map-root-user", "--net"];
    let may = Command::new(apart[0])
        .args(&apart[1..])
        .arg("true")
        .status();
    let mut ways = vec![vec!["worker-gen"]];
    if may.is_ok_and(|status| status.success()) {
        ways.push([&apart[..], &["worker-gen"]].concat());
    }
    for way in ways {
        for revision in [&[][..], &["--revision", COMMIT]] {
            let command = command(&way, folder.path(), &hub, &cache);
            let (code, out, said) = scored(with_model(command, revision));
            assert!(code == Some(0) && out.contains("logprobs"), "{said}");
            assert!(!said.contains("fetch"), "{said}");
        }
    }
    assert_eq!(hub.requests(), asked, "a socket was opened for nothing");
}

#[test]
fn what_comes_is_said_in_plain_lines_where_nobody_looks() {
    let folder = tempfile::tempdir().unwrap();
    let hub = hub(folder.path());
    let (code, _, said) = score(folder.path(), &hub, "cache", &[("HF_TOKEN", TOKEN)]);
    assert_eq!(code, Some(0), "{said}");
    for line in [
        "fetching from the hub model=\"org/tiny\" files=4 bytes=",
        "fetched from the hub",
    ] {
        assert!(said.contains(line), "{said}");
    }
    assert!(!said.contains('\r') && !said.contains('\u{1b}'), "{said:?}");
}

#[test]
fn a_revision_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let hub = hub(folder.path());
    let token = [("HF_TOKEN", TOKEN)];
    let v9 = with_model(
        command(&["worker-gen"], folder.path(), &hub, &token),
        &["--revision", "v9"],
    );
    let (code, _, said) = scored(v9);
    assert!(
        code == Some(1) && said.contains("it has no revision `v9`"),
        "{said}"
    );
    let outside = with_model(
        command(&["worker-gen"], folder.path(), &hub, &token),
        &["--revision", "../../x"],
    );
    let (code, _, said) = scored(outside);
    assert!(
        code == Some(1) && said.contains("`../../x` can be no branch, tag or commit"),
        "{said}"
    );
    let mut folder_of_files = command(&["worker-gen"], folder.path(), &hub, &token);
    folder_of_files.args(["--revision", "main", "--model"]);
    folder_of_files.arg(folder.path().join("served"));
    let (code, _, said) = scored(folder_of_files);
    assert!(
        code == Some(1) && said.contains("only a hub id has revisions"),
        "{said}"
    );
}

#[test]
fn home_and_variables_in_paths_are_put_in() {
    let folder = tempfile::tempdir().unwrap();
    let hub = hub(folder.path());
    let home = [("HOME", folder.path().to_str().unwrap())];
    for name in ["~/served", "$HOME/served", "${HOME}/served"] {
        let mut command = command(&["worker-gen"], folder.path(), &hub, &home);
        command.args(["--model", name]);
        let (code, _, said) = scored(command);
        assert_eq!(code, Some(0), "{said}");
    }
    let mut command = command(&["worker-gen"], folder.path(), &hub, &home);
    command.args(["--model", "$GROKLAB_NEVER_SET/m"]);
    let (code, _, said) = scored(command);
    assert!(
        code == Some(2) && said.contains("the variable `GROKLAB_NEVER_SET` is not set"),
        "{said}"
    );
}
