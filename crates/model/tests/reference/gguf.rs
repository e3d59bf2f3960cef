//! Writes GGUF files as llama.cpp's converter does, for what they have in common with the folders they are made from.

use std::path::Path;

use safetensors::SafeTensors;
use serde_json::Value;
use tempfile::TempPath;

/// A value of a GGUF's metadata.
#[derive(Clone)]
pub enum Meta {
    Integer(u32),
    Float(f32),
    Text(String),
    Flag(bool),
    Texts(Vec<String>),
    Integers(Vec<i32>),
    Floats(Vec<f32>),
}

impl Meta {
    fn write(&self, out: &mut Vec<u8>) {
        let kind: u32 = match self {
            Self::Integer(_) => 4,
            Self::Float(_) => 6,
            Self::Flag(_) => 7,
            Self::Text(_) => 8,
            Self::Texts(_) | Self::Integers(_) | Self::Floats(_) => 9,
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
            Self::Floats(values) => {
                out.extend(6_u32.to_le_bytes());
                out.extend((values.len() as u64).to_le_bytes());
                values
                    .iter()
                    .for_each(|value| out.extend(value.to_le_bytes()));
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

/// The GGUF of a Hugging Face folder in float32, as llama.cpp's converter writes it: rows of a llama's q and k permuted, others not; one is added to the norms of a gemma3.
pub fn write_gguf(folder: &Path, more: Vec<(String, Meta)>) -> TempPath {
    let config: Value =
        serde_json::from_slice(&std::fs::read(folder.join("config.json")).unwrap()).unwrap();
    // The converter has names of its own.
    let architecture = match config["model_type"].as_str().unwrap() {
        "mistral" => "llama",
        "gemma3_text" => "gemma3",
        other => other,
    };
    let mut metadata = sizes(&config, architecture);
    metadata.extend(scaling(&config, architecture));
    metadata.extend(more);
    let bytes = std::fs::read(folder.join("model.safetensors")).unwrap();
    let weights = SafeTensors::deserialize(&bytes).unwrap();
    let (mut infos, mut data) = (Vec::new(), Vec::new());
    let factors = rope_factors(&config);
    if let Some(factors) = &factors {
        write_info(&mut infos, "rope_freqs.weight", &[factors.len()], 0);
        factors
            .iter()
            .for_each(|factor| data.extend(factor.to_le_bytes()));
        data.resize(data.len().next_multiple_of(32), 0);
    }
    for (name, view) in weights.iter() {
        write_info(
            &mut infos,
            &stored_name(name, architecture),
            view.shape(),
            data.len(),
        );
        let heads =
            |key: &str| (architecture == "llama").then(|| config[key].as_u64().unwrap() as usize);
        let permuted = match name {
            name if name.contains("q_proj") => heads("num_attention_heads"),
            name if name.contains("k_proj") => heads("num_key_value_heads"),
            _ => None,
        };
        match permuted {
            Some(heads) => data.extend(permute(view.data(), view.shape()[0], heads)),
            None if architecture == "gemma3" && name.ends_with("norm.weight") => {
                for bytes in view.data().chunks_exact(4) {
                    let value = f32::from_le_bytes(bytes.try_into().unwrap()) + 1.0;
                    data.extend(value.to_le_bytes());
                }
            }
            None => data.extend(view.data()),
        }
        data.resize(data.len().next_multiple_of(32), 0);
    }
    let mut out = b"GGUF\x03\0\0\0".to_vec();
    let tensors = weights.len() + usize::from(factors.is_some());
    out.extend((tensors as u64).to_le_bytes());
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

/// Describes a tensor in float32 whose data begin at `start`.
fn write_info(infos: &mut Vec<u8>, name: &str, shape: &[usize], start: usize) {
    write_text(infos, name);
    infos.extend((shape.len() as u32).to_le_bytes());
    shape
        .iter()
        .rev()
        .for_each(|&size| infos.extend((size as u64).to_le_bytes()));
    infos.extend(0_u32.to_le_bytes());
    infos.extend((start as u64).to_le_bytes());
}

fn rope<'a>(config: &'a Value, kind: &str) -> Option<&'a Value> {
    let forms = &config["rope_parameters"];
    let form = forms.get("full_attention").unwrap_or(forms);
    (form["rope_type"] == kind).then_some(form)
}

/// Linear scaling is in the metadata.
fn scaling(config: &Value, architecture: &str) -> Vec<(String, Meta)> {
    let Some(form) = rope(config, "linear") else {
        return Vec::new();
    };
    let factor = Meta::Float(form["factor"].as_f64().unwrap() as f32);
    let key = |name: &str| format!("{architecture}.rope.scaling.{name}");
    vec![
        (key("type"), Meta::Text("linear".into())),
        (key("factor"), factor),
    ]
}

/// Llama 3's scaling is a tensor.
fn rope_factors(config: &Value) -> Option<Vec<f32>> {
    let form = rope(config, "llama3")?;
    let number = |key: &str| form[key].as_f64().unwrap();
    let (low, high) = (number("low_freq_factor"), number("high_freq_factor"));
    let head_dim = config["head_dim"].as_u64().unwrap();
    let factor = |pair: u64| {
        let exponent = (2 * pair) as f64 / head_dim as f64;
        let wave = std::f64::consts::TAU * number("rope_theta").powf(exponent);
        // How many waves fit into the first context.
        let waves = number("original_max_position_embeddings") / wave;
        let share = ((waves - low) / (high - low)).clamp(0.0, 1.0);
        1.0 / ((1.0 - share) / number("factor") + share)
    };
    Some((0..head_dim / 2).map(|pair| factor(pair) as f32).collect())
}

fn sizes(config: &Value, architecture: &str) -> Vec<(String, Meta)> {
    let integer = |key: &str| Meta::Integer(config[key].as_u64().unwrap() as u32);
    let form = &config["rope_parameters"];
    let theta = [form, &form["full_attention"], config]
        .iter()
        .find_map(|form| form["rope_theta"].as_f64())
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
    if architecture == "gemma3" {
        let kinds = config["layer_types"].as_array().unwrap();
        let global = kinds.iter().position(|kind| kind == "full_attention");
        sizes.push(("attention.sliding_window", integer("sliding_window")));
        let pattern = Meta::Integer(global.unwrap() as u32 + 1);
        sizes.push(("attention.sliding_window_pattern", pattern));
    }
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

fn stored_name(name: &str, architecture: &str) -> String {
    let own: &[(&str, &str)] = match architecture {
        "gemma3" => &[
            ("post_attention_layernorm", "post_attention_norm"),
            ("pre_feedforward_layernorm", "ffn_norm"),
            ("post_feedforward_layernorm", "post_ffw_norm"),
        ],
        _ => &[],
    };
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
    own.iter()
        .chain(&names)
        .fold(name.to_owned(), |name, (theirs, stored)| {
            name.replace(theirs, stored)
        })
}
