//! SentencePiece tokenizers of GGUF files.

use std::path::Path;

use groklab_domain::experiment::Chat;
use groklab_model::{ChatTokenizer, load_tokenizer, testing};

use crate::gguf::{Meta, write_gguf};

/// Control, unknown, ordinary, defined by somebody, a byte.
const CONTROL: i32 = 3;
const UNKNOWN: i32 = 2;
const NORMAL: i32 = 1;
const DEFINED: i32 = 4;
const BYTE: i32 = 6;

/// Behind 4 tokens and 256 bytes.
const FIRST: i64 = 260;
const PIECES: [(&str, f32, i32); 9] = [
    ("\n\n", -1000.0, DEFINED),
    ("  ", -1000.0, DEFINED),
    ("\u{2581}", -9.0, NORMAL),
    ("a", -9.0, NORMAL),
    ("b", -9.0, NORMAL),
    ("c", -9.0, NORMAL),
    ("ab", -5.0, NORMAL),
    ("bc", -3.0, NORMAL),
    ("\u{2581}c", -6.0, NORMAL),
];

fn opened(change: impl Fn(&str) -> Option<Meta>) -> groklab_model::Result<ChatTokenizer> {
    let folder = tempfile::tempdir().unwrap();
    testing::write_tiny_model(folder.path(), 1).unwrap();
    let mut tokens: Vec<(String, f32, i32)> = Vec::new();
    for (text, kind) in [
        ("<pad>", CONTROL),
        ("<eos>", CONTROL),
        ("<bos>", CONTROL),
        ("<unk>", UNKNOWN),
    ] {
        tokens.push((text.to_owned(), 0.0, kind));
    }
    tokens.extend((0..256).map(|byte| (format!("<0x{byte:02X}>"), 0.0, BYTE)));
    tokens.extend(PIECES.map(|(text, score, kind)| (text.to_owned(), score, kind)));
    let column = tokens.iter();
    let own = [
        ("model", Meta::Text("llama".into())),
        ("pre", Meta::Text("default".into())),
        (
            "tokens",
            Meta::Texts(column.clone().map(|token| token.0.clone()).collect()),
        ),
        (
            "scores",
            Meta::Floats(column.clone().map(|token| token.1).collect()),
        ),
        (
            "token_type",
            Meta::Integers(column.map(|token| token.2).collect()),
        ),
        ("bos_token_id", Meta::Integer(2)),
        ("eos_token_id", Meta::Integer(1)),
        ("unknown_token_id", Meta::Integer(3)),
        ("add_space_prefix", Meta::Flag(false)),
    ];
    let entry = |(key, value): (&str, Meta)| {
        let value = change(key).unwrap_or(value);
        (format!("tokenizer.ggml.{key}"), value)
    };
    let gguf = write_gguf(folder.path(), own.into_iter().map(entry).collect());
    load_tokenizer(
        gguf.to_str().unwrap(),
        Path::new("/nonexistent"),
        &Chat::default(),
    )
}

#[test]
fn neighbours_that_make_the_token_of_the_highest_score_come_first() {
    let tokenizer = opened(|_| None).unwrap();
    let id = |piece: &str| {
        let at = PIECES.iter().position(|(text, ..)| *text == piece);
        FIRST + at.unwrap() as i64
    };
    for (text, pieces) in [
        ("abc", vec![id("a"), id("bc")]),
        ("ab c", vec![id("ab"), id("\u{2581}c")]),
        ("a  b", vec![id("a"), id("  "), id("b")]),
        ("a\n\nb\n", vec![id("a"), id("\n\n"), id("b"), 4 + 10]),
        ("\u{e9}", vec![4 + 0xc3, 4 + 0xa9]),
    ] {
        let ids = tokenizer.encode_raw(text).unwrap();
        assert_eq!(ids, [vec![2], pieces].concat(), "{text:?}");
        assert_eq!(tokenizer.decode(&ids), text.as_bytes());
    }
}

#[test]
fn what_is_not_such_a_tokenizer_is_refused() {
    let refusal = |key: &'static str, value: Meta| {
        let opened = opened(|name| (name == key).then(|| value.clone()));
        opened.err().unwrap().to_string()
    };
    let error = refusal("add_space_prefix", Meta::Flag(true));
    assert!(error.contains("add_space_prefix `true`"), "{error}");
    let error = refusal("scores", Meta::Floats(vec![0.0; 3]));
    assert!(error.contains("not a list of 269 numbers"), "{error}");
    let error = refusal("scores", Meta::Floats(vec![f32::NAN; 269]));
    assert!(error.contains("not a list of 269 numbers"), "{error}");
}
