//! `fit` from end to end: the built program on a tiny model.

#![expect(clippy::unwrap_used, reason = "a test's helpers may fail the test")]

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use groklab_model::Adapter;
use serde_json::{Value, json};

struct Folder(tempfile::TempDir);

impl Folder {
    /// A tiny model, and a few examples in both forms.
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        groklab_model::testing::write_tiny_model(&folder.at("model"), 1).unwrap();
        let text =
            |n: usize| json!({"prompt": format!("double {n}"), "completion": format!("{}", 2 * n)});
        let ids =
            |n: i64| json!({"input_ids": [100, 101, 102 + n, 103, 104, 2], "prompt_length": 3});
        let lines = (0..6)
            .map(text)
            .chain((0..4).map(ids))
            .map(|line| format!("{line}\n"));
        folder.put("data.jsonl", &lines.collect::<String>());
        folder
    }

    fn at(&self, name: &str) -> std::path::PathBuf {
        self.0.path().join(name)
    }

    fn put(&self, name: &str, text: &str) {
        fs::write(self.at(name), text).unwrap();
    }

    fn fit(&self, config: &str, out: &str, more: &[&str]) -> Output {
        self.program(
            config,
            out,
            Command::new(env!("CARGO_BIN_EXE_worker-train")),
        )
        .args(more)
        .output()
        .unwrap()
    }

    /// `program`, which is or starts worker-train, with the arguments of a fit.
    fn program(&self, config: &str, out: &str, mut program: Command) -> Command {
        self.put("train.toml", config);
        program
            .arg("fit")
            .arg("--model")
            .arg(self.at("model"))
            .arg("--data")
            .arg(self.at("data.jsonl"));
        program
            .arg("--out")
            .arg(self.at(out))
            .arg("--config")
            .arg(self.at("train.toml"));
        program.current_dir(self.0.path());
        program
    }
}

fn lines(output: &Output) -> Vec<Value> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn steps(output: &Output) -> Vec<f64> {
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    lines(output)
        .iter()
        .filter_map(|line| line["loss"].as_f64())
        .collect()
}

fn weights(folder: &Path) -> Vec<u8> {
    fs::read(folder.join("adapter_model.safetensors")).unwrap()
}

const CONFIG: &str =
    "batch_size = 4\nsteps = 6\nrank = 4\nlearning_rate = 0.01\nseed = 3\ndropout = 0.1\n";

#[test]
fn the_loss_falls_and_a_run_repeats_bit_for_bit() {
    let folder = Folder::new();
    let done = folder.fit(CONFIG, "one", &["--held-out", "data.jsonl"]);
    let losses = steps(&done);
    assert!(losses.len() == 6 && losses[5] < losses[0], "{losses:?}");
    let all = lines(&done);
    let held_out: Vec<f64> = all
        .iter()
        .filter_map(|line| line["held_out_loss"].as_f64())
        .collect();
    assert!(
        held_out.len() == 2 && held_out[1] < held_out[0],
        "{held_out:?}"
    );
    let step = &all[1];
    for field in [
        "step",
        "loss",
        "grad_norm",
        "tokens_per_second",
        "peak_memory_mb",
    ] {
        assert!(
            step[field].as_f64().is_some_and(|value| value > 0.0),
            "{field} in {step}"
        );
    }
    assert_eq!(steps(&folder.fit(CONFIG, "two", &[])), losses);
    assert_eq!(weights(&folder.at("one")), weights(&folder.at("two")));
    assert!(Adapter::open(&folder.at("one")).is_ok_and(|adapter| adapter.spec().rank == 4));
    // With another number of threads sums are rounded otherwise.
    let alone = steps(&folder.fit(CONFIG, "alone", &["--threads", "1"]));
    assert!(
        alone.iter().zip(&losses).all(|(a, b)| (a - b).abs() < 1e-3),
        "{alone:?} {losses:?}"
    );
    assert_ne!(
        steps(&folder.fit(&CONFIG.replace("seed = 3", "seed = 4"), "three", &[])),
        losses
    );
}

#[test]
fn a_run_continues_where_another_ended() {
    let folder = Folder::new();
    let config = "batch_size = 10\nrank = 4\nlearning_rate = 0.01\n";
    steps(&folder.fit(&format!("{config}steps = 4"), "whole", &[]));
    steps(&folder.fit(&format!("{config}steps = 2"), "half", &[]));
    let from_half = ["--init-adapter", "half"];
    steps(&folder.fit(
        &format!("{config}steps = 2\nstart = \"continue\""),
        "rest",
        &from_half,
    ));
    assert_eq!(weights(&folder.at("rest")), weights(&folder.at("whole")));
    steps(&folder.fit(&format!("{config}steps = 2"), "restarted", &from_half));
    assert_ne!(
        weights(&folder.at("restarted")),
        weights(&folder.at("whole")),
        "without the optimiser's state"
    );
    // The shape is the adapter's where the configuration names none.
    steps(&folder.fit("steps = 1", "shaped", &from_half));
    let wrong = folder.fit("steps = 1\nrank = 8", "no", &from_half);
    assert!(!wrong.status.success() && String::from_utf8_lossy(&wrong.stderr).contains("rank: 8"));
}

fn config_of(folder: &Path) -> Value {
    serde_json::from_slice(&fs::read(folder.join("adapter_config.json")).unwrap()).unwrap()
}

#[test]
fn a_run_from_an_rslora_adapter_keeps_its_scale() {
    let folder = Folder::new();
    let config = "batch_size = 10\nrank = 4\nlearning_rate = 0.01\n";
    steps(&folder.fit(&format!("{config}steps = 2"), "first", &[]));
    let mut turned = config_of(&folder.at("first"));
    assert_eq!(turned["use_rslora"], false);
    turned["use_rslora"] = json!(true);
    fs::create_dir(folder.at("rslora")).unwrap();
    for file in ["adapter_model.safetensors", "optimiser.safetensors"] {
        fs::copy(
            folder.at("first").join(file),
            folder.at("rslora").join(file),
        )
        .unwrap();
    }
    folder.put("rslora/adapter_config.json", &turned.to_string());
    let plain = steps(&folder.fit(
        "batch_size = 10\nsteps = 1",
        "plain",
        &["--init-adapter", "first"],
    ));
    let from_it = ["--init-adapter", "rslora"];
    // Whether the configuration names a shape or leaves it to the adapter.
    for (config, out) in [
        (config, "named"),
        ("batch_size = 10\nlearning_rate = 0.01\n", "unnamed"),
    ] {
        let losses = steps(&folder.fit(
            &format!("{config}steps = 4\nstart = \"continue\""),
            out,
            &from_it,
        ));
        assert!(
            (losses[0] - plain[0]).abs() > 1e-4,
            "the scale is another: {losses:?} {plain:?}"
        );
        assert_eq!(config_of(&folder.at(out))["use_rslora"], true);
        steps(&folder.fit(
            &format!("{config}steps = 2\nstart = \"continue\""),
            "half",
            &from_it,
        ));
        steps(&folder.fit(
            &format!("{config}steps = 2\nstart = \"continue\""),
            "rest",
            &["--init-adapter", "half"],
        ));
        assert_eq!(weights(&folder.at("rest")), weights(&folder.at(out)));
    }
}

#[test]
fn the_adapter_never_names_its_base_by_a_path() {
    let folder = Folder::new();
    steps(&folder.fit("steps = 1\nrank = 4", "out", &[]));
    let config = config_of(&folder.at("out"));
    assert_eq!(config["base_model_name_or_path"], Value::Null);
}

#[test]
fn batches_by_tokens_cover_every_epoch() {
    let folder = Folder::new();
    let done =
        folder.fit("batch_tokens = 40\nepochs = 2\nschedule = \"cosine\"\nwarmup_steps = 2\ngradient_checkpointing = true", "out", &[]);
    let examples: u64 = lines(&done)
        .iter()
        .map(|line| line["examples"].as_u64().unwrap())
        .sum();
    assert_eq!(examples, 20);
    let rates: Vec<f64> = lines(&done)
        .iter()
        .map(|line| line["learning_rate"].as_f64().unwrap())
        .collect();
    assert!(
        rates[0] < rates[1] && rates[rates.len() - 1] < rates[2],
        "{rates:?}"
    );
}

#[test]
fn checkpointing_is_a_key_of_train_and_keeps_the_losses() {
    let folder = Folder::new();
    let config = "batch_size = 4\nsteps = 5\nrank = 4\nlearning_rate = 0.01\ndropout = 0.1\n";
    let plain = steps(&folder.fit(config, "plain", &[]));
    let kept = steps(&folder.fit(
        &format!("{config}gradient_checkpointing = true"),
        "kept",
        &[],
    ));
    assert!(
        plain.iter().zip(&kept).all(|(a, b)| (a - b).abs() < 1e-5),
        "{plain:?} {kept:?}"
    );
}

#[test]
fn where_nothing_can_be_kept_nothing_is_trained() {
    let folder = Folder::new();
    let done = folder.fit("steps = 1", "data.jsonl/out", &[]);
    let message = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(
        done.status.code() == Some(1)
            && done.stdout.is_empty()
            && message.contains("data.jsonl/out"),
        "{message}"
    );
}

#[test]
fn a_loss_that_explodes_names_its_lines_and_keeps_the_last_good_adapter() {
    let folder = Folder::new();
    let done = folder.fit(
        "batch_size = 4\nsteps = 9\nrank = 4\nlearning_rate = 1e30",
        "out",
        &[],
    );
    let message = String::from_utf8(done.stderr.clone()).unwrap();
    assert_eq!(done.status.code(), Some(1));
    assert!(
        message.contains("step")
            && message.contains("examples [")
            && message.contains("learning rate"),
        "{message}"
    );
    assert!(
        !lines(&done).is_empty() && Adapter::open(&folder.at("out")).is_ok(),
        "{message}"
    );
}

#[test]
fn what_is_wrong_is_named_and_has_exit_code_2() {
    let folder = Folder::new();
    let refused = |config: &str| {
        let done = folder.fit(config, "out", &[]);
        assert_eq!(done.status.code(), Some(2));
        String::from_utf8(done.stderr).unwrap()
    };
    assert!(refused("lerning_rate = 1").contains("lerning_rate"));
    assert!(refused("targets = [\"lm_head\"]").contains("lm_head"));
    folder.put(
        "data.jsonl",
        "{\"prompt\": \"a\", \"completion\": \"b\"}\n{\"prompt\": \"a\"}\n",
    );
    assert!(refused("").contains("line 2"));
    folder.put(
        "data.jsonl",
        "{\"input_ids\": [5, 6], \"prompt_length\": 2}\n",
    );
    assert!(refused("").contains("line 1: `prompt_length` 2"));
    folder.put("data.jsonl", "{\"prompt\": \"a\", \"completion\": \"b\"}\n{\"input_ids\": [5, 9999], \"prompt_length\": 1}\n");
    assert!(refused("").contains("example 2: id 9999"));
    folder.put("data.jsonl", "{\"prompt\": \"a\", \"completion\": \"b\"}\n{\"prompt\": \"a\", \"completion\": \"b\", \"weight\": 0.5}\n");
    assert!(
        refused("").contains("line 2: unknown field `weight`"),
        "a weight that is not used would be a wrong result"
    );
    folder.put("data.jsonl", "[\"a\", \"b\", null, null]\n");
    assert!(refused("").contains("line 1: an object is wanted"));
    fs::write(folder.at("data.jsonl"), b"{\"prompt\": \"a\", \"completion\": \"b\"}\n{\"prompt\": \"\xff\", \"completion\": \"b\"}\n")
        .unwrap();
    assert!(refused("").contains("line 2: not UTF-8 from byte 13 on"));
    folder.put("data.jsonl", "");
    assert!(refused("").contains("no examples"));
    assert!(
        refused("betas = [0.9, 0.95, 0.99]")
            .contains("`betas` = [0.9, 0.95, 0.99]: use exactly two values")
    );
}

#[test]
fn the_text_of_a_special_token_is_refused_with_its_example() {
    let folder = Folder::new();
    let fit = |completions: [&str; 2], out: &str| {
        let line = |completion: &str| {
            format!("{}\n", json!({"prompt": "say a", "completion": completion}))
        };
        folder.put("data.jsonl", &completions.map(line).concat());
        folder.fit("steps = 2\nbatch_size = 1\nrank = 4\n", out, &[])
    };
    let refused = fit(["a", "a<|im_end|>\nb"], "no");
    let message = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        refused.status.code() == Some(2)
            && message.contains("example 2: ")
            && message.contains("`<|im_end|>`"),
        "{message}"
    );
    let (spelled, plain) = (
        steps(&fit(["a<|im_end|>", "b"], "spelled")),
        steps(&fit(["a", "b"], "plain")),
    );
    assert_eq!(spelled, plain, "at the very end it stands for the token");
}

#[test]
fn ids_need_no_tokenizer() {
    let folder = Folder::new();
    for file in ["tokenizer.json", "tokenizer_config.json"] {
        fs::remove_file(folder.at("model").join(file)).unwrap();
    }
    folder.put(
        "data.jsonl",
        "{\"input_ids\": [5, 6, 7, 2], \"prompt_length\": 2}\n",
    );
    assert_eq!(
        steps(&folder.fit("steps = 2\nbatch_size = 1\nrank = 4\n", "out", &[])).len(),
        2
    );
}

#[test]
fn a_configuration_that_is_not_utf8_is_the_callers_error() {
    let folder = Folder::new();
    let mut program = folder.program("", "out", Command::new(env!("CARGO_BIN_EXE_worker-train")));
    fs::write(folder.at("train.toml"), b"# \xff\n").unwrap();
    let done = program.output().unwrap();
    let message = String::from_utf8_lossy(&done.stderr).into_owned();
    assert!(
        done.status.code() == Some(2)
            && message.contains("train.toml")
            && message.contains("utf-8"),
        "{message}"
    );
}

#[test]
fn what_cannot_be_written_is_an_error_and_training_needs_no_reader() {
    let folder = Folder::new();
    let config = "steps = 3\nbatch_size = 4\nrank = 4\n";
    let sent_to = |output: &str, out: &str| {
        let mut shell = Command::new("sh");
        shell.args([
            "-c",
            &format!("exec \"$0\" \"$@\" {output}"),
            env!("CARGO_BIN_EXE_worker-train"),
        ]);
        let done = folder.program(config, out, shell).output().unwrap();
        (
            done.status.code(),
            String::from_utf8_lossy(&done.stderr).into_owned(),
        )
    };
    let (code, said) = sent_to(">/dev/full", "full");
    assert!(
        code == Some(1)
            && said.contains("No space left on device")
            && said.contains("the adapter of the last good step"),
        "{said}"
    );
    assert!(Adapter::open(&folder.at("full")).is_ok());
    let (code, said) = sent_to(">&-", "closed");
    assert!(
        code == Some(1) && said.contains("standard output is closed"),
        "{said}"
    );
    assert!(!folder.at("closed").exists(), "nothing is begun");
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut unread = folder.program(
        config,
        "unread",
        Command::new(env!("CARGO_BIN_EXE_worker-train")),
    );
    let done = unread.stdout(writer).output().unwrap();
    assert_eq!(
        (
            done.status.code(),
            String::from_utf8_lossy(&done.stderr).as_ref()
        ),
        (Some(0), "")
    );
    steps(&folder.fit(config, "read", &[]));
    assert_eq!(
        weights(&folder.at("unread")),
        weights(&folder.at("read")),
        "it went on to its end"
    );
}
