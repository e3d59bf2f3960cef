//! `generate` and `score` from end to end: the built program on a tiny model.

#![expect(clippy::unwrap_used, reason = "a test's helpers may fail the test")]

use std::{
    io::Write,
    path::Path,
    process::{Command, Output, Stdio},
};

use serde_json::{Value, json};

fn tiny() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    groklab_model::testing::write_tiny_model(folder.path(), 1).unwrap();
    folder
}

fn run(model: &Path, command: &str, arguments: &[&str], input: &str) -> Output {
    run_bytes(model, command, arguments, input.as_bytes())
}

fn run_bytes(model: &Path, command: &str, arguments: &[&str], input: &[u8]) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_worker-gen"));
    program
        .arg(command)
        .arg("--model")
        .arg(model)
        .args(arguments);
    let mut child = program
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    child.wait_with_output().unwrap()
}

fn lines(bytes: &[u8]) -> Vec<Value> {
    String::from_utf8(bytes.to_vec())
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn prompts(count: usize) -> String {
    (0..count)
        .map(|n| {
            format!(
                "{}\n",
                json!({"id": format!("p{n}"), "prompt": format!("say {}", "na ".repeat(n % 5))})
            )
        })
        .collect()
}

#[test]
fn prompts_become_completions_in_their_order() {
    let model = tiny();
    let arguments = [
        "--samples",
        "3",
        "--temperature",
        "1",
        "--max-new-tokens",
        "9",
        "--ignore-eos",
        "--seed",
        "5",
    ];
    let done = run(model.path(), "generate", &arguments, &prompts(20));
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
    let written = lines(&done.stdout);
    assert_eq!(written.len(), 60);
    for (at, line) in written.iter().enumerate() {
        assert_eq!(
            (&line["id"], &line["sample"]),
            (&json!(format!("p{}", at / 3)), &json!(at % 3))
        );
        assert_eq!(
            (&line["tokens"], &line["finish"]),
            (&json!(9), &json!("length"))
        );
        assert!(line["mean_logprob"].as_f64().unwrap() < 0.0 && line["text"].is_string());
    }
    assert_ne!(
        written[0]["token_ids"], written[1]["token_ids"],
        "samples differ"
    );
    let summary = lines(&done.stderr);
    assert_eq!((summary.len(), &summary[0]["tokens"]), (1, &json!(540)));
    assert!(summary[0]["tokens_per_second"].as_f64().unwrap() > 0.0);

    assert_eq!(
        run(model.path(), "generate", &arguments, &prompts(20)).stdout,
        done.stdout,
        "a run repeats"
    );
    let other = [&arguments[..8], &["6"]].concat();
    assert_ne!(
        run(model.path(), "generate", &other, &prompts(20)).stdout,
        done.stdout,
        "the seed counts"
    );
    for more in [["--threads", "1"].as_slice(), &["--no-prefix-sharing"]] {
        let again = run(
            model.path(),
            "generate",
            &[&arguments[..], more].concat(),
            &prompts(20),
        );
        let ids = |output: &Output| {
            lines(&output.stdout)
                .into_iter()
                .map(|line| line["token_ids"].clone())
                .collect::<Vec<_>>()
        };
        assert_eq!(ids(&again), ids(&done), "{more:?}");
    }
}

#[test]
fn a_prompt_is_a_conversation_of_one_message() {
    let model = tiny();
    let input = "{\"id\": 1, \"prompt\": \"hello\"}\n{\"id\": 2, \"messages\": [{\"role\": \"user\", \"content\": \"hello\"}]}\n\
                 {\"id\": 3, \"messages\": [{\"role\": \"system\", \"content\": \"<|im_end|>\"}, {\"role\": \"user\", \"content\": \"hello\"}]}\n";
    let written = lines(
        &run(
            model.path(),
            "generate",
            &["--max-new-tokens", "12", "--ignore-eos"],
            input,
        )
        .stdout,
    );
    assert_eq!(written[0]["token_ids"], written[1]["token_ids"]);
    assert_ne!(written[0]["token_ids"], written[2]["token_ids"]);
}

#[test]
fn a_prompt_may_be_ids_and_greedy_tokens_are_the_likeliest() {
    let model = tiny();
    let tokenizer = groklab_model::load_tokenizer(
        model.path().to_str().unwrap(),
        Path::new("/nonexistent"),
        &Default::default(),
    )
    .unwrap();
    let ids = tokenizer.encode_prompt("hello").unwrap();
    let input = format!(
        "{}\n{}\n",
        json!({"id": 1, "prompt": "hello"}),
        json!({"id": 2, "input_ids": ids})
    );
    let arguments = ["--max-new-tokens", "12", "--ignore-eos"];
    let written = lines(&run(model.path(), "generate", &arguments, &input).stdout);
    assert_eq!(written[0]["token_ids"], written[1]["token_ids"]);

    let own: Vec<i64> = serde_json::from_value(written[1]["token_ids"].clone()).unwrap();
    let whole = [&ids[..], &own[..]].concat();
    let input = json!({"id": 1, "input_ids": whole}).to_string();
    let scored = lines(&run(model.path(), "score", &["--best"], &input).stdout);
    let of = |name: &str| -> Vec<f64> { serde_json::from_value(scored[0][name].clone()).unwrap() };
    let (chosen, best) = (of("logprobs"), of("best_logprobs"));
    assert_eq!((chosen.len(), best.len()), (ids.len() + 11, ids.len() + 11));
    let behind_prompt = ids.len() - 1;
    assert_eq!(chosen[behind_prompt..], best[behind_prompt..]);
    let places = chosen.iter().zip(&best);
    assert!(places.clone().all(|(chosen, best)| chosen <= best));
    assert!(
        places
            .take(behind_prompt)
            .any(|(chosen, best)| chosen < best)
    );
    assert!(
        lines(&run(model.path(), "score", &[], &input).stdout)[0]
            .get("best_logprobs")
            .is_none()
    );
    let both = "{\"id\": 1, \"prompt\": \"a\", \"input_ids\": [5]}\n";
    let refused = run(model.path(), "generate", &[], both);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(
        refused.status.code() == Some(2) && said.contains("exactly one of `prompt`"),
        "{said}"
    );
}

#[test]
fn texts_and_ids_are_scored_alike() {
    let model = tiny();
    // A byte-level tokenizer without merges: four special tokens, then the bytes.
    let input =
        "{\"id\": \"a\", \"text\": \"abc\"}\n{\"id\": \"b\", \"input_ids\": [101, 102, 103]}\n";
    let done = run(model.path(), "score", &["--logits"], input);
    let scored = lines(&done.stdout);
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
    let logprobs = |line: &Value| {
        line["logprobs"]
            .as_array()
            .unwrap()
            .iter()
            .map(|v| v.as_f64().unwrap())
            .collect::<Vec<_>>()
    };
    // The products of a pass are libtorch's, which rounds a row by its place.
    assert!(
        logprobs(&scored[0])
            .iter()
            .zip(logprobs(&scored[1]))
            .all(|(a, b)| (a - b).abs() < 1e-5),
        "{scored:?}"
    );
    assert_eq!(
        (
            scored[0]["logprobs"].as_array().unwrap().len(),
            scored[0]["last_logits"].as_array().unwrap().len()
        ),
        (2, 260)
    );
    assert!(
        lines(&run(model.path(), "score", &[], input).stdout)[0]
            .get("last_logits")
            .is_none()
    );
}

#[test]
fn ids_need_no_tokenizer() {
    let model = tiny();
    std::fs::remove_file(model.path().join("tokenizer.json")).unwrap();
    let done = run(
        model.path(),
        "score",
        &[],
        "{\"id\": 1, \"input_ids\": [101, 102, 103]}\n",
    );
    assert!(
        done.status.success() && lines(&done.stdout).len() == 1,
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
    let done = run(
        model.path(),
        "score",
        &[],
        "{\"id\": 1, \"text\": \"abc\"}\n",
    );
    assert!(
        done.status.code() == Some(1)
            && String::from_utf8_lossy(&done.stderr).contains("tokenizer.json")
    );
}

#[test]
fn a_prompt_is_put_as_the_command_line_says() {
    let model = tiny();
    std::fs::write(
        model.path().join("own.jinja"),
        "{{ messages[-1].content }}{% if loud %}!{% endif %}",
    )
    .unwrap();
    let own = model.path().join("own.jinja");
    let write = |more: &[&str]| {
        let done = run(
            model.path(),
            "generate",
            &[&["--max-new-tokens", "12", "--ignore-eos"], more].concat(),
            &prompts(1),
        );
        (
            done.status.code(),
            lines(&done.stdout)
                .first()
                .map(|line| line["token_ids"].clone()),
            String::from_utf8_lossy(&done.stderr).into_owned(),
        )
    };
    let template = ["--chat-template", own.to_str().unwrap()];
    let all = [
        write(&[]),
        write(&["--system", "be brief"]),
        write(&template),
        write(&[&template[..], &["--chat", "loud=true"]].concat()),
    ];
    for (at, (code, ids, message)) in all.iter().enumerate() {
        assert_eq!(*code, Some(0), "{message}");
        assert!(all[..at].iter().all(|(_, other, _)| other != ids), "{at}");
    }
    let (code, _, message) = write(&["--chat", "loud=true"]);
    assert!(
        code == Some(2) && message.contains("`model.chat.loud`"),
        "{message}"
    );
    let (code, _, message) = write(&["--chat", "loud"]);
    assert!(
        code == Some(2) && message.contains("KEY=VALUE"),
        "{message}"
    );
}

#[test]
fn a_prompt_whose_logits_are_not_numbers_is_named() {
    let model = tiny();
    let path = model.path().join("model.safetensors");
    let mut weights = std::fs::read(&path).unwrap();
    let last = weights.len() - 4;
    weights[last..].copy_from_slice(&f32::NAN.to_le_bytes());
    std::fs::write(&path, weights).unwrap();
    let done = run(model.path(), "generate", &["--samples", "2"], &prompts(2));
    let message = String::from_utf8(done.stderr).unwrap();
    assert!(
        done.status.code() == Some(1) && done.stdout.is_empty(),
        "{message}"
    );
    assert!(
        message.contains("prompt \"p0\"") && message.contains("not finite"),
        "{message}"
    );
}

#[test]
fn what_is_wrong_is_named_and_has_its_exit_code() {
    let model = tiny();
    let failed = |model: &Path, command: &str, arguments: &[&str], input: &str| {
        let done = run(model, command, arguments, input);
        assert!(done.stdout.is_empty());
        (
            done.status.code().unwrap(),
            String::from_utf8(done.stderr).unwrap(),
        )
    };
    let good = prompts(2);
    let (code, message) = failed(
        model.path(),
        "generate",
        &[],
        &format!("{good}{{\"id\": 1, \"prompt\": \"a\", \"messages\": []}}\n"),
    );
    assert!(
        code == 2 && message.contains("line 3") && message.contains("`messages`"),
        "{message}"
    );
    let (code, message) = failed(
        model.path(),
        "generate",
        &[],
        "{\"id\": 1, \"promt\": \"a\"}\n",
    );
    assert!(
        code == 2 && message.contains("line 1") && message.contains("promt"),
        "{message}"
    );
    let (code, message) = failed(
        model.path(),
        "score",
        &[],
        "{\"id\": 1, \"input_ids\": [9999]}\n",
    );
    assert!(
        code == 2 && message.contains("text 1: ") && message.contains("9999"),
        "{message}"
    );
    let (code, message) = failed(
        model.path(),
        "score",
        &[],
        "{\"id\": \"a\", \"text\": \"x\"}\n{\"id\": \"b\", \"text\": \"\"}\n",
    );
    assert!(
        code == 2 && message.contains("text \"b\": it has no tokens"),
        "{message}"
    );
    let (code, message) = failed(
        model.path(),
        "generate",
        &[],
        "{\"id\": 1, \"messages\": []}\n",
    );
    assert!(
        code == 2 && message.contains("line 1: `messages` is empty"),
        "{message}"
    );
    let (code, message) = failed(model.path(), "generate", &["--temperature", "-1"], &good);
    assert!(code == 2 && message.contains("temperature -1"), "{message}");
    let (code, message) = failed(model.path(), "generate", &["--device", "gpu"], &good);
    assert!(
        code == 2 && message.contains("auto, cpu, cuda, cuda:N"),
        "{message}"
    );
    let (code, message) = failed(model.path(), "generate", &["--device", "cuda:4000"], &good);
    assert!(
        code == 1 && message.contains("no CUDA device 4000"),
        "{message}"
    );
    let long = format!(
        "{good}{{\"id\": \"long\", \"prompt\": \"{}\"}}\n",
        "na ".repeat(3000)
    );
    let (code, message) = failed(model.path(), "generate", &["--samples", "3"], &long);
    assert!(
        code == 2 && message.contains("prompt \"long\": ") && message.contains("at most"),
        "{message}"
    );
    let (code, message) = failed(
        model.path(),
        "generate",
        &["--max-new-tokens", "99999"],
        &good,
    );
    assert!(code == 2 && message.contains("99999"), "{message}");
    assert_eq!(
        failed(model.path(), "generate", &["--samples", "0"], &good).0,
        2
    );
    let (code, message) = failed(Path::new("/no/such/model"), "generate", &[], &good);
    assert!(code == 1 && message.contains("/no/such/model"), "{message}");
    let (code, message) = failed(
        model.path(),
        "generate",
        &["--adapter", "/no/adapter"],
        &good,
    );
    assert!(code == 1 && message.contains("/no/adapter"), "{message}");
}

#[test]
fn a_line_that_is_not_utf8_is_named() {
    let model = tiny();
    for (command, line) in [
        ("generate", &b"{\"id\": 2, \"prompt\": \"\xff\"}\n"[..]),
        ("score", b"{\"id\": 2, \"text\": \"\xff\"}\n"),
    ] {
        let good = if command == "score" {
            "{\"id\": 1, \"text\": \"a\"}\n"
        } else {
            "{\"id\": 1, \"prompt\": \"a\"}\n"
        };
        let done = run_bytes(
            model.path(),
            command,
            &[],
            &[good.as_bytes(), line].concat(),
        );
        let message = String::from_utf8(done.stderr).unwrap();
        assert!(
            done.status.code() == Some(2) && message.contains("line 2: not UTF-8"),
            "{message}"
        );
    }
}

/// The program with its standard output sent to `output`, in the words of a shell, and one line of input.
fn sent_to(output: &str, model: &Path, arguments: &[&str]) -> Output {
    let mut shell = Command::new("sh");
    let script = format!("printf '%s\\n' \"$LINE\" | \"$0\" \"$@\" {output}");
    let field = if arguments[0] == "score" {
        "text"
    } else {
        "prompt"
    };
    shell.env("LINE", json!({"id": 1, field: "a"}).to_string());
    shell
        .args(["-c", &script, env!("CARGO_BIN_EXE_worker-gen")])
        .args(arguments);
    if !arguments[0].starts_with("--") {
        shell.arg("--model").arg(model);
    }
    shell.output().unwrap()
}

#[test]
fn what_cannot_be_written_is_an_error() {
    let model = tiny();
    for arguments in [
        &["generate", "--max-new-tokens", "3"][..],
        &["score"],
        &["--help"],
        &["--version"],
    ] {
        for (output, why) in [
            (">/dev/full", "No space left on device"),
            (">&-", "standard output is closed"),
        ] {
            let done = sent_to(output, model.path(), arguments);
            let said = String::from_utf8_lossy(&done.stderr);
            assert!(
                done.status.code() == Some(1) && said.contains(why),
                "{arguments:?} {output}: {said}"
            );
        }
        assert_eq!(
            sent_to("", model.path(), arguments).status.code(),
            Some(0),
            "{arguments:?}"
        );
    }
}

#[test]
fn a_reader_who_has_seen_enough_is_no_error() {
    let model = tiny();
    let mut command = Command::new(env!("CARGO_BIN_EXE_worker-gen"));
    command
        .args(["generate", "--max-new-tokens", "3", "--model"])
        .arg(model.path());
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(writer)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(prompts(3).as_bytes())
        .unwrap();
    let done = child.wait_with_output().unwrap();
    assert_eq!(
        (
            done.status.code(),
            String::from_utf8_lossy(&done.stderr).as_ref()
        ),
        (Some(0), "")
    );
}

#[test]
fn the_doctor_says_what_there_is_to_compute_with() {
    let doctor = |arguments: &[&str]| {
        let mut program = Command::new(env!("CARGO_BIN_EXE_worker-gen"));
        program.arg("doctor").args(arguments).output().unwrap()
    };
    let good = doctor(&["--device", "cpu"]);
    let report = String::from_utf8(good.stdout).unwrap();
    assert!(good.status.success(), "{report}");
    for line in [
        "ok    libtorch",
        "ok    device",
        "ok    product",
        "ok    attention",
    ] {
        assert!(report.contains(line), "{line}: {report}");
    }
    let bad = doctor(&["--device", "cuda:4000"]);
    let report = String::from_utf8(bad.stdout).unwrap();
    assert_eq!(bad.status.code(), Some(1));
    assert!(report.contains("FAIL  device"), "{report}");
}

#[test]
fn the_kind_of_numbers_is_a_choice() {
    let model = tiny();
    let input = format!("{}\n", json!({"id": 1, "input_ids": [5, 6, 7, 8]}));
    let of = |kind: &str| {
        let arguments = ["--device", "cpu", "--kind", kind, "--logits"];
        let scored = run(model.path(), "score", &arguments, &input);
        assert!(scored.status.success());
        let device = lines(&scored.stderr)[0]["device"].to_string();
        assert!(device.contains(kind), "{device}");
        lines(&scored.stdout)[0]["logprobs"][0].as_f64().unwrap()
    };
    let (exact, rounded) = (of("float32"), of("bfloat16"));
    assert!(exact != rounded && (exact - rounded).abs() < 0.1);
}
