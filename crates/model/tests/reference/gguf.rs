//! Writes GGUF files as llama.cpp's converter does, for what they have in common with the folders they are made from.

use std::path::Path;

use safetensors::SafeTensors;
use serde_json::Value;
use tempfile::TempPath;

/// A value of a GGUF's metadata.
pub enum Meta {
    Integer(u32),
    Float(f32),
    Text(String),
    Flag(bool),
    Texts(Vec<String>),
    Integers(Vec<i32>),
}

impl Meta {
    fn write(&self, out: &mut Vec<u8>) {
        let kind: u32 = match self {
            Self::Integer(_) => 4,
            Self::Float(_) => 6,
            Self::Flag(_) => 7,
            Self::Text(_) => 8,
            Self::Texts(_) | Self::Integers(_) => 9,
        };
        out.extend(kind.to_le_bytes());
        match self {
            Self::Integer(value) => out.extend(value.to_le_bytes()),
            Self::Float(value) => out.extend(value.to_le_bytes()),
            Self::Flag(flag) => out.push(u8::from(*flag)),
            Self::Text(text) => write_text(out, text),
            Self::Texts(texts) => {
                out.extend(8_u32.to_le_bytes());
                out.extend((texts.len() as u64).to_le_bytes());
                texts.iter().for_each(|text| write_text(out, text));
            }
            Self::Integers(values) => {
                out.extend(5_u32.to_le_bytes());
                out.extend((values.len() as u64).to_le_bytes());
                values
                    .iter()
                    .for_each(|value| out.extend(value.to_le_bytes()));
            }
        }
    }
}

fn write_text(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

/// The GGUF of a Hugging Face folder in float32, as llama.cpp's converter writes it: rows of a llama's q and k permuted, others not.
pub fn write_gguf(folder: &Path, more: Vec<(String, Meta)>) -> TempPath {
    let config: Value =
        serde_json::from_slice(&std::fs::read(folder.join("config.json")).unwrap()).unwrap();
    let architecture = config["model_type"].as_str().unwrap();
    let mut metadata = sizes(&config, architecture);
    metadata.extend(more);
    let bytes = std::fs::read(folder.join("model.safetensors")).unwrap();
    let weights = SafeTensors::deserialize(&bytes).unwrap();
    let (mut infos, mut data) = (Vec::new(), Vec::new());
    for (name, view) in weights.iter() {
        write_text(&mut infos, &stored_name(name));
        infos.extend((view.shape().len() as u32).to_le_bytes());
        view.shape()
            .iter()
            .rev()
            .for_each(|&size| infos.extend((size as u64).to_le_bytes()));
        infos.extend(0_u32.to_le_bytes());
        infos.extend((data.len() as u64).to_le_bytes());
        let heads =
            |key: &str| (architecture == "llama").then(|| config[key].as_u64().unwrap() as usize);
        let permuted = match name {
            name if name.contains("q_proj") => heads("num_attention_heads"),
            name if name.contains("k_proj") => heads("num_key_value_heads"),
            _ => None,
        };
        match permuted {
            Some(heads) => data.extend(permute(view.data(), view.shape()[0], heads)),
            None => data.extend(view.data()),
        }
        data.resize(data.len().next_multiple_of(32), 0);
    }
    let mut out = b"GGUF\x03\0\0\0".to_vec();
    out.extend((weights.len() as u64).to_le_bytes());
    out.extend((metadata.len() as u64).to_le_bytes());
    for (key, value) in &metadata {
        write_text(&mut out, key);
        value.write(&mut out);
    }
    out.extend(infos);
    out.resize(out.len().next_multiple_of(32), 0);
    out.extend(data);
    let file = tempfile::Builder::new().suffix(".gguf").tempfile().unwrap();
    std::fs::write(file.path(), out).unwrap();
    file.into_temp_path()
}

fn sizes(config: &Value, architecture: &str) -> Vec<(String, Meta)> {
    let integer = |key: &str| Meta::Integer(config[key].as_u64().unwrap() as u32);
    let theta = config["rope_parameters"]["rope_theta"]
        .as_f64()
        .or_else(|| config["rope_theta"].as_f64())
        .unwrap();
    let mut sizes = vec![
        ("embedding_length", integer("hidden_size")),
        ("feed_forward_length", integer("intermediate_size")),
        ("block_count", integer("num_hidden_layers")),
        ("attention.head_count", integer("num_attention_heads")),
        ("attention.head_count_kv", integer("num_key_value_heads")),
        ("context_length", integer("max_position_embeddings")),
        (
            "attention.layer_norm_rms_epsilon",
            Meta::Float(config["rms_norm_eps"].as_f64().unwrap() as f32),
        ),
        ("rope.freq_base", Meta::Float(theta as f32)),
    ];
    if config["head_dim"].is_u64() {
        sizes.push(("attention.key_length", integer("head_dim")));
    }
    let general = (
        "general.architecture".to_owned(),
        Meta::Text(architecture.into()),
    );
    std::iter::once(general)
        .chain(
            sizes
                .into_iter()
                .map(|(key, value)| (format!("{architecture}.{key}"), value)),
        )
        .collect()
}

/// The two halves of every head's rows interleaved.
fn permute(data: &[u8], rows: usize, heads: usize) -> Vec<u8> {
    let (row, half) = (data.len() / rows, rows / heads / 2);
    let place = |to: usize| {
        let (head, within) = (to / (2 * half), to % (2 * half));
        head * 2 * half + within % 2 * half + within / 2
    };
    (0..rows)
        .flat_map(|to| data[place(to) * row..(place(to) + 1) * row].to_vec())
        .collect()
}

fn stored_name(name: &str) -> String {
    let names = [
        ("model.embed_tokens", "token_embd"),
        ("model.norm", "output_norm"),
        ("lm_head", "output"),
        ("model.layers.", "blk."),
        ("input_layernorm", "attn_norm"),
        ("post_attention_layernorm", "ffn_norm"),
        ("self_attn.q_proj", "attn_q"),
        ("self_attn.k_proj", "attn_k"),
        ("self_attn.v_proj", "attn_v"),
        ("self_attn.o_proj", "attn_output"),
        ("self_attn.q_norm", "attn_q_norm"),
        ("self_attn.k_norm", "attn_k_norm"),
        ("mlp.gate_proj", "ffn_gate"),
        ("mlp.up_proj", "ffn_up"),
        ("mlp.down_proj", "ffn_down"),
    ];
    names
        .iter()
        .fold(name.to_owned(), |name, (theirs, stored)| {
            name.replace(theirs, stored)
        })
}
