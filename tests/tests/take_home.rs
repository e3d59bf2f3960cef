//! A model that is named by its hub id, and its adapters taken home: the commit, cards, the best one, other forms.
//! The model lies in a cache as huggingface_hub leaves it; nothing is asked of any hub.
#![expect(
    clippy::unwrap_used,
    reason = "a test: a failure is a panic with its place"
)]

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use groklab_tests::{Stack, binary, files::experiment, files::read, tiny_coder};
use serde_json::Value;

const COMMIT: &str = "00c0ffee00c0ffee00c0ffee00c0ffee00c0ffee";
const ID: &str = "org/tiny-coder";

/// A cache of Hugging Face software that holds the tiny model as the branch `main` of [`ID`].
fn cache(folder: &Path) -> PathBuf {
    let cache = folder.join("hub");
    let model = cache.join("models--org--tiny-coder");
    let snapshot = model.join("snapshots").join(COMMIT);
    fs::create_dir_all(&snapshot).unwrap();
    fs::create_dir(model.join("refs")).unwrap();
    fs::write(model.join("refs/main"), COMMIT).unwrap();
    for file in fs::read_dir(tiny_coder()).unwrap().flatten() {
        fs::copy(file.path(), snapshot.join(file.file_name())).unwrap();
    }
    cache
}

struct Home {
    stack: Stack,
    cache: PathBuf,
}

impl Home {
    /// Runs an experiment of one iteration to its end.
    fn new() -> Self {
        let mut stack = Stack::coordinator(&[]);
        let cache = cache(stack.dir.path());
        let env = [
            ("HF_HUB_CACHE", cache.to_str().unwrap()),
            ("HF_HUB_OFFLINE", "1"),
        ];
        for worker in ["worker-verify", "worker-gen", "worker-train"] {
            stack.add_worker(worker, &[], &env);
        }
        let source = tiny_coder().display().to_string();
        let text = experiment("home", 1, "rft").replace(&source, ID);
        let file = stack.file("home.toml", &text);
        stack.grokctl_ok(&["submit", file.to_str().unwrap()]);
        stack.grokctl_ok(&["watch", "home"]);
        Self { stack, cache }
    }

    fn grokctl(&self, args: &[&str]) -> Output {
        let mut command = Command::new(binary("grokctl"));
        command.args(["--coordinator", &self.stack.address]);
        command
            .env("HF_HUB_CACHE", &self.cache)
            .env("HF_HUB_OFFLINE", "1");
        command.args(args).stdin(Stdio::null()).output().unwrap()
    }

    fn out(&self, name: &str) -> PathBuf {
        self.stack.dir.path().join(name)
    }

    /// The logits behind a few ids.
    fn logits(&self, model: &str, adapter: Option<&Path>) -> Vec<f64> {
        let mut command = Command::new(binary("worker-gen"));
        command.args(["score", "--logits", "--model", model]);
        if let Some(adapter) = adapter {
            command.arg("--adapter").arg(adapter);
        }
        command
            .env("HF_HUB_CACHE", &self.cache)
            .env("HF_HUB_OFFLINE", "1");
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let asked = b"{\"id\": 1, \"input_ids\": [5, 60, 61, 62, 63, 7]}\n";
        child.stdin.take().unwrap().write_all(asked).unwrap();
        let done = child.wait_with_output().unwrap();
        assert!(done.status.success());
        let line: Value = serde_json::from_slice(&done.stdout).unwrap();
        let logits = line["last_logits"].as_array().unwrap();
        logits.iter().map(|logit| logit.as_f64().unwrap()).collect()
    }
}

fn json(path: &Path) -> Value {
    serde_json::from_str(&read(path)).unwrap()
}

#[test]
fn an_adapter_explains_itself_and_comes_in_other_forms() {
    let home = Home::new();
    let shown = home.stack.grokctl_ok(&["show", "home"]);
    assert!(shown.contains(&format!("commit      {COMMIT}")), "{shown}");

    let out = home.out("out");
    let place = out.to_str().unwrap();
    let done = home.grokctl(&[
        "--json",
        "export",
        "home",
        "--out",
        place,
        "--merged",
        "--gguf-lora",
    ]);
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success() && said.is_empty(), "{said}");
    let summary: Value = serde_json::from_slice(&done.stdout).unwrap();
    assert_eq!(
        (&summary["best"], &summary["checkpoint"]),
        (&1.into(), &1.into())
    );
    assert_eq!(summary["merged"]["lost_in_rounding"], 0.0);

    assert_eq!(json(&out.join("config.json"))["model"]["revision"], COMMIT);
    assert!(read(&out.join("report.html")).contains(&format!("{ID} at {COMMIT}")));
    let adapter = out.join("checkpoints/iter_1");
    let config = json(&adapter.join("adapter_config.json"));
    assert_eq!(config["base_model_name_or_path"], ID);
    assert_eq!(config["revision"], COMMIT);
    let card = read(&adapter.join("README.md"));
    assert!(
        card.starts_with(&format!("---\nbase_model: {ID}\nlibrary_name: peft\n")),
        "{card}"
    );
    assert!(card.contains("| this adapter | val | "), "{card}");
    for name in [
        "tokenizer.json",
        "tokenizer_config.json",
        "chat_template.jinja",
    ] {
        let theirs = fs::read(tiny_coder().join(name)).unwrap();
        assert_eq!(fs::read(adapter.join(name)).unwrap(), theirs, "{name}");
    }
    let best = out.join("checkpoints/best");
    for file in fs::read_dir(&adapter).unwrap().flatten() {
        let copy = fs::read(best.join(file.file_name())).unwrap();
        assert_eq!(
            copy,
            fs::read(file.path()).unwrap(),
            "{:?}",
            file.file_name()
        );
    }
    assert!(
        fs::read(out.join("lora.gguf"))
            .unwrap()
            .starts_with(b"GGUF")
    );

    let merged = out.join("merged");
    assert!(read(&merged.join("README.md")).contains("library_name: transformers"));
    let apart = home.logits(ID, Some(&adapter));
    let whole = home.logits(merged.to_str().unwrap(), None);
    let base = home.logits(ID, None);
    let far = |a: &[f64], b: &[f64]| {
        let each = a.iter().zip(b).map(|(a, b)| (a - b).abs());
        each.fold(0.0, f64::max)
    };
    assert!(far(&apart, &whole) < 1e-3, "{}", far(&apart, &whole));
    assert!(far(&apart, &base) > 0.1, "it learned nothing");
}

#[test]
fn what_cannot_be_taken_home_is_said_and_the_rest_arrives() {
    let home = Home::new();
    let out = home.out("out");
    let place = out.to_str().unwrap();
    let wrong = home.grokctl(&[
        "export",
        "home",
        "--out",
        place,
        "--merged",
        "--checkpoint",
        "7",
    ]);
    let said = String::from_utf8_lossy(&wrong.stderr);
    assert!(
        wrong.status.code() == Some(2)
            && said.contains("there is no adapter of iteration 7; there are those of 1")
            && !out.exists(),
        "{said}"
    );
    // Where the model is not: everything but its tokenizer.
    let mut elsewhere = Command::new(binary("grokctl"));
    elsewhere.args(["--coordinator", &home.stack.address]);
    elsewhere.args(["export", "home", "--out", place]);
    elsewhere
        .env("HF_HUB_CACHE", "/nowhere")
        .env("HF_HUB_OFFLINE", "1");
    let done = elsewhere.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(
        done.status.success()
            && said.contains("no tokenizer lies beside the adapters")
            && said.contains("HF_HUB_OFFLINE is set"),
        "{said}"
    );
    let adapter = out.join("checkpoints/iter_1");
    assert!(!adapter.join("tokenizer.json").exists());
    let card = read(&adapter.join("README.md"));
    assert!(
        card.contains(&format!("AutoTokenizer.from_pretrained(\"{ID}\")")),
        "{card}"
    );
    // The form that needs the model is refused, and nothing is left of it.
    elsewhere.args(["--force", "--merged"]);
    let done = elsewhere.output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr);
    assert!(
        done.status.code() == Some(1) && said.contains("run worker-train merge"),
        "{said}"
    );
    assert!(!out.join("merged").exists() && adapter.exists());
}
