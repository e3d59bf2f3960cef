//! Fetches a model from the Hugging Face hub into a cache folder. Needs the network; nothing else in this crate does.

use std::path::{Path, PathBuf};

use hf_hub::{Cache, Repo, api::sync::ApiBuilder};

use crate::error::{Error, Result};

/// True for `org/name`.
pub(crate) fn is_id(source: &str) -> bool {
    let part =
        |text: &str| !text.is_empty() && !text.starts_with('.') && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    source.split_once('/').is_some_and(|(org, name)| part(org) && part(name))
}

/// The cache that other Hugging Face software shares: `HF_HOME`, else the user's own.
pub fn default_cache() -> PathBuf {
    Cache::from_env().path().clone()
}

/// Fetches configuration, weights and tokenizer of `id`; files already in `cache` are kept. Returns the folder they lie in.
/// Where the hub cannot be reached, what an earlier fetch left in `cache` is taken.
pub(crate) fn fetch(id: &str, cache: &Path) -> Result<PathBuf> {
    let failed = |reason: String| Error::Hub { repository: id.into(), reason };
    let api = ApiBuilder::from_env().with_progress(false).with_cache_dir(cache.into()).build().map_err(|e| failed(e.to_string()))?;
    let repository = api.model(id.to_owned());
    let listed = match repository.info() {
        Ok(listed) => listed,
        Err(error) => {
            let kept = Cache::new(cache.into()).repo(Repo::model(id.to_owned())).get("config.json");
            return kept.and_then(|path| path.parent().map(Path::to_path_buf)).ok_or_else(|| failed(error.to_string()));
        }
    };
    let names: Vec<String> = listed.siblings.into_iter().map(|file| file.rfilename).filter(|name| wanted(name)).collect();
    if !names.iter().any(|name| name.ends_with(".safetensors")) {
        return Err(failed("it has no .safetensors file".into()));
    }
    let mut folder = None;
    for name in names {
        let path = repository.get(&name).map_err(|e| failed(format!("{name}: {e}")))?;
        folder = path.parent().map(Path::to_path_buf);
    }
    folder.ok_or_else(|| failed("it has no files".into()))
}

fn wanted(name: &str) -> bool {
    const FILES: [&str; 6] = [
        "config.json",
        "generation_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "chat_template.jinja",
        "model.safetensors.index.json",
    ];
    let weights = name.starts_with("model") && name.ends_with(".safetensors");
    !name.contains('/') && (weights || FILES.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_two_parts() {
        assert!(is_id("Qwen/Qwen2.5-Coder-1.5B-Instruct"));
        assert!(!is_id("./folder") && !is_id("a/b/c") && !is_id("/a") && !is_id("name") && !is_id("../x"));
    }

    #[test]
    fn only_what_is_read_is_fetched() {
        assert!(wanted("model-00001-of-00002.safetensors") && wanted("config.json"));
        assert!(!wanted("onnx/model.safetensors") && !wanted("pytorch_model.bin") && !wanted("adapter_model.safetensors"));
    }
}
