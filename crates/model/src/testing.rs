//! A tiny random model with a real tokenizer and chat template, for tests that run whole programs
//! in seconds. Nothing outside tests uses it.

mod hub;

use std::{collections::BTreeMap, path::Path};

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng, SeedableRng},
};
use serde_json::{Value, json};
use tch::Tensor;

use crate::{
    chat::character,
    error::{Error, Result},
    lora::{NamedTensor, write_safetensors},
};

pub use hub::{COMMIT, Hub, Request, Served};

const HIDDEN: i64 = 64;
const INNER: i64 = 160;
const LAYERS: usize = 2;
const KV: i64 = 32;
const SPECIALS: [&str; 4] = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|pad|>"];
const VOCAB: i64 = SPECIALS.len() as i64 + 256;
const TEMPLATE: &str = "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + \
    message['content'] + '<|im_end|>\n' }}\
                        {% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' \
                        }}{% endif %}";

/// Writes a random llama of 2 layers with a byte-level tokenizer of 260 tokens into `folder`;
/// `seed` fixes every byte of it.
pub fn write_tiny_model(folder: &Path, seed: u64) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(|source| Error::Read {
        path: folder.into(),
        source,
    })?;
    let put = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        std::fs::write(&path, bytes).map_err(|source| Error::Read { path, source })
    };
    let weights = weights(seed);
    let named: Vec<NamedTensor<'_>> = weights
        .iter()
        .map(|(name, tensor)| NamedTensor {
            name: name.clone(),
            tensor,
        })
        .collect();
    put(
        "model.safetensors",
        &write_safetensors(&named, &BTreeMap::from([("format", "pt".to_owned())])),
    )?;
    put("config.json", config().to_string().as_bytes())?;
    put("tokenizer.json", tokenizer().to_string().as_bytes())?;
    let tokens =
        json!({"chat_template": TEMPLATE, "eos_token": "<|im_end|>", "bos_token": "<|im_start|>"});
    put("tokenizer_config.json", tokens.to_string().as_bytes())
}

fn config() -> Value {
    json!({"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": VOCAB,
        "hidden_size": HIDDEN, "intermediate_size": INNER,
           "num_hidden_layers": LAYERS, "num_attention_heads": 4, "num_key_value_heads": 2,
               "max_position_embeddings": 2048,
           "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "hidden_act": "silu",
               "tie_word_embeddings": true, "eos_token_id": 2})
}

fn weights(seed: u64) -> Vec<(String, Tensor)> {
    let mut stream = ChaCha8Rng::seed_from_u64(seed);
    let mut random = |shape: &[i64]| {
        let values: Vec<f32> = (0..shape.iter().product())
            .map(|_| ((stream.next_u32() >> 8) as f32 / (1 << 23) as f32 - 1.0) * 0.2)
            .collect();
        Tensor::from_slice(&values).view(shape)
    };
    let ones = || Tensor::ones([HIDDEN], (tch::Kind::Float, tch::Device::Cpu));
    let mut weights = vec![
        (
            "model.embed_tokens.weight".to_owned(),
            random(&[VOCAB, HIDDEN]),
        ),
        ("model.norm.weight".to_owned(), ones()),
    ];
    for layer in 0..LAYERS {
        let linears = [
            ("self_attn.q_proj", HIDDEN, HIDDEN),
            ("self_attn.k_proj", KV, HIDDEN),
            ("self_attn.v_proj", KV, HIDDEN),
            ("self_attn.o_proj", HIDDEN, HIDDEN),
            ("mlp.gate_proj", INNER, HIDDEN),
            ("mlp.up_proj", INNER, HIDDEN),
            ("mlp.down_proj", HIDDEN, INNER),
        ];
        weights.extend(linears.map(|(name, out, input)| {
            (
                format!("model.layers.{layer}.{name}.weight"),
                random(&[out, input]),
            )
        }));
        weights.extend(
            ["input_layernorm", "post_attention_layernorm"]
                .map(|name| (format!("model.layers.{layer}.{name}.weight"), ones())),
        );
    }
    weights
}

fn tokenizer() -> Value {
    let special = |(id, text): (usize, &&str)| {
        json!({"id": id, "content": text,
        "single_word": false, "lstrip": false, "rstrip": false, "normalized": false,
        "special": true})
    };
    let bytes = (0..=255_u8).map(|byte| {
        (
            character(byte).to_string(),
            SPECIALS.len() + usize::from(byte),
        )
    });
    let vocab: BTreeMap<String, usize> = SPECIALS
        .iter()
        .enumerate()
        .map(|(id, text)| ((*text).to_owned(), id))
        .chain(bytes)
        .collect();
    json!({"version": "1.0", "truncation": null, "padding": null,
        "added_tokens": SPECIALS.iter().enumerate().map(special).collect::<Vec<_>>(),
           "normalizer": null, "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false,
               "trim_offsets": true, "use_regex": true},
           "post_processor": null, "decoder": {"type": "ByteLevel", "add_prefix_space": false,
               "trim_offsets": true, "use_regex": true},
           "model": {"type": "BPE", "dropout": null, "unk_token": null,
               "continuing_subword_prefix": null, "end_of_word_suffix": null,
                     "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
                         "vocab": vocab, "merges": []}})
}
