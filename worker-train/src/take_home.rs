//! `merge`, `gguf-lora` and `tokenizer`: an adapter in the forms that other software takes. The
//! work is `groklab-model`'s; one line on standard output says what was written.

use anyhow::Context;
use groklab_model::{Adapter, Error, write_tokenizer};
use groklab_runtime::offline::{write_line, wrong};
use serde_json::json;

use crate::config;

/// Writes base and adapter as one folder.
pub fn merge(args: &config::Merge) -> anyhow::Result<()> {
    let adapter = Adapter::open(&args.adapter)?;
    let merge = groklab_model::Merge {
        source: args.base.source(),
        cache: &args.base.models,
        adapter: &adapter,
        out: &args.out,
        max_file_bytes: args.max_file_bytes,
    };
    write_line(&merge.run().map_err(refusal)?)
}

/// Writes an adapter as a GGUF.
pub fn gguf_lora(args: &config::GgufLora) -> anyhow::Result<()> {
    let adapter = Adapter::open(&args.adapter)?;
    let (source, cache) = (args.base.source(), &args.base.models);
    let bytes = groklab_model::gguf_lora(source, cache, &adapter).map_err(refusal)?;
    std::fs::write(&args.out, &bytes).with_context(|| format!("write `{}`", args.out.display()))?;
    write_line(&json!({"file": args.out, "bytes": bytes.len()}))
}

/// Writes a model's tokenizer and chat template.
pub fn tokenizer(args: &config::Tokenizer) -> anyhow::Result<()> {
    let files = write_tokenizer(args.base.source(), &args.base.models, &args.out)?;
    write_line(&json!({"files": files}))
}

/// A request that makes no sense is the caller's error.
fn refusal(error: Error) -> anyhow::Error {
    match error {
        Error::Request(reason) => wrong(reason),
        error => error.into(),
    }
}
