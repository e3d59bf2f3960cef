//! The files of a model's tokenizer and its chat template, for a folder that transformers reads:
//! copied, or made from a GGUF's metadata.

use std::path::Path;

use groklab_domain::experiment::Chat;
use serde_json::{Map, Value};

use super::weights_file::write_file;
use crate::{
    chat::{ChatTokenizer, Parts},
    error::{Error, Result},
    load::{Source, TokenizerFiles},
};

/// What transformers reads; the last ones are of older releases.
const FILES: [&str; 8] = [
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "chat_template.jinja",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "tokenizer.model",
];

/// Writes the files of the tokenizer of `source` into `out`, which is there; their names. Of a hub
/// id only these files are fetched, not its weights.
///
/// # Errors
/// There is no such model here or on the hub, or it has no tokenizer.
pub fn write_tokenizer<'a>(
    source: impl Into<Source<'a>>,
    cache: &Path,
    out: &Path,
) -> Result<Vec<String>> {
    write(&TokenizerFiles::open(source.into(), cache)?, out)
}

pub(super) fn write(files: &TokenizerFiles<'_>, out: &Path) -> Result<Vec<String>> {
    match files {
        TokenizerFiles::Folder(folder) => copy(folder, out),
        gguf => make(gguf.parts()?, out),
    }
}

fn copy(folder: &Path, out: &Path) -> Result<Vec<String>> {
    let there = |name: &&str| folder.join(name).exists();
    let mut names = Vec::new();
    for name in FILES.into_iter().filter(there) {
        let path = folder.join(name);
        let bytes = std::fs::read(&path).map_err(|source| Error::Read { path, source })?;
        write_file(&out.join(name), &bytes)?;
        names.push(name.to_owned());
    }
    if names.iter().any(|name| name == FILES[0]) {
        return Ok(names);
    }
    Err(Error::Source {
        source_text: folder.display().to_string(),
        reason: format!("it has no {}", FILES[0]),
    })
}

/// The files of a tokenizer that a GGUF carries.
fn make(parts: Parts, out: &Path) -> Result<Vec<String>> {
    let mut config = Map::new();
    config.insert("tokenizer_class".into(), "PreTrainedTokenizerFast".into());
    for (name, text) in &parts.special_tokens {
        config.insert((*name).to_owned(), text.as_str().into());
    }
    if let Some(edges) = parts.edges.filter(|edges| edges.bos || edges.eos) {
        config.insert("add_bos_token".into(), edges.bos.into());
        config.insert("add_eos_token".into(), edges.eos.into());
    }
    let config = format!("{:#}\n", Value::Object(config));
    let mut files = vec![
        ("tokenizer.json", parts.tokenizer_json.clone()),
        ("tokenizer_config.json", config.into_bytes()),
    ];
    // One that cannot be read is no template; whoever trained on it brought another.
    if let Ok(Some(template)) = &parts.template {
        files.push(("chat_template.jinja", template.clone().into_bytes()));
    }
    // What is written has to be a tokenizer.
    ChatTokenizer::new(parts, &[], &Chat::default())?;
    for (name, bytes) in &files {
        write_file(&out.join(name), bytes)?;
    }
    Ok(files.iter().map(|(name, _)| (*name).to_owned()).collect())
}
