//! The tokenizer of a Hugging Face folder: `tokenizer.json`, and what `tokenizer_config.json` and
//! `chat_template.jinja` say beside it. What would make transformers tokenise otherwise than
//! `tokenizer.json` alone is refused by name.

use std::{collections::BTreeMap, path::Path};

use serde_json::Value;

use super::json::read_json;
use crate::{
    chat::{Edges, Parts},
    error::{Error, Result},
};

const CONFIG: &str = "tokenizer_config.json";
const TEMPLATE: &str = "chat_template.jinja";

/// Special tokens that templates may name.
const NAMED_TOKENS: [&str; 7] = [
    "bos_token",
    "eos_token",
    "unk_token",
    "sep_token",
    "pad_token",
    "cls_token",
    "mask_token",
];

/// The parts of the tokenizer in `folder`.
pub(super) fn parts(folder: &Path) -> Result<Parts> {
    let path = folder.join("tokenizer.json");
    let tokenizer_json = std::fs::read(&path).map_err(|source| Error::Read {
        path: path.clone(),
        source,
    })?;
    let path_of_config = folder.join(CONFIG);
    let mut config = if path_of_config.exists() {
        read_json(&path_of_config)?
    } else {
        Value::Object(Default::default())
    };
    add_older_map(folder, &mut config)?;
    let special_tokens = special_tokens(&config)?;
    let tokenizer: Value =
        serde_json::from_slice(&tokenizer_json).map_err(|error| Error::Corrupt {
            path,
            reason: error.to_string(),
        })?;
    refuse_other_tokens(&config, &tokenizer)?;
    Ok(Parts {
        tokenizer_json,
        template: template(folder, &config),
        special_tokens,
        edges: edges(&config)?,
        end_tokens: Vec::new(),
    })
}

/// What `special_tokens_map.json` says, where the configuration is silent, as in folders of older
/// releases.
fn add_older_map(folder: &Path, config: &mut Value) -> Result<()> {
    let path = folder.join("special_tokens_map.json");
    // A configuration that lists its tokens makes transformers pass over the older file.
    if !path.exists() || !config["added_tokens_decoder"].is_null() {
        return Ok(());
    }
    let map = read_json(&path)?;
    for (name, token) in map.as_object().into_iter().flatten() {
        if config[name.as_str()].is_null() {
            config[name.as_str()] = token.clone();
        }
    }
    Ok(())
}

/// `chat_template.jinja`, else the one in the configuration: a text, or a list of named ones, of
/// which `default` counts.
fn template(folder: &Path, config: &Value) -> Result<Option<String>> {
    let path = folder.join(TEMPLATE);
    if path.exists() {
        let bytes = std::fs::read(&path).map_err(|source| Error::Read {
            path: path.clone(),
            source,
        })?;
        let corrupt = |reason: &str| Error::Corrupt {
            path: path.clone(),
            reason: reason.into(),
        };
        let text = String::from_utf8(bytes).map_err(|_| corrupt("it is not UTF-8"))?;
        return if text.starts_with('\u{feff}') {
            Err(corrupt("it begins with a byte-order mark"))
        } else {
            Ok(Some(text))
        };
    }
    match &config["chat_template"] {
        Value::Null => Ok(None),
        Value::String(text) => Ok(Some(text.clone())),
        Value::Array(list) => default_of(list).map(Some),
        other => Err(wrong(
            "chat_template",
            other,
            "a text, or a list of {\"name\", \"template\"}",
        )),
    }
}

fn default_of(list: &[Value]) -> Result<String> {
    let names: Vec<&str> = list
        .iter()
        .filter_map(|item| item["name"].as_str())
        .collect();
    let default = list
        .iter()
        .find(|item| item["name"] == "default")
        .and_then(|item| item["template"].as_str());
    let none = || {
        let reason = format!(
            "none of its templates is `default` (there are {}); name one as model.chat.template",
            names.join(", ")
        );
        Error::Config {
            what: format!("{CONFIG}: `chat_template`"),
            reason,
        }
    };
    default.map(str::to_owned).ok_or_else(none)
}

/// A token is a text, or an object with its content.
fn special_tokens(config: &Value) -> Result<BTreeMap<&'static str, String>> {
    let mut tokens = BTreeMap::new();
    for name in NAMED_TOKENS {
        match &config[name] {
            Value::Null => {}
            Value::String(text) => drop(tokens.insert(name, text.clone())),
            Value::Object(fields) if fields.get("content").is_some_and(Value::is_string) => {
                tokens.insert(
                    name,
                    fields["content"].as_str().unwrap_or_default().to_owned(),
                );
            }
            other => {
                return Err(wrong(
                    name,
                    other,
                    "a text, or an object with its `content`",
                ));
            }
        }
    }
    Ok(tokens)
}

/// transformers makes the post-processor anew where one of these is given.
fn edges(config: &Value) -> Result<Option<Edges>> {
    let flag = |name: &str| match &config[name] {
        Value::Null => Ok(None),
        Value::Bool(flag) => Ok(Some(*flag)),
        other => Err(wrong(name, other, "true or false")),
    };
    let (bos, eos) = (flag("add_bos_token")?, flag("add_eos_token")?);
    for (flag, token) in [(bos, "bos_token"), (eos, "eos_token")] {
        if flag == Some(true) && config[token].is_null() {
            return Err(wrong(
                token,
                &config[token],
                "the token that is to be added",
            ));
        }
    }
    let given = bos.is_some() || eos.is_some();
    Ok(given.then(|| Edges {
        bos: bos.unwrap_or(false),
        eos: eos.unwrap_or(false),
    }))
}

/// transformers adds the tokens that the configuration has and `tokenizer.json` has not, or has
/// otherwise.
fn refuse_other_tokens(config: &Value, tokenizer: &Value) -> Result<()> {
    // Looked for in the text, as it may stand within a sequence of pre-tokenisers.
    let adds_space = tokenizer["pre_tokenizer"]
        .to_string()
        .contains("\"add_prefix_space\":true");
    for (key, fits) in [
        ("split_special_tokens", false),
        ("add_prefix_space", adds_space),
        ("auto_map", false),
    ] {
        if !matches!(config[key], Value::Null | Value::Bool(false)) && !fits {
            return Err(wrong(
                key,
                &config[key],
                "none or false (tokenizer.json alone decides on ids)",
            ));
        }
    }
    let none = Vec::new();
    let added = tokenizer["added_tokens"].as_array().unwrap_or(&none);
    let by_content = |content: &str| added.iter().find(|token| token["content"] == content);
    let mut wanted: Vec<&str> = ["bos_token", "eos_token"]
        .iter()
        .filter_map(|name| text_of(&config[*name]))
        .collect();
    for name in ["additional_special_tokens", "extra_special_tokens"] {
        match &config[name] {
            Value::Null => {}
            Value::Array(list) => wanted.extend(list.iter().filter_map(text_of)),
            Value::Object(named) => wanted.extend(named.values().filter_map(text_of)),
            other => return Err(wrong(name, other, "a list of tokens")),
        }
    }
    if let Some(missing) = wanted
        .into_iter()
        .find(|content| by_content(content).is_none())
    {
        let reason = format!(
            "the special token `{missing}` is not among the added tokens of tokenizer.json; save \
                the tokenizer again"
        );
        return Err(Error::Config {
            what: CONFIG.into(),
            reason,
        });
    }
    let Some(decoder) = config["added_tokens_decoder"].as_object() else {
        return Ok(());
    };
    let differs = |(id, token): &(&String, &Value)| {
        let flag = |of: &Value, name: &str| {
            of[name]
                .as_bool()
                // The defaults of an added token.
                .unwrap_or(name == "normalized" && of["special"] != true)
        };
        let same = |stored: &Value| {
            FLAGS
                .iter()
                .all(|name| flag(stored, name) == flag(token, name))
                && stored["id"].as_u64() == id.parse().ok()
        };
        !text_of(token).and_then(by_content).is_some_and(same)
    };
    decoder.iter().find(differs).map_or(Ok(()), |(id, token)| {
        let reason = format!(
            "the token {id} (`{}`) is another one in tokenizer.json; save the tokenizer again",
            text_of(token).unwrap_or_default()
        );
        Err(Error::Config {
            what: format!("{CONFIG}: `added_tokens_decoder`"),
            reason,
        })
    })
}

/// What decides on where an added token is found in a text.
const FLAGS: [&str; 5] = ["lstrip", "rstrip", "normalized", "single_word", "special"];

fn text_of(token: &Value) -> Option<&str> {
    token.as_str().or_else(|| token["content"].as_str())
}

fn wrong(key: &str, value: &Value, wanted: &str) -> Error {
    Error::Config {
        what: format!("{CONFIG}: `{key}` = {value}"),
        reason: format!("{wanted} is wanted"),
    }
}
