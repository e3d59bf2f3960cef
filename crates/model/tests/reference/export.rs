//! Adapters in the forms that other software takes: one folder with the base, read back.
//! What peft, transformers and llama.cpp make of them is compared by `tests/interop/take_home.py`.

use std::path::{Path, PathBuf};

use groklab_model::{
    Adapter, Applied, LoraSpec, Merge, Merged, Model, Placement, Settings, Source, Start, Target,
    Trainer, gguf_lora, last_logits, load, testing::write_tiny_model, write_tokenizer,
};
use serde_json::Value;

use crate::{
    common::{distance, fixture},
    gguf::write_gguf,
    traps::tokenizer_metadata,
};

const NOWHERE: &str = "/nonexistent";

fn merge(source: &Path, adapter: &Adapter, out: &Path, most: u64) -> groklab_model::Result<Merged> {
    let merge = Merge {
        source: source.to_str().unwrap().into(),
        cache: Path::new(NOWHERE),
        adapter,
        out,
        max_file_bytes: most,
    };
    merge.run()
}

/// A copy of a fixture with a tokenizer, which those have not.
fn with_tokenizer(fixture: &Path, folder: &Path) -> PathBuf {
    let copy = folder.join("base");
    std::fs::create_dir(&copy).unwrap();
    let tokenizer = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tokenizers");
    for file in [
        fixture.join("config.json"),
        fixture.join("model.safetensors"),
        tokenizer.join("qwen-layout/tokenizer.json"),
        tokenizer.join("qwen-layout/chat_template.jinja"),
    ] {
        std::fs::copy(&file, copy.join(file.file_name().unwrap())).unwrap();
    }
    copy
}

#[test]
fn a_merged_folder_computes_what_base_and_adapter_compute() {
    let names = ["llama", "mistral", "qwen2", "qwen3", "gemma3"];
    for name in names.map(|name| format!("tiny-{name}")) {
        let fixture = fixture(&name);
        let folder = tempfile::tempdir().unwrap();
        let base = with_tokenizer(&fixture.folder, folder.path());
        let out = folder.path().join("merged");
        let merged = merge(&base, &fixture.adapter("adapter"), &out, 100_000).unwrap();
        assert!(
            merged.files.len() > 5 && merged.lost_in_rounding == 0.0,
            "{merged:?}"
        );
        for file in [
            "model.safetensors.index.json",
            "chat_template.jinja",
            "config.json",
        ] {
            assert!(merged.files.iter().any(|written| written == file), "{file}");
        }
        let source = out.to_str().unwrap();
        let model = Model::open(source, Path::new(NOWHERE), Placement::CPU).unwrap();
        let logits = last_logits(&model, None, &fixture.rows()).unwrap();
        let far = distance(&logits, &fixture.reference["logits_adapter"]);
        assert!(far < 1e-4, "{name}: {far}");
        assert_ne!(model.base_digest(), fixture.model.base_digest());
    }
}

/// An adapter of all linears that changes much, with weights in the place of what training gives.
fn adapter(model: &Model) -> Adapter {
    let spec = LoraSpec::plain(4, 8.0, 0.0, Target::ALL.to_vec());
    let trainer = Trainer::new(model, spec, Settings::default(), Start::Fresh { seed: 1 });
    let fresh = trainer.unwrap().adapter();
    // A fresh B is all zeros: any other numbers of float32 are as good.
    let mut weights = fresh.weights_file().to_vec();
    let header = usize::try_from(u64::from_le_bytes(weights[..8].try_into().unwrap())).unwrap();
    for (at, number) in weights[8 + header..].chunks_exact_mut(4).enumerate() {
        if *number == [0; 4] {
            number.copy_from_slice(&(((at * 7919) % 97) as f32 / 970.0 - 0.05).to_le_bytes());
        }
    }
    Adapter::from_files(fresh.config_file().to_vec(), weights).unwrap()
}

#[test]
fn a_gguf_becomes_a_folder_with_its_tokenizer() {
    let folder = tempfile::tempdir().unwrap();
    let tiny = folder.path().join("tiny");
    write_tiny_model(&tiny, 1).unwrap();
    let gguf = write_gguf(&tiny, tokenizer_metadata(&tiny, "gpt-2"));
    let nowhere = Path::new(NOWHERE);
    let (model, tokenizer) = load(gguf.to_str().unwrap(), nowhere, Placement::CPU).unwrap();
    let adapter = adapter(&model);
    let out = folder.path().join("merged");
    let merged = merge(&gguf, &adapter, &out, u64::MAX).unwrap();
    assert_eq!((merged.changed, merged.weights), (14, 20));
    let (whole, read) = load(out.to_str().unwrap(), nowhere, Placement::CPU).unwrap();
    let rows = [tokenizer.encode_prompt("Add two numbers.").unwrap()];
    assert_eq!(read.encode_prompt("Add two numbers.").unwrap(), rows[0]);
    assert_eq!(read.end_tokens(), tokenizer.end_tokens());
    let applied = Applied::new(&model, &adapter).unwrap();
    let (a, b) = (
        last_logits(&model, Some(&applied), &rows).unwrap(),
        last_logits(&whole, None, &rows).unwrap(),
    );
    let far = a[0].iter().zip(&b[0]).map(|(a, b)| (a - b).abs());
    assert!(far.fold(0.0, f32::max) < 1e-4);
    // The same files beside an adapter.
    let beside = folder.path().join("beside");
    std::fs::create_dir(&beside).unwrap();
    let files = write_tokenizer(gguf.to_str().unwrap(), nowhere, &beside).unwrap();
    let expected = [
        "tokenizer.json",
        "tokenizer_config.json",
        "chat_template.jinja",
    ];
    assert_eq!(files, expected);
    let config = std::fs::read(beside.join("tokenizer_config.json")).unwrap();
    let config: Value = serde_json::from_slice(&config).unwrap();
    assert_eq!(config["eos_token"], "<|im_end|>");
}

#[test]
fn what_does_not_fit_is_refused_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let (tiny, other) = (folder.path().join("tiny"), folder.path().join("other"));
    write_tiny_model(&tiny, 1).unwrap();
    write_tiny_model(&other, 2).unwrap();
    let nowhere = Path::new(NOWHERE);
    let model = Model::open(tiny.to_str().unwrap(), nowhere, Placement::CPU).unwrap();
    let adapter = adapter(&model);
    let out = folder.path().join("out");
    let message = merge(&other, &adapter, &out, 1).unwrap_err().to_string();
    assert!(
        message.contains("adapter was made for the base"),
        "{message}"
    );
    assert!(!out.exists());
    let refused = gguf_lora(other.to_str().unwrap(), nowhere, &adapter);
    let message = refused.unwrap_err().to_string();
    assert!(
        message.contains("adapter was made for the base"),
        "{message}"
    );
    let message = merge(&tiny, &adapter, &other, 1).unwrap_err().to_string();
    assert!(message.contains("holds something already"), "{message}");
    let source = Source {
        name: tiny.to_str().unwrap(),
        revision: Some("main"),
    };
    let message = write_tokenizer(source, nowhere, &other)
        .unwrap_err()
        .to_string();
    assert!(message.contains("only a hub id has revisions"), "{message}");
}
