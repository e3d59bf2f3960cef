//! The small files of a model's folder that are read beside its configuration and its weights.

/// Files that decide on prompts, ids and end tokens. The base digest covers those that are there.
pub(super) const TEXT_FILES: [&str; 5] = [
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "chat_template.jinja",
    "generation_config.json",
];
