//! What the same model looks like in other files, and what a tokenizer may add: places where other programs have gone wrong.

use std::path::Path;

use crate::{
    common::{distance, fixture, models},
    gguf::{Meta, write_gguf},
};
use groklab_model::{ChatTokenizer, Message, Model, Placement, last_logits, load, testing};
use serde_json::{Value, json};

#[test]
fn a_gguf_of_every_architecture_is_the_same_model() {
    for name in models() {
        let fixture = fixture(&name);
        let path = write_gguf(&fixture.folder, Vec::new());
        let opened = Model::open(
            path.to_str().unwrap(),
            Path::new("/nonexistent"),
            Placement::CPU,
        );
        let model = opened.unwrap();
        let rows = fixture.rows();
        let of_folder = last_logits(&fixture.model, None, &rows).unwrap();
        let of_gguf = last_logits(&model, None, &rows).unwrap();
        // Frequencies that are divided by stored factors are rounded once more.
        let allowed = if name == "llama3-rope" { 1e-4 } else { 0.0 };
        let far = distance(&of_gguf, &json!(of_folder));
        assert!(far <= allowed, "{name}: {far}");
    }
}

#[test]
fn a_factor_without_a_type_scales_linearly() {
    let fixture = fixture("tiny-llama");
    let scaled = |entries: &[(&str, Meta)]| {
        let entry = |(key, value): &(&str, Meta)| (format!("llama.{key}"), value.clone());
        let path = write_gguf(&fixture.folder, entries.iter().map(entry).collect());
        let path = path.to_str().unwrap();
        let model = Model::open(path, Path::new("/nonexistent"), Placement::CPU).unwrap();
        last_logits(&model, None, &fixture.rows()).unwrap()
    };
    let factor = Meta::Float(4.0);
    let linear = scaled(&[
        ("rope.scaling.type", Meta::Text("linear".into())),
        ("rope.scaling.factor", factor.clone()),
    ]);
    assert_eq!(linear, scaled(&[("rope.scaling.factor", factor.clone())]));
    assert_eq!(linear, scaled(&[("rope.scale_linear", factor.clone())]));
    let off = [
        ("rope.scaling.type", Meta::Text("none".into())),
        ("rope.scaling.factor", factor),
    ];
    assert_eq!(scaled(&off), scaled(&[]));
    assert_ne!(linear, scaled(&[]));
}

#[test]
fn a_gguf_with_scaled_positions_or_a_window_is_refused_by_name() {
    let folder = fixture("tiny-qwen2").folder;
    for (key, value, named) in [
        (
            "qwen2.rope.scaling.type",
            Meta::Text("yarn".into()),
            "rope scaling `yarn`",
        ),
        (
            "qwen2.attention.sliding_window",
            Meta::Integer(64),
            "sliding window `64`",
        ),
    ] {
        let path = write_gguf(&folder, vec![(key.to_owned(), value)]);
        let error = Model::open(
            path.to_str().unwrap(),
            Path::new("/nonexistent"),
            Placement::CPU,
        )
        .err()
        .unwrap()
        .to_string();
        assert!(error.contains(named), "{error}");
    }
}

/// The tiny model's folder, with `change` done to its tokenizer, its tokenizer's configuration and whatever else.
pub fn tiny(change: impl Fn(&Path, &mut Value, &mut Value)) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    testing::write_tiny_model(folder.path(), 1).unwrap();
    let read = |name: &str| {
        serde_json::from_slice::<Value>(&std::fs::read(folder.path().join(name)).unwrap()).unwrap()
    };
    let (mut tokenizer, mut config) = (read("tokenizer.json"), read("tokenizer_config.json"));
    change(folder.path(), &mut tokenizer, &mut config);
    std::fs::write(folder.path().join("tokenizer.json"), tokenizer.to_string()).unwrap();
    std::fs::write(
        folder.path().join("tokenizer_config.json"),
        config.to_string(),
    )
    .unwrap();
    folder
}

pub fn tokenizer(source: &Path) -> groklab_model::Result<ChatTokenizer> {
    load(
        source.to_str().unwrap(),
        Path::new("/nonexistent"),
        Placement::CPU,
    )
    .map(|(_, tokenizer)| tokenizer)
}

pub fn user(content: &str) -> Vec<Message> {
    vec![Message {
        role: "user".into(),
        content: content.into(),
    }]
}

/// The metadata of a GGUF with the tokenizer of `folder`, which is [`testing`]'s.
pub fn tokenizer_metadata(folder: &Path, pre: &str) -> Vec<(String, Meta)> {
    let read = |name: &str| -> Value {
        serde_json::from_slice(&std::fs::read(folder.join(name)).unwrap()).unwrap()
    };
    let (json, config) = (read("tokenizer.json"), read("tokenizer_config.json"));
    let mut tokens: Vec<(u64, String)> = json["model"]["vocab"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(text, id)| (id.as_u64().unwrap(), text.clone()))
        .collect();
    tokens.sort_unstable();
    let text = |key: &str, value: &str| (format!("tokenizer.{key}"), Meta::Text(value.into()));
    vec![
        text("ggml.model", "gpt2"),
        text("ggml.pre", pre),
        text("chat_template", config["chat_template"].as_str().unwrap()),
        (
            "tokenizer.ggml.tokens".to_owned(),
            Meta::Texts(tokens.iter().map(|(_, text)| text.clone()).collect()),
        ),
        (
            "tokenizer.ggml.token_type".to_owned(),
            Meta::Integers((0..260).map(|id| if id < 4 { 3 } else { 1 }).collect()),
        ),
        ("tokenizer.ggml.merges".to_owned(), Meta::Texts(Vec::new())),
        ("tokenizer.ggml.eos_token_id".to_owned(), Meta::Integer(2)),
    ]
}

#[test]
fn a_gguf_has_the_tokenizer_of_its_folder_or_is_refused() {
    let folder = tiny(|_, _, _| ());
    let with_pre = |pre: &str| tokenizer_metadata(folder.path(), pre);
    let path = write_gguf(folder.path(), with_pre("gpt-2"));
    let (ours, theirs) = (tokenizer(&path).unwrap(), tokenizer(folder.path()).unwrap());
    for text in ["hello", " <|im_end|> é\n", ""] {
        assert_eq!(
            ours.encode_prompt(text).unwrap(),
            theirs.encode_prompt(text).unwrap(),
            "{text:?}"
        );
    }
    assert_eq!(ours.end_tokens(), theirs.end_tokens());
    let path = write_gguf(folder.path(), with_pre("martian"));
    let error = tokenizer(&path).err().unwrap().to_string();
    assert!(error.contains("pre-tokeniser `martian`"), "{error}");
}

#[test]
fn end_tokens_are_a_set_from_all_files() {
    let folder = tiny(|folder, _, _| {
        std::fs::write(
            folder.join("generation_config.json"),
            json!({"eos_token_id": [0, 7]}).to_string(),
        )
        .unwrap();
    });
    let tokenizer = tokenizer(folder.path()).unwrap();
    assert_eq!(
        tokenizer.end_tokens().iter().copied().collect::<Vec<_>>(),
        [0, 2, 7]
    );
    // A completion that ends with any of them is closed.
    let mut completion = vec![70, 7];
    tokenizer.close(&mut completion);
    assert_eq!(completion, [70, 7]);
    assert_eq!(
        tokenizer.end_token(),
        Some(2),
        "what ends a turn is what is taught"
    );
}

#[test]
fn a_beginning_that_template_and_tokenizer_both_add_comes_once() {
    let folder = tiny(|_, tokenizer, config| {
        let begin = json!({"SpecialToken": {"id": "<|endoftext|>", "type_id": 0}});
        let text = |id: &str| json!({"Sequence": {"id": id, "type_id": 0}});
        tokenizer["post_processor"] = json!({"type": "TemplateProcessing", "single": [begin, text("A")], "pair": [begin, text("A"), text("B")],
            "special_tokens": {"<|endoftext|>": {"id": "<|endoftext|>", "ids": [0], "tokens": ["<|endoftext|>"]}}});
        config["bos_token"] = json!("<|endoftext|>");
        config["chat_template"] = json!(format!(
            "{{{{ bos_token }}}}{}",
            config["chat_template"].as_str().unwrap()
        ));
    });
    let tokenizer = tokenizer(folder.path()).unwrap();
    for ids in [
        tokenizer.encode_prompt("a").unwrap(),
        tokenizer.encode_messages(&user("a")).unwrap(),
    ] {
        assert_eq!(
            (ids[0], ids.iter().filter(|id| **id == 0).count()),
            (0, 1),
            "{ids:?}"
        );
    }
    assert_eq!(
        tokenizer.encode_raw("a").unwrap(),
        [vec![0], tokenizer.encode_text("a").unwrap()].concat()
    );
    assert_eq!(tokenizer.encode_text("a").unwrap(), [4 + i64::from(b'a')]);
}
