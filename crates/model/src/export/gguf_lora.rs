//! An adapter as a GGUF that llama.cpp adds to a GGUF of its base (`--lora`), as its
//! convert_lora_to_gguf.py writes it. Differences: A and B are float32, and where linears have a
//! scale of their own (rsLoRA, ranks or alphas by pattern) B carries it, as llama.cpp knows one
//! alpha and divides it by each linear's rank.

use std::path::Path;

use tch::Tensor;

use super::gguf_writer::{Numbers, Value, file};
use crate::{
    config::{Architecture, Config},
    digest,
    error::{Error, Result},
    load::{Checkpoint, HubName, Source, permute, stored_name},
    lora::{Adapter, Place, Target, path},
    tensors::floats,
};

/// The contents of the file.
///
/// # Errors
/// The adapter was made for another base; what loading refuses.
pub fn gguf_lora<'a>(
    source: impl Into<Source<'a>>,
    cache: &Path,
    adapter: &Adapter,
) -> Result<Vec<u8>> {
    let checkpoint = Checkpoint::open(source.into(), cache)?;
    let digest = digest::of_files(&checkpoint.files)?;
    adapter.check_base(&checkpoint.config, digest)?;
    let mut tensors = Vec::new();
    for (&place, (a, b)) in &adapter.weights {
        let weight = format!("{}.weight", path(place));
        let stored = stored_name(&weight, false)
            .ok_or_else(|| Error::Adapter(format!("`{weight}` has no name in a GGUF")))?;
        let b = scaled(adapter, place, b);
        let b = match permuted_heads(&checkpoint.config, place.1) {
            Some(heads) => permute(&b, heads),
            None => b,
        };
        tensors.push(numbers(format!("{stored}.lora_a"), a));
        tensors.push(numbers(format!("{stored}.lora_b"), &b));
    }
    let metadata = metadata(&checkpoint, adapter.spec.alpha);
    Ok(file(&metadata, &tensors))
}

fn numbers(name: String, tensor: &Tensor) -> Numbers {
    Numbers {
        name,
        shape: tensor.size(),
        values: floats(tensor),
    }
}

/// B times what alpha divided by the rank lacks of the linear's scale.
fn scaled(adapter: &Adapter, place: Place, b: &Tensor) -> Tensor {
    let plain = adapter.spec.alpha / adapter.spec.rank_at(place) as f64;
    let factor = adapter.spec.scale_at(place) / plain;
    if factor == 1.0 {
        b.shallow_clone()
    } else {
        b * factor
    }
}

/// llama.cpp's llama pairs the halves of a head's rotation row by row, in queries and keys.
fn permuted_heads(config: &Config, target: Target) -> Option<i64> {
    let is_llama = matches!(
        config.architecture,
        Architecture::Llama | Architecture::Mistral
    );
    match target {
        Target::Q if is_llama => Some(config.heads),
        Target::K if is_llama => Some(config.kv_heads),
        _ => None,
    }
}

fn metadata(checkpoint: &Checkpoint, alpha: f64) -> Vec<(&'static str, Value)> {
    let text = |text: &str| Value::Text(text.to_owned());
    let mut metadata = vec![
        (
            "general.architecture",
            text(architecture(&checkpoint.config)),
        ),
        ("general.type", text("adapter")),
        ("adapter.type", text("lora")),
        ("adapter.lora.alpha", Value::Float(alpha as f32)),
    ];
    if let Some(HubName { id, .. }) = &checkpoint.hub_name {
        let url = format!("https://huggingface.co/{id}");
        metadata.extend([
            ("general.base_model.count", Value::Integer(1)),
            ("general.base_model.0.name", text(id)),
            ("general.base_model.0.repo_url", text(&url)),
        ]);
    }
    metadata
}

/// llama.cpp's names.
fn architecture(config: &Config) -> &'static str {
    match config.architecture {
        Architecture::Gemma3 => "gemma3",
        Architecture::Llama | Architecture::Mistral => "llama",
        Architecture::Qwen2 => "qwen2",
        Architecture::Qwen3 => "qwen3",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{device::Placement, lora::LoraSpec};
    use crate::{
        load::{Gguf, permute},
        model::Model,
        testing::write_tiny_model,
        train::{Settings, Start, Trainer},
    };

    #[test]
    fn a_gguf_of_an_adapter_is_what_llama_cpp_adds() {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().join("base");
        write_tiny_model(&base, 1).unwrap();
        let source = base.to_str().unwrap();
        let model = Model::open(source, folder.path(), Placement::CPU).unwrap();
        let spec = LoraSpec {
            rslora: true,
            ..LoraSpec::plain(4, 6.0, 0.0, vec![Target::K, Target::Up])
        };
        let start = Start::Fresh { seed: 1 };
        let trainer = Trainer::new(&model, spec, Settings::default(), start).unwrap();
        let mut adapter = trainer.adapter();
        for (at, (_, b)) in adapter.weights.values_mut().enumerate() {
            *b = Tensor::arange(b.numel() as i64, (tch::Kind::Float, tch::Device::Cpu))
                .view(b.size().as_slice())
                + at as f64;
        }
        let path = folder.path().join("lora.gguf");
        std::fs::write(&path, gguf_lora(source, folder.path(), &adapter).unwrap()).unwrap();
        let written = Gguf::open(&path).unwrap();
        for (key, value) in [
            ("general.architecture", "llama"),
            ("general.type", "adapter"),
            ("adapter.type", "lora"),
        ] {
            assert_eq!(written.text(key).unwrap(), Some(value));
        }
        assert_eq!(written.float("adapter.lora.alpha").unwrap(), Some(6.0));
        assert_eq!(written.names().count(), 2 * 2 * 2);
        let read = |name: &str| written.stored(name).unwrap();
        let (a, b) = &adapter.weights[&(1, Target::K)];
        assert_eq!(read("blk.1.attn_k.weight.lora_a"), *a);
        // alpha/√4 is twice alpha/4; two key heads.
        let expected = permute(&(b * 2.0), 2);
        assert_eq!(read("blk.1.attn_k.weight.lora_b"), expected);
        let (_, b) = &adapter.weights[&(0, Target::Up)];
        assert_eq!(read("blk.0.ffn_up.weight.lora_b"), b * 2.0);
    }
}
