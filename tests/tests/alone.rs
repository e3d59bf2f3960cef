//! The workers' commands that need no coordinator, as real processes: what they compute is what transformers and peft computed, what they
//! write can be used again, and what cannot be used is refused with its line and its fix.
#![expect(clippy::unwrap_used, reason = "a test: a failure is a panic with its place")]

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};

use groklab_tests::{binary, files::read, folder, root, tiny_coder};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::{Value, json};

const ARCHITECTURES: [&str; 3] = ["llama", "qwen2", "qwen3"];

fn start(dir: &Path, command: &[&str], stdin: &str) -> Child {
    let mut process = Command::new(binary(command[0]));
    process.args(&command[1..]).current_dir(dir).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = process.spawn().unwrap();
    // A process that refuses its command line reads nothing.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    child
}

fn run(dir: &Path, command: &[&str], stdin: &str) -> Output {
    start(dir, command, stdin).wait_with_output().unwrap()
}

/// The lines of a command that succeeds.
#[track_caller]
fn lines(dir: &Path, command: &[&str], stdin: &str) -> Vec<Value> {
    let output = run(dir, command, stdin);
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn jsonl(items: impl IntoIterator<Item = Value>) -> String {
    items.into_iter().map(|item| format!("{item}\n")).collect()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

fn farthest(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

/// A tiny model with what transformers and peft computed for it.
struct Fixture {
    folder: PathBuf,
    reference: Value,
}

impl Fixture {
    fn of(architecture: &str) -> Self {
        let folder = root().join(format!("crates/model/tests/fixtures/tiny-{architecture}"));
        let reference = serde_json::from_str(&read(&folder.join("reference.json"))).unwrap();
        Self { folder, reference }
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).to_str().unwrap().to_owned()
    }

    /// The rows of the batch without their padding.
    fn rows(&self) -> Vec<Vec<Value>> {
        let rows = self.reference["input_ids"].as_array().unwrap().iter().zip(self.reference["lengths"].as_array().unwrap());
        rows.map(|(row, length)| row.as_array().unwrap()[..length.as_u64().unwrap() as usize].to_vec()).collect()
    }

    fn input(&self) -> String {
        jsonl(self.rows().into_iter().enumerate().map(|(id, row)| json!({"id": id, "input_ids": row})))
    }

    /// The rows as examples, and the settings that they were trained with.
    fn write_training(&self, dir: &Path) {
        let rows = self.rows().into_iter().zip(self.reference["prompt_lengths"].as_array().unwrap());
        fs::write(dir.join("data.jsonl"), jsonl(rows.map(|(row, length)| json!({"input_ids": row, "prompt_length": length})))).unwrap();
        let train = &self.reference["train"];
        let settings = format!(
            "learning_rate = {}\nbetas = {}\neps = {}\nweight_decay = {}\nmax_grad_norm = {:?}\nsteps = {}\nbatch_size = 4\n",
            train["lr"],
            train["betas"],
            train["eps"],
            train["weight_decay"],
            train["max_grad_norm"].as_f64().unwrap(),
            train["steps"]
        );
        fs::write(dir.join("train.toml"), settings).unwrap();
    }
}

#[test]
fn greedy_tokens_and_scores_equal_the_reference() {
    let dir = folder();
    for name in ARCHITECTURES {
        let fixture = Fixture::of(name);
        let (model, adapter) = (fixture.path(""), fixture.path("adapter"));
        for (flags, greedy, logits) in [(&[][..], "greedy", "logits"), (&["--adapter", &adapter], "greedy_adapter", "logits_adapter")] {
            let generate = ["worker-gen", "generate", "--model", &model, "--max-new-tokens", "16", "--ignore-eos"];
            let written = lines(dir.path(), &[&generate, flags].concat(), &fixture.input());
            let want = fixture.reference[greedy].as_array().unwrap();
            for (id, (line, want)) in written.iter().zip(want).enumerate() {
                assert_eq!((&line["id"], &line["sample"], &line["tokens"]), (&json!(id), &json!(0), want), "{name} {greedy}");
                assert_eq!((&line["finish"], &line["text"]), (&json!("length"), &Value::Null), "it has no tokenizer");
                assert!(line["mean_logprob"].as_f64().unwrap() < 0.0);
            }
            assert_eq!(written.len(), want.len());

            let score = ["worker-gen", "score", "--logits", "--model", &model];
            let scored = lines(dir.path(), &[&score, flags].concat(), &fixture.input());
            // The token that greedy decoding drew first, behind each row: its log-probability follows from the reference's logits.
            let longer = fixture.rows().into_iter().zip(&written).enumerate().map(|(id, (mut row, line))| {
                row.push(line["tokens"][0].clone());
                json!({"id": id, "input_ids": row})
            });
            let longer = jsonl(longer);
            let continued = lines(dir.path(), &[&score[..2], &score[3..], flags].concat(), &longer);
            for (at, row) in fixture.rows().iter().enumerate() {
                let want = numbers(&fixture.reference[logits][at]);
                let far = farthest(&numbers(&scored[at]["last_logits"]), &want);
                assert!(far < 1e-4, "{name} {logits}: {far}");
                assert_eq!(scored[at]["logprobs"].as_array().unwrap().len(), row.len() - 1);
                assert!(continued[at].get("last_logits").is_none());
                let logprobs = numbers(&continued[at]["logprobs"]);
                let normaliser = want.iter().map(|x| x.exp()).sum::<f64>().ln();
                let first = want[written[at]["tokens"][0].as_u64().unwrap() as usize] - normaliser;
                assert!((logprobs[row.len() - 1] - first).abs() < 1e-4, "{name}: {logprobs:?} for {first}");
                assert!(farthest(&logprobs[..row.len() - 1], &numbers(&scored[at]["logprobs"])) < 1e-4);
            }
        }
    }
}

#[test]
fn a_fit_follows_the_reference_and_its_adapter_can_be_used() {
    for name in ARCHITECTURES {
        let (dir, fixture) = (folder(), Fixture::of(name));
        fixture.write_training(dir.path());
        let (model, init) = (fixture.path(""), fixture.path("adapter_init"));
        let fit =
            ["worker-train", "fit", "--model", &model, "--data", "data.jsonl", "--config", "train.toml", "--init-adapter", &init, "--out"];
        let steps = lines(dir.path(), &[&fit[..], &["one/adapter"]].concat(), "");
        let of = |field: &str| steps.iter().map(|step| step[field].as_f64().unwrap()).collect::<Vec<_>>();
        let train = &fixture.reference["train"];
        assert_eq!(of("step"), (1..=12).map(f64::from).collect::<Vec<_>>());
        assert!(farthest(&of("loss"), &numbers(&train["losses"])) < 1e-3, "{name}: {:?}", of("loss"));
        assert!(farthest(&of("grad_norm"), &numbers(&train["grad_norms"])) < 1e-2, "{name}: {:?}", of("grad_norm"));
        assert!(of("tokens_per_second").iter().chain(&of("peak_memory_mb")).all(|&number| number > 0.0));

        let score = ["worker-gen", "score", "--logits", "--model", &model, "--adapter", "one/adapter"];
        for (at, line) in lines(dir.path(), &score, &fixture.input()).iter().enumerate() {
            let far = farthest(&numbers(&line["last_logits"]), &numbers(&train["logits_after"][at]));
            assert!(far < 2e-3, "{name}: {far}");
        }
        lines(dir.path(), &[&fit[..], &["two"]].concat(), "");
        for file in ["adapter_config.json", "adapter_model.safetensors"] {
            let of = |folder: &str| fs::read(dir.path().join(folder).join(file)).unwrap();
            assert!(of("one/adapter") == of("two"), "{name}: the same run writes the same {file}");
        }
        let left: Vec<_> = fs::read_dir(dir.path().join("one")).unwrap().flatten().map(|entry| entry.file_name()).collect();
        assert_eq!(left, ["adapter"], "nothing half written is left");
    }
}

#[test]
fn an_adapter_of_another_base_is_refused() {
    let (dir, llama, qwen2) = (folder(), Fixture::of("llama"), Fixture::of("qwen2"));
    llama.write_training(dir.path());
    let fit = ["worker-train", "fit", "--data", "data.jsonl", "--config", "train.toml", "--model"];
    lines(dir.path(), &[&fit[..], &[&llama.path(""), "--out", "fitted"]].concat(), "");
    let theirs = qwen2.path("");
    let others = [
        run(dir.path(), &["worker-gen", "generate", "--model", &theirs, "--adapter", "fitted"], &qwen2.input()),
        run(dir.path(), &["worker-gen", "score", "--model", &theirs, "--adapter", "fitted"], &qwen2.input()),
        run(dir.path(), &[&fit[..], &[&theirs, "--init-adapter", "fitted", "--out", "other"]].concat(), ""),
    ];
    for output in others {
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{said}");
        assert!(said.contains("adapter was made for the base sha256:"), "{said}");
    }
    assert!(!dir.path().join("other").exists());
    // Those of peft name no base: shapes decide.
    let by_peft = |adapter: &str| {
        let adapter = Fixture::of(adapter).path("adapter");
        run(dir.path(), &["worker-gen", "score", "--model", &tiny_coder_path(), "--adapter", &adapter], "{\"id\": 1, \"input_ids\": [5]}")
    };
    assert!(by_peft("llama").status.success());
    let misfit = by_peft("qwen3");
    let said = String::from_utf8_lossy(&misfit.stderr);
    assert!(misfit.status.code() == Some(2) && said.contains("don't fit rank 4"), "{said}");
}

fn tiny_coder_path() -> String {
    tiny_coder().to_str().unwrap().to_owned()
}

#[test]
fn prompts_are_chats_and_samples_depend_on_their_line_alone() {
    let (dir, model) = (folder(), tiny_coder_path());
    let question = "Write a Python function `def sum_digits(n: int) -> int`.";
    let prompts: Vec<Value> = (0..5).map(|n| json!({"id": format!("p{n}"), "prompt": format!("{question} {n}"), "extra": n})).collect();
    let sampled = [
        "worker-gen",
        "generate",
        "--model",
        &model,
        "--samples",
        "3",
        "--temperature",
        "1.5",
        "--top-p",
        "0.95",
        "--max-new-tokens",
        "24",
    ];
    let all = lines(dir.path(), &sampled, &jsonl(prompts.clone()));
    let order: Vec<(String, i64)> =
        all.iter().map(|line| (line["id"].as_str().unwrap().into(), line["sample"].as_i64().unwrap())).collect();
    assert_eq!(order, (0..15).map(|at| (format!("p{}", at / 3), at % 3)).collect::<Vec<_>>());
    let tokens = |lines: &[Value]| lines.iter().map(|line| line["tokens"].clone()).collect::<Vec<_>>();
    assert!((0..5).any(|at| all[3 * at]["tokens"] != all[3 * at + 1]["tokens"]), "{all:?}");
    let drawn = |line: &Value| (line["id"].clone(), line["sample"].clone(), line["tokens"].clone(), line["text"].clone());
    let few = lines(dir.path(), &[&sampled[..], &["--batch", "2"]].concat(), &jsonl([prompts[3].clone(), prompts[1].clone()]));
    assert_eq!(few.iter().map(drawn).collect::<Vec<_>>(), all[9..12].iter().chain(&all[3..6]).map(drawn).collect::<Vec<_>>());
    let other = lines(dir.path(), &[&sampled[..], &["--seed", "1"]].concat(), &jsonl(prompts.clone()));
    assert_ne!(tokens(&other), tokens(&all));

    let chat = jsonl([json!({"id": 1, "prompt": question}), json!({"id": 2, "messages": [{"role": "user", "content": question}]})]);
    let greedy = lines(dir.path(), &["worker-gen", "generate", "--model", &model, "--max-new-tokens", "40"], &chat);
    assert_eq!(greedy[0]["tokens"], greedy[1]["tokens"]);
    assert!(!greedy[0]["text"].as_str().unwrap().is_empty());
    let scored = lines(dir.path(), &["worker-gen", "score", "--model", &model], "{\"id\": \"t\", \"text\": \"def f(n):\"}\n\n");
    assert!(numbers(&scored[0]["logprobs"]).iter().all(|&logprob| logprob < 0.0));
}

#[test]
fn a_fit_on_texts_teaches_what_they_say_and_when_to_stop() {
    let (dir, model) = (folder(), tiny_coder_path());
    let lesson = json!({"id": "s0", "prompt": "Say it.", "completion": "It."});
    fs::write(dir.path().join("sft.jsonl"), jsonl([lesson.clone(), lesson])).unwrap();
    fs::write(
        dir.path().join("train.toml"),
        "steps = 100\nlearning_rate = 5e-3\nbatch_tokens = 64\nschedule = \"cosine\"\nwarmup_steps = 2\n",
    )
    .unwrap();
    let fit = [
        "worker-train",
        "fit",
        "--model",
        &model,
        "--data",
        "sft.jsonl",
        "--held-out",
        "sft.jsonl",
        "--config",
        "train.toml",
        "--out",
        "a",
    ];
    let output = run(dir.path(), &fit, "");
    let said = String::from_utf8(output.stderr).unwrap();
    let summary: Value = serde_json::from_str(said.lines().last().unwrap()).unwrap();
    let held_out = |when: &str| summary["held_out_loss"][when].as_f64().unwrap();
    assert!(held_out("after") < 0.5 * held_out("before"), "{said}");
    assert_eq!((summary["steps"].as_u64(), said.lines().count()), (Some(100), 1), "no bar where stderr is no terminal: {said}");
    let input = "{\"id\": 7, \"prompt\": \"Say it.\"}";
    let written = lines(dir.path(), &["worker-gen", "generate", "--model", &model, "--adapter", "a"], input);
    assert_eq!((&written[0]["text"], &written[0]["finish"]), (&json!("It."), &json!("stop")));
    let loss = -written[0]["mean_logprob"].as_f64().unwrap();
    assert!(
        (held_out("after") - loss).abs() < 1e-3,
        "the loss is that of the tokens it now writes, the end token with them: {loss}, {said}"
    );
    let free =
        lines(dir.path(), &["worker-gen", "generate", "--model", &model, "--adapter", "a", "--ignore-eos", "--max-new-tokens", "9"], input);
    assert_eq!((free[0]["tokens"].as_array().unwrap().len(), &free[0]["finish"]), (9, &json!("length")));
}

/// A command that cannot work, its words with spaces between them: what it reads and what it says.
type Bad = (&'static str, &'static str, &'static [&'static str]);

const ONE: &str = "{\"id\": 1, \"prompt\": \"a\"}\n";

const BAD_LINES: [Bad; 12] = [
    (
        "worker-gen generate --model CODER",
        "{\"id\": 1, \"prompt\": \"a\"}\n{\"id\": 2, \"promt\": \"a\"}\n",
        &["stdin line 2", "`promt`", "give `prompt`"],
    ),
    ("worker-gen generate --model CODER", "{\"id\": 1, \"prompt\": 7}\n", &["stdin line 1: `prompt` = 7: use a text"]),
    ("worker-gen generate --model CODER", "{\"prompt\": \"a\"}\n", &["stdin line 1: `id` is missing"]),
    ("worker-gen generate --model CODER", "{\"id\": 1, \"prompt\"\n", &["stdin line 1: not JSON at column"]),
    ("worker-gen generate --model CODER", "\u{0}\n", &["stdin line 1: not JSON"]),
    (
        "worker-gen generate --model CODER",
        "{\"id\": 1, \"prompt\": \"a\"}\n{\"id\": 1, \"prompt\": \"b\"}\n",
        &["stdin line 2: `id` = 1: line 1 has it too"],
    ),
    (
        "worker-gen generate --model CODER",
        "{\"id\": 1, \"messages\": [{\"role\": \"robot\", \"content\": \"a\"}]}\n",
        &["line 1: `messages` = ", "use a list of"],
    ),
    ("worker-gen generate --model CODER --max-new-tokens 1020", ONE, &["stdin line 1: has ", "1020 new ones", "takes 1 to 1024"]),
    ("worker-gen score --model CODER", "{\"id\": 1, \"input_ids\": []}\n", &["stdin line 1: `input_ids` = []: use a list"]),
    ("worker-gen score --model CODER", "{\"id\": 1, \"input_ids\": [5, -1]}\n", &["stdin line 1: `input_ids` = [5,-1]"]),
    ("worker-gen score --model CODER", "{\"id\": 1, \"input_ids\": [512]}\n", &["line 1: `input_ids` = [512]: 512 is not in", "0 to 511"]),
    ("worker-gen score --model CODER", ONE, &["line 1: has `id`, `prompt`: give `input_ids` or `text`"]),
];

const BAD_COMMANDS: [Bad; 8] = [
    ("worker-gen generate --model CODER --top-p 1.5", ONE, &["--top-p", "1.5", "up to 1"]),
    ("worker-gen generate --model CODER --temperature -1", ONE, &["--temperature", "use 0 (greedy)"]),
    ("worker-gen generate --model CODER --samples 0", ONE, &["--samples", "0"]),
    ("worker-gen generate --model CODER --adapter nowhere", ONE, &["nowhere/adapter_config.json", "No such file"]),
    ("worker-gen generate --model nowhere", ONE, &["no model at `nowhere`", "org/name"]),
    ("worker-gen generate --model LLAMA", ONE, &["tokenizer.json", "No such file"]),
    ("worker-gen generate", ONE, &["--model"]),
    ("worker-train fit --model CODER --data good.jsonl", "", &["--out"]),
];

const BAD_FITS: [Bad; 11] = [
    (
        "worker-train fit --model CODER --out out --data bad.jsonl",
        "",
        &["bad.jsonl line 2: `completion` is missing", "bad.jsonl line 3: `prompt_length` = 2"],
    ),
    (
        "worker-train fit --model CODER --out out --data foreign.jsonl",
        "",
        &["foreign.jsonl line 1", "99999 is not in the model's vocabulary"],
    ),
    ("worker-train fit --model CODER --out out --data long.jsonl", "", &["long.jsonl line 1: has ", "shorten it"]),
    ("worker-train fit --model CODER --out out --data empty.jsonl", "", &["`empty.jsonl` has no example"]),
    ("worker-train fit --model CODER --out out --data nowhere.jsonl", "", &["read `nowhere.jsonl`", "No such file"]),
    (
        "worker-train fit --model CODER --out out --data good.jsonl --config rnak.toml",
        "",
        &["rnak.toml line 2: unknown key `rnak`; did you mean `rank`?"],
    ),
    ("worker-train fit --model CODER --out out --data good.jsonl --config both.toml", "", &["both.toml line 1: `steps` = 3", "not both"]),
    ("worker-train fit --model CODER --out out --data good.jsonl --config nowhere.toml", "", &["read `nowhere.toml`"]),
    ("worker-train fit --model CODER --out full --data good.jsonl", "", &["`full` is there already"]),
    ("worker-train fit --model CODER --out file/x --data good.jsonl", "", &["file/x", "write the adapter to"]),
    (
        "worker-train fit --model LLAMA --out out --data ids.jsonl --init-adapter LLAMA/adapter --config rank.toml",
        "",
        &["training goes on with", "rank: 8"],
    ),
];

#[test]
fn what_cannot_be_used_is_refused_with_its_line_and_its_fix() {
    let dir = folder();
    let put = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
    put("good.jsonl", "{\"prompt\": \"a\", \"completion\": \"b\"}\n");
    put("ids.jsonl", "{\"input_ids\": [1, 2, 3], \"prompt_length\": 2}\n");
    put("bad.jsonl", "{\"prompt\": \"a\", \"completion\": \"b\"}\n{\"prompt\": \"a\"}\n{\"input_ids\": [1, 2], \"prompt_length\": 2}\n");
    put("foreign.jsonl", "{\"input_ids\": [1, 2, 99999], \"prompt_length\": 2}\n");
    put("long.jsonl", &format!("{{\"prompt\": \"{}\", \"completion\": \"b\"}}\n", "word ".repeat(2000)));
    put("empty.jsonl", "\n");
    put("rnak.toml", "seed = 1\nrnak = 8\n");
    put("both.toml", "steps = 3\nepochs = 1\n");
    put("rank.toml", "rank = 8\n");
    put("file", "");
    fs::create_dir(dir.path().join("full")).unwrap();
    put("full/file", "");
    let llama = Fixture::of("llama").path("");
    let models = |word: &str| word.replace("CODER", &tiny_coder_path()).replace("LLAMA/", &llama).replace("LLAMA", &llama);
    for (command, stdin, says) in BAD_LINES.iter().chain(&BAD_COMMANDS).chain(&BAD_FITS) {
        let words: Vec<String> = command.split(' ').map(models).collect();
        let output = run(dir.path(), &words.iter().map(String::as_str).collect::<Vec<_>>(), stdin);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0), "{command}: {said}");
        assert!(says.iter().all(|part| said.contains(part)), "{command} says:\n{said}\nand not {says:?}");
        assert!(!said.contains("panicked") && said.lines().count() <= 8, "{command}: not one clear message:\n{said}");
        assert!(!dir.path().join("out").exists(), "{command}");
    }
}

#[test]
fn an_input_without_lines_has_an_output_without_lines() {
    let (dir, model) = (folder(), tiny_coder_path());
    assert_eq!(lines(dir.path(), &["worker-gen", "generate", "--model", &model], "\n"), [Value::Null; 0]);
    assert_eq!(lines(dir.path(), &["worker-gen", "score", "--model", &model], ""), [Value::Null; 0]);
}

#[test]
fn signals_and_a_closed_output_end_in_order() {
    let (dir, model) = (folder(), tiny_coder_path());
    fs::write(dir.path().join("sft.jsonl"), "{\"prompt\": \"a\", \"completion\": \"b\"}\n").unwrap();
    fs::write(dir.path().join("train.toml"), "steps = 1000000\nbatch_size = 1\n").unwrap();
    let fit = ["worker-train", "fit", "--model", &model, "--data", "sft.jsonl", "--config", "train.toml", "--out", "new/adapter"];
    let prompts = jsonl((0..200).map(|id| json!({"id": id, "prompt": "a"})));
    let generate = ["worker-gen", "generate", "--model", &model, "--batch", "1", "--ignore-eos", "--max-new-tokens", "900"];
    for (command, signal) in [(&fit[..], Signal::SIGTERM), (&generate, Signal::SIGINT)] {
        let mut child = start(dir.path(), command, &prompts);
        // Kept open: the process is to end by the signal.
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        assert!(serde_json::from_str::<Value>(&line).is_ok(), "{line}");
        kill(Pid::from_raw(child.id() as i32), signal).unwrap();
        let mut rest = String::new();
        output.read_to_string(&mut rest).unwrap();
        let ended = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert_eq!(ended.status.code(), Some(130), "{command:?}: {said}");
        assert!(said.contains("interrupted") && rest.is_empty() | rest.ends_with('\n'), "{said}");
    }
    assert_eq!(fs::read_dir(dir.path().join("new")).unwrap().count(), 0, "an interrupted fit leaves nothing");

    let mut child = start(dir.path(), &generate, &prompts);
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let ended = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.code() == Some(1) && said.contains("write to stdout") && !said.contains("panicked"), "{:?}: {said}", ended.status);
}

#[test]
fn help_shows_an_example_and_the_exit_codes() {
    for command in [["worker-gen", "generate"], ["worker-gen", "score"], ["worker-train", "fit"]] {
        let output = run(Path::new("/"), &[command[0], command[1], "--help"], "");
        let said = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && said.contains("Example:\n") && said.contains("Exit codes:\n  0  done"), "{said}");
    }
}
