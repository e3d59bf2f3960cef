//! The tokenizer of a GGUF: its metadata turned into the `tokenizer.json` it came from. A GGUF only
//! names its pre-tokeniser, so a table holds what each name stands for; an unknown name is refused,
//! because a near miss would tokenise almost right.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    gguf::Gguf,
    gguf_scored,
    gguf_tokens::{added_tokens, texts},
};
use crate::{
    chat::{Edges, Parts},
    error::{Error, Result},
};

const CONTRACTIONS_QWEN: &str = concat!(
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}",
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
);
// It differs in numbers alone: Qwen takes digits one by one, Llama three at a time.
const CONTRACTIONS_LLAMA: &str = concat!(
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}",
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
);

/// Pre-tokenisers whose text begins with the beginning token unless the file says otherwise, as
/// llama.cpp has it.
const BEGIN_WITH_BOS: [&str; 3] = ["llama-bpe", "llama3", "llama-v3"];

/// The parts of the tokenizer that `gguf` carries.
pub(super) fn parts(gguf: &Gguf) -> Result<Parts> {
    let model = gguf.text("tokenizer.ggml.model")?.unwrap_or("(none)");
    let is_scored = model == "llama";
    if !is_scored && model != "gpt2" {
        return Err(Error::Unsupported {
            what: "GGUF tokenizer",
            value: model.into(),
            supported: "gpt2 (byte-level BPE), llama (SentencePiece's BPE)",
        });
    }
    let tokens = texts(gguf, "tokenizer.ggml.tokens")?;
    let pre = gguf.text("tokenizer.ggml.pre")?.unwrap_or("(none)");
    let flag = |key: &str, default: bool| Ok::<bool, Error>(gguf.flag(key)?.unwrap_or(default));
    let edges = Edges {
        bos: flag(
            "tokenizer.ggml.add_bos_token",
            is_scored || BEGIN_WITH_BOS.contains(&pre),
        )?,
        eos: flag("tokenizer.ggml.add_eos_token", false)?,
    };
    let mut end_tokens = Vec::new();
    for key in ["eos_token_id", "eot_token_id", "eom_token_id"] {
        end_tokens.extend(gguf.integer(&format!("tokenizer.ggml.{key}"))?);
    }
    let json = if is_scored {
        gguf_scored::tokenizer_json(gguf, &tokens)?
    } else {
        tokenizer_json(gguf, &tokens, pre)?
    };
    Ok(Parts {
        tokenizer_json: json.to_string().into_bytes(),
        template: template(gguf),
        special_tokens: special_tokens(gguf, &tokens)?,
        edges: Some(edges),
        end_tokens,
    })
}

/// The template, of which a file with several has one without a name of its own.
fn template(gguf: &Gguf) -> Result<Option<String>> {
    if let Some(text) = gguf.text(TEMPLATE)? {
        return Ok(Some(text.to_owned()));
    }
    let named = |key: &str| {
        key.strip_prefix(TEMPLATE)
            .and_then(|name| name.strip_prefix('.'))
            .map(str::to_owned)
    };
    let mut names: Vec<String> = gguf.metadata().filter_map(|(key, _)| named(key)).collect();
    names.sort_unstable();
    if names.is_empty() {
        return Ok(None);
    }
    let reason = format!(
        "none of its templates is the default (there are {}); name one as model.chat.template",
        names.join(", ")
    );
    Err(Error::Config {
        what: format!("`{}`: `{TEMPLATE}`", gguf.path().display()),
        reason,
    })
}

const TEMPLATE: &str = "tokenizer.chat_template";

/// The tokens that have names, by the names that transformers gives them.
fn special_tokens(gguf: &Gguf, tokens: &[&str]) -> Result<BTreeMap<&'static str, String>> {
    let named = [
        ("bos_token", "bos"),
        ("eos_token", "eos"),
        ("unk_token", "unknown"),
        // The specification spells it so.
        ("sep_token", "seperator"),
        ("pad_token", "padding"),
    ];
    let mut found = BTreeMap::new();
    for (name, stored) in named {
        let key = format!("tokenizer.ggml.{stored}_token_id");
        let Some(id) = gguf.integer(&key)? else {
            continue;
        };
        let text = usize::try_from(id).ok().and_then(|id| tokens.get(id));
        let foreign = || Error::Tokenizer {
            what: "GGUF tokenizer",
            reason: format!("`{key}` = {id} is no token"),
        };
        found.insert(name, (*text.ok_or_else(foreign)?).to_owned());
    }
    Ok(found)
}

fn tokenizer_json(gguf: &Gguf, tokens: &[&str], pre: &str) -> Result<Value> {
    let added = added_tokens(gguf, tokens)?;
    let vocab: serde_json::Map<String, Value> = tokens
        .iter()
        .enumerate()
        .map(|(id, text)| ((*text).to_owned(), id.into()))
        .collect();
    let pre = pre_tokeniser(pre)?;
    Ok(json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": added,
        "normalizer": pre.normaliser, "pre_tokenizer": pre.split, "post_processor": null,
        "decoder": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true,
            "use_regex": true},
        "model": {"type": "BPE", "dropout": null, "unk_token": null,
            "continuing_subword_prefix": null, "end_of_word_suffix": null,
                  "fuse_unk": false, "byte_fallback": false, "ignore_merges": pre.ignore_merges,
                      "vocab": vocab,
                  "merges": texts(gguf, "tokenizer.ggml.merges")?},
    }))
}

struct PreTokeniser {
    normaliser: Value,
    split: Value,
    ignore_merges: bool,
}

fn pre_tokeniser(name: &str) -> Result<PreTokeniser> {
    let byte_level = |use_regex: bool| {
        json!({"type": "ByteLevel", "add_prefix_space": false,
        "trim_offsets": true, "use_regex": use_regex})
    };
    let sequence = |first: Value, regex: bool| {
        json!({"type": "Sequence", "pretokenizers": [first,
        byte_level(regex)]})
    };
    let split = |pattern: &str| {
        json!({"type": "Split", "pattern": {"Regex": pattern},
        "behavior": "Isolated", "invert": false})
    };
    let digits = || json!({"type": "Digits", "individual_digits": true});
    let (normaliser, split, ignore_merges) = match name {
        "gpt-2" | "phi-2" => (Value::Null, byte_level(true), false),
        // transformers' own reading of a GGUF leaves out the digits of `smollm`, and some texts get
        // other ids there.
        "smollm" | "starcoder" | "refact" | "codeshell" => {
            (Value::Null, sequence(digits(), true), false)
        }
        "qwen2" | "deepseek-r1-qwen" => (
            json!({"type": "NFC"}),
            sequence(split(CONTRACTIONS_QWEN), false),
            false,
        ),
        // Llama 3 takes a word that is in the vocabulary as it is, without merging its parts.
        "llama-bpe" | "llama3" | "llama-v3" => (
            Value::Null,
            sequence(split(CONTRACTIONS_LLAMA), false),
            true,
        ),
        other => {
            return Err(Error::Unsupported {
                what: "GGUF pre-tokeniser",
                value: other.into(),
                supported: "gpt-2, phi-2, smollm, starcoder, refact, codeshell, qwen2, \
                    deepseek-r1-qwen, llama-bpe; or use the Hugging Face folder",
            });
        }
    };
    Ok(PreTokeniser {
        normaliser,
        split,
        ignore_merges,
    })
}
