//! Prompts of published tokenizers with their own chat templates, against what transformers makes of them; the references are made by
//! `tests/interop/make_prompts.py`. The corpus has code, unicode, white space, system messages, several turns, thinking on and off.

use std::{collections::BTreeMap, io::Read as _, path::Path};

use flate2::read::GzDecoder;
use groklab_domain::experiment::Chat;
use groklab_model::{ChatTokenizer, Message, load_tokenizer, testing};
use serde_json::Value;
use tempfile::TempDir;

use crate::common::integers;

/// A folder that loads, with the tokenizer of `published`.
fn folder_with(published: &Path) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    testing::write_tiny_model(folder.path(), 1).unwrap();
    let mut json = Vec::new();
    let packed = std::fs::File::open(published.join("tokenizer.json.gz")).unwrap();
    GzDecoder::new(packed).read_to_end(&mut json).unwrap();
    std::fs::write(folder.path().join("tokenizer.json"), json).unwrap();
    std::fs::copy(
        published.join("tokenizer_config.json"),
        folder.path().join("tokenizer_config.json"),
    )
    .unwrap();
    folder
}

fn messages(case: &Value) -> Vec<Message> {
    let text = |turn: &Value, key: &str| turn[key].as_str().unwrap().to_owned();
    let turns = case["messages"].as_array().unwrap();
    turns
        .iter()
        .map(|turn| Message {
            role: text(turn, "role"),
            content: text(turn, "content"),
        })
        .collect()
}

/// Checks every prompt and text of the corpus; how many prompts there were.
fn agrees(published: &Path) -> usize {
    let folder = folder_with(published);
    let corpus: Value =
        serde_json::from_slice(&std::fs::read(published.join("prompts.json")).unwrap()).unwrap();
    let mut tokenizers: BTreeMap<String, ChatTokenizer> = BTreeMap::new();
    let (mut count, mut refused) = (0, 0);
    // Contents that are no texts cannot be given here.
    for case in corpus["prompts"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|case| case["content_not_text"] != true)
    {
        let variables: BTreeMap<String, Value> =
            serde_json::from_value(case["variables"].clone()).unwrap();
        let chat = Chat {
            variables,
            ..Chat::default()
        };
        let key = case["variables"].to_string();
        let tokenizer = tokenizers.entry(key).or_insert_with(|| {
            load_tokenizer(
                folder.path().to_str().unwrap(),
                Path::new("/nonexistent"),
                &chat,
            )
            .unwrap()
        });
        let encoded = tokenizer.encode_messages(&messages(case));
        // What spells a special token stays text here; the reference for it splits special tokens within contents too.
        let wanted = if case["special_in_content"] == true {
            &case["ids_as_text"]
        } else {
            &case["ids"]
        };
        match encoded {
            Ok(ids) => assert_eq!(ids, integers(wanted), "{}", case["name"]),
            // A thought that the template leaves out and that spells a special token: the two cannot be told apart, and it is refused.
            Err(error) if case["special_in_content"] == true => {
                assert!(
                    case["name"]
                        .as_str()
                        .unwrap()
                        .starts_with("special-in-think"),
                    "{}: {error}",
                    case["name"]
                );
                assert!(
                    error.to_string().contains("changes the text of message"),
                    "{}: {error}",
                    case["name"]
                );
                refused += 1;
            }
            Err(error) => assert_eq!(case["error"], true, "{}: {error}", case["name"]),
        }
        count += 1;
    }
    let tokenizer = &tokenizers["{}"];
    let texts = corpus["raw"].as_array().unwrap();
    assert!(texts.len() >= 60);
    for case in texts
        .iter()
        .filter(|case| case["special_in_content"] != true)
    {
        let text = case["raw"].as_str().unwrap();
        assert_eq!(
            tokenizer.encode_raw(text).unwrap(),
            integers(&case["ids_with_special"]),
            "{text:?}"
        );
        assert_eq!(
            tokenizer.encode_text(text).unwrap(),
            integers(&case["ids_plain"]),
            "{text:?}"
        );
    }
    assert!(refused <= 2, "{refused}");
    count
}

fn published(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures/tokenizers")
        .join(name)
}

#[test]
fn qwen2_5_prompts_are_those_of_transformers() {
    assert!(agrees(&published("qwen2_5")) >= 150);
}

#[test]
fn qwen3_prompts_are_those_of_transformers() {
    assert!(agrees(&published("qwen3")) >= 250);
}
