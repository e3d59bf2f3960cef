//! A model named by its hub id, with the built program and a hub on loopback: tokens, refusals, and working without the network.

#![expect(clippy::unwrap_used, reason = "a test's helpers may fail the test")]

use std::{
    fs,
    io::Write,
    path::Path,
    process::{Command, Stdio},
};

use groklab_model::testing::{Hub, Served, write_tiny_model};

const TOKEN: &str = "hf_0123456789secret";

/// A hub with a tiny model that wants [`TOKEN`], and a home of Hugging Face software.
fn hub(folder: &Path) -> Hub {
    write_tiny_model(&folder.join("served"), 1).unwrap();
    fs::create_dir(folder.join("home")).unwrap();
    let token = Some((TOKEN.to_owned(), 401));
    Hub::serve(Served {
        id: "org/tiny".into(),
        folder: folder.join("served"),
        token,
    })
    .unwrap()
}

/// Scores a text with the model; the exit code, what was written and what was said.
fn score(
    folder: &Path,
    hub: &Hub,
    cache: &str,
    env: &[(&str, &str)],
) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_worker-gen"));
    for name in [
        "HF_TOKEN",
        "HUGGING_FACE_HUB_TOKEN",
        "HF_TOKEN_PATH",
        "HF_HUB_OFFLINE",
        "TRANSFORMERS_OFFLINE",
        "GROKLAB_MODELS",
    ] {
        command.env_remove(name);
    }
    command
        .args(["score", "--model", "org/tiny", "--models"])
        .arg(folder.join(cache));
    command
        .env("HF_HOME", folder.join("home"))
        .env("HF_ENDPOINT", &hub.endpoint)
        .envs(env.iter().copied());
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
        said.contains(&format!("accept its licence at {}/org/tiny", hub.endpoint))
            && said.contains("set HF_TOKEN"),
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
