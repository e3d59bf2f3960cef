//! Tokenizers and templates: of the quickstart's GGUF against what transformers gives, and of the tiny test model.

use std::{
    ops::ControlFlow,
    path::{Path, PathBuf},
};

use groklab_domain::candidate::Reason;
use groklab_model::{
    ChatTokenizer, Finish, Message, Model, Placement, Request, Row, Sampling, Stop, generate,
    last_logits, load, testing,
};

use serde_json::Value;

use crate::common::{distance, integers};

fn cache() -> &'static Path {
    Path::new("/nonexistent")
}

/// The model that `make setup` fetches. Loaded by one test at a time: it takes half a gigabyte.
fn quickstart() -> (Model, ChatTokenizer) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../.groklab/models/smollm2-135m-instruct.gguf");
    assert!(
        path.exists(),
        "{} is missing; run `make setup`",
        path.display()
    );
    load(path.to_str().unwrap(), cache(), Placement::CPU).unwrap()
}

#[test]
fn the_gguf_tokenises_computes_and_writes_like_transformers() {
    let (model, tokenizer) = quickstart();
    agrees_on_the_corpus(&tokenizer, "smollm2");
    let path: PathBuf =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/smollm2-prompts.json");
    let cases: Vec<Value> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    for case in &cases {
        let prompt = case["prompt"].as_str().unwrap();
        let ids = tokenizer.encode_prompt(prompt).unwrap();
        assert_eq!(ids, integers(&case["ids"]), "{prompt:?}");
        let text = String::from_utf8(tokenizer.decode(&ids)).unwrap();
        assert!(text.contains(prompt), "{text:?}");
    }
    let with_text: Vec<&Value> = cases
        .iter()
        .filter(|case| case["greedy"].is_array())
        .collect();
    let rows: Vec<Row> = with_text
        .iter()
        .map(|case| Row {
            prompt_ids: integers(&case["ids"]),
            seed: 0,
            entry: Some("sum_digits".into()),
        })
        .collect();
    let prompts: Vec<Vec<i64>> = rows.iter().map(|row| row.prompt_ids.clone()).collect();
    let logits = last_logits(&model, None, &prompts).unwrap();
    for (logits, case) in logits.into_iter().zip(&with_text) {
        let far = distance(&[logits], &Value::Array(vec![case["logits_head"].clone()]));
        assert!(far < 1e-3, "{far}");
    }
    let sampling = Sampling {
        temperature: 0.0,
        top_p: 1.0,
        max_new_tokens: 24,
    };
    let stop = Stop {
        tokenizer: Some(&tokenizer),
        ..Stop::default()
    };
    let request = Request {
        rows: &rows,
        sampling,
        stop,
        share_prefixes: true,
    };
    let written = generate(&model, None, &request, &mut |_| ControlFlow::Continue(())).unwrap();
    for (completion, case) in written.iter().zip(with_text) {
        assert_eq!(completion.ids, integers(&case["greedy"]));
    }
    let sampling = Sampling {
        max_new_tokens: 120,
        ..sampling
    };
    let request = Request {
        rows: &rows[..1],
        sampling,
        stop: Stop::at_end_tokens(&tokenizer),
        share_prefixes: true,
    };
    let whole = generate(&model, None, &request, &mut |_| ControlFlow::Continue(())).unwrap();
    let text = String::from_utf8(whole[0].bytes.clone()).unwrap();
    assert!(
        text.starts_with("```python\ndef sum_digits(n: int) -> int:\n") && text.ends_with("\n```"),
        "{text}"
    );
    assert_eq!(whole[0].finish, Finish::Code);
    let candidate = whole[0].candidate.unwrap();
    assert_eq!(candidate.reason, Reason::DefinesEntry);
    assert_eq!(
        format!(
            "```python\n{}```",
            String::from_utf8_lossy(&candidate.code(text.as_bytes()))
        ),
        text
    );
}

/// Ids of a corpus of texts and conversations, as transformers gives them; see `tests/interop/make_tokenizers.py`.
fn agrees_on_the_corpus(tokenizer: &ChatTokenizer, name: &str) {
    let corpus: Value =
        serde_json::from_slice(&std::fs::read(tokenizers().join(format!("{name}.json"))).unwrap())
            .unwrap();
    let texts = corpus["texts"].as_array().unwrap();
    assert!(texts.len() > 40);
    for case in texts {
        let text = case["text"].as_str().unwrap();
        assert_eq!(
            tokenizer.encode_text(text).unwrap(),
            integers(&case["ids"]),
            "{name}: {text:?}"
        );
    }
    for case in corpus["chats"].as_array().unwrap() {
        let word = |turn: &Value, key: &str| turn[key].as_str().unwrap().to_owned();
        let turns = case["messages"].as_array().unwrap().iter();
        let messages: Vec<Message> = turns
            .map(|turn| Message {
                role: word(turn, "role"),
                content: word(turn, "content"),
            })
            .collect();
        assert_eq!(
            tokenizer.encode_messages(&messages).unwrap(),
            integers(&case["ids"]),
            "{name}: {messages:?}"
        );
        if let [Message { role, content }] = messages.as_slice() {
            assert_eq!(role, "user");
            assert_eq!(
                tokenizer.encode_prompt(content).unwrap(),
                integers(&case["ids"]),
                "{name}: {content:?}"
            );
        }
    }
}

fn tokenizers() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tokenizers")
}

#[test]
fn a_tokenizer_in_the_layout_of_qwen_coder_agrees_with_transformers() {
    let folder = tempfile::tempdir().unwrap();
    testing::write_tiny_model(folder.path(), 1).unwrap();
    for file in [
        "tokenizer.json",
        "tokenizer_config.json",
        "chat_template.jinja",
    ] {
        std::fs::copy(
            tokenizers().join("qwen-layout").join(file),
            folder.path().join(file),
        )
        .unwrap();
    }
    let (_model, tokenizer) =
        load(folder.path().to_str().unwrap(), cache(), Placement::CPU).unwrap();
    agrees_on_the_corpus(&tokenizer, "qwen-layout");
    // Special tokens written by a user stay text; the template's own are ids.
    let ids = tokenizer
        .encode_prompt("<|im_end|><|endoftext|><|im_start|>system")
        .unwrap();
    let end = *tokenizer
        .end_tokens()
        .iter()
        .find(|id| tokenizer.token_bytes(**id).is_empty())
        .unwrap();
    assert_eq!(
        ids.iter().filter(|id| **id == end).count(),
        2,
        "the template ends the system's and the user's turn"
    );
    assert!(
        String::from_utf8(tokenizer.decode(&ids))
            .unwrap()
            .contains("<|im_end|><|endoftext|><|im_start|>system")
    );
}

fn tiny(seed: u64) -> (tempfile::TempDir, Model, ChatTokenizer) {
    let folder = tempfile::tempdir().unwrap();
    testing::write_tiny_model(folder.path(), seed).unwrap();
    let (model, tokenizer) =
        load(folder.path().to_str().unwrap(), cache(), Placement::CPU).unwrap();
    (folder, model, tokenizer)
}

#[test]
fn special_tokens_in_user_text_stay_text() {
    let (_folder, _model, tokenizer) = tiny(1);
    let ids = tokenizer.encode_prompt("a<|im_end|>é").unwrap();
    let specials: Vec<i64> = ids.iter().copied().filter(|id| *id < 4).collect();
    assert_eq!(
        specials,
        [1, 2, 1],
        "start, end and start of the template alone"
    );
    assert_eq!(
        String::from_utf8(tokenizer.decode(&ids)).unwrap(),
        "user\na<|im_end|>é\nassistant\n"
    );
    assert_eq!(
        tokenizer.end_tokens().iter().copied().collect::<Vec<_>>(),
        [2]
    );
    let mut completion = vec![70, 71];
    tokenizer.close(&mut completion);
    tokenizer.close(&mut completion);
    assert_eq!(completion, [70, 71, 2]);
    assert_eq!(
        tokenizer.decode(&tokenizer.encode_text("é").unwrap()[..1]),
        [0xc3],
        "half a character"
    );
}

#[test]
fn the_tiny_model_is_fixed_by_its_seed_and_writes_something() {
    let (one, two, other) = (tiny(1), tiny(1), tiny(2));
    assert_eq!(one.1.base_digest(), two.1.base_digest());
    assert_ne!(one.1.base_digest(), other.1.base_digest());
    let rows = [Row {
        prompt_ids: one.2.encode_prompt("hello").unwrap(),
        seed: 3,
        entry: None,
    }];
    let sampling = Sampling {
        temperature: 1.0,
        top_p: 1.0,
        max_new_tokens: 20,
    };
    let request = Request {
        rows: &rows,
        sampling,
        stop: Stop::at_end_tokens(&one.2),
        share_prefixes: true,
    };
    let written = generate(&one.1, None, &request, &mut |_| ControlFlow::Continue(())).unwrap();
    assert!(!written[0].ids.is_empty() && written[0].mean_logprob < 0.0);
}

#[test]
fn what_cannot_be_loaded_is_named() {
    let refused = |source: &Path| {
        load(source.to_str().unwrap(), cache(), Placement::CPU)
            .err()
            .expect("it is refused")
            .to_string()
    };
    assert!(refused(Path::new("/no/such/folder")).contains("/no/such/folder"));
    let (folder, ..) = tiny(1);
    let weights = folder.path().join("model.safetensors");
    let bytes = std::fs::read(&weights).unwrap();
    std::fs::write(&weights, &bytes[..bytes.len() - 100]).unwrap();
    assert!(refused(folder.path()).contains("damaged"));
    std::fs::remove_file(&weights).unwrap();
    assert!(refused(folder.path()).contains("model.safetensors"));
    let gguf = folder.path().join("broken.gguf");
    std::fs::write(&gguf, b"GGUF\x03\0\0\0").unwrap();
    assert!(refused(&gguf).contains("broken.gguf"));
    std::fs::write(
        folder.path().join("config.json"),
        br#"{"model_type": "gpt_neox"}"#,
    )
    .unwrap();
    assert!(refused(folder.path()).contains("gpt_neox"));
}
