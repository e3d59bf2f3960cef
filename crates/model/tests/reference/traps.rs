//! What the same model looks like in other files, and what a tokenizer may add: places where other programs have gone wrong.

use std::path::Path;

use crate::common::{fixture, models};
use groklab_model::{ChatTokenizer, Message, Model, Placement, last_logits, load, testing};
use safetensors::SafeTensors;
use serde_json::{Value, json};
use tempfile::TempPath;

/// A value of a GGUF's metadata.
enum Meta {
    Integer(u32),
    Float(f32),
    Text(String),
    Texts(Vec<String>),
    Integers(Vec<i32>),
}

impl Meta {
    fn write(&self, out: &mut Vec<u8>) {
        let kind: u32 = match self {
            Self::Integer(_) => 4,
            Self::Float(_) => 6,
            Self::Text(_) => 8,
            Self::Texts(_) | Self::Integers(_) => 9,
        };
        out.extend(kind.to_le_bytes());
        match self {
            Self::Integer(value) => out.extend(value.to_le_bytes()),
            Self::Float(value) => out.extend(value.to_le_bytes()),
            Self::Text(text) => write_text(out, text),
            Self::Texts(texts) => {
                out.extend(8_u32.to_le_bytes());
                out.extend((texts.len() as u64).to_le_bytes());
                texts.iter().for_each(|text| write_text(out, text));
            }
            Self::Integers(values) => {
                out.extend(5_u32.to_le_bytes());
                out.extend((values.len() as u64).to_le_bytes());
                values.iter().for_each(|value| out.extend(value.to_le_bytes()));
            }
        }
    }
}

fn write_text(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

/// The GGUF of a Hugging Face folder in float32, as llama.cpp's converter writes it: rows of a llama's q and k permuted, others not.
fn write_gguf(folder: &Path, more: Vec<(String, Meta)>) -> TempPath {
    let config: Value = serde_json::from_slice(&std::fs::read(folder.join("config.json")).unwrap()).unwrap();
    let architecture = config["model_type"].as_str().unwrap();
    let mut metadata = sizes(&config, architecture);
    metadata.extend(more);
    let bytes = std::fs::read(folder.join("model.safetensors")).unwrap();
    let weights = SafeTensors::deserialize(&bytes).unwrap();
    let (mut infos, mut data) = (Vec::new(), Vec::new());
    for (name, view) in weights.iter() {
        write_text(&mut infos, &stored_name(name));
        infos.extend((view.shape().len() as u32).to_le_bytes());
        view.shape().iter().rev().for_each(|&size| infos.extend((size as u64).to_le_bytes()));
        infos.extend(0_u32.to_le_bytes());
        infos.extend((data.len() as u64).to_le_bytes());
        let heads = |key: &str| (architecture == "llama").then(|| config[key].as_u64().unwrap() as usize);
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
    let theta = config["rope_parameters"]["rope_theta"].as_f64().or_else(|| config["rope_theta"].as_f64()).unwrap();
    let mut sizes = vec![
        ("embedding_length", integer("hidden_size")),
        ("feed_forward_length", integer("intermediate_size")),
        ("block_count", integer("num_hidden_layers")),
        ("attention.head_count", integer("num_attention_heads")),
        ("attention.head_count_kv", integer("num_key_value_heads")),
        ("context_length", integer("max_position_embeddings")),
        ("attention.layer_norm_rms_epsilon", Meta::Float(config["rms_norm_eps"].as_f64().unwrap() as f32)),
        ("rope.freq_base", Meta::Float(theta as f32)),
    ];
    if config["head_dim"].is_u64() {
        sizes.push(("attention.key_length", integer("head_dim")));
    }
    let general = ("general.architecture".to_owned(), Meta::Text(architecture.into()));
    std::iter::once(general).chain(sizes.into_iter().map(|(key, value)| (format!("{architecture}.{key}"), value))).collect()
}

/// The two halves of every head's rows interleaved.
fn permute(data: &[u8], rows: usize, heads: usize) -> Vec<u8> {
    let (row, half) = (data.len() / rows, rows / heads / 2);
    let place = |to: usize| {
        let (head, within) = (to / (2 * half), to % (2 * half));
        head * 2 * half + within % 2 * half + within / 2
    };
    (0..rows).flat_map(|to| data[place(to) * row..(place(to) + 1) * row].to_vec()).collect()
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
    names.iter().fold(name.to_owned(), |name, (theirs, stored)| name.replace(theirs, stored))
}

#[test]
fn a_gguf_of_every_architecture_is_the_same_model() {
    for name in models() {
        let fixture = fixture(&name);
        let path = write_gguf(&fixture.folder, Vec::new());
        let model = Model::open(path.to_str().unwrap(), Path::new("/nonexistent"), Placement::CPU).unwrap();
        let rows = fixture.rows();
        assert_eq!(last_logits(&model, None, &rows).unwrap(), last_logits(&fixture.model, None, &rows).unwrap(), "{name}");
    }
}

#[test]
fn a_gguf_with_scaled_positions_or_a_window_is_refused_by_name() {
    let folder = fixture("tiny-qwen2").folder;
    for (key, value, named) in [
        ("qwen2.rope.scaling.type", Meta::Text("yarn".into()), "rope scaling `yarn`"),
        ("qwen2.attention.sliding_window", Meta::Integer(64), "sliding window `64`"),
    ] {
        let path = write_gguf(&folder, vec![(key.to_owned(), value)]);
        let error = Model::open(path.to_str().unwrap(), Path::new("/nonexistent"), Placement::CPU).err().unwrap().to_string();
        assert!(error.contains(named), "{error}");
    }
}

/// The tiny model's folder, with `change` done to its tokenizer, its tokenizer's configuration and whatever else.
fn tiny(change: impl Fn(&Path, &mut Value, &mut Value)) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    testing::write_tiny_model(folder.path(), 1).unwrap();
    let read = |name: &str| serde_json::from_slice::<Value>(&std::fs::read(folder.path().join(name)).unwrap()).unwrap();
    let (mut tokenizer, mut config) = (read("tokenizer.json"), read("tokenizer_config.json"));
    change(folder.path(), &mut tokenizer, &mut config);
    std::fs::write(folder.path().join("tokenizer.json"), tokenizer.to_string()).unwrap();
    std::fs::write(folder.path().join("tokenizer_config.json"), config.to_string()).unwrap();
    folder
}

fn tokenizer(source: &Path) -> groklab_model::Result<ChatTokenizer> {
    load(source.to_str().unwrap(), Path::new("/nonexistent"), Placement::CPU).map(|(_, tokenizer)| tokenizer)
}

fn user(content: &str) -> Vec<Message> {
    vec![Message { role: "user".into(), content: content.into() }]
}

#[test]
fn a_gguf_has_the_tokenizer_of_its_folder_or_is_refused() {
    let folder = tiny(|_, _, _| ());
    let json: Value = serde_json::from_slice(&std::fs::read(folder.path().join("tokenizer.json")).unwrap()).unwrap();
    let config: Value = serde_json::from_slice(&std::fs::read(folder.path().join("tokenizer_config.json")).unwrap()).unwrap();
    let mut tokens: Vec<(u64, String)> =
        json["model"]["vocab"].as_object().unwrap().iter().map(|(text, id)| (id.as_u64().unwrap(), text.clone())).collect();
    tokens.sort_unstable();
    let with_pre = |pre: &str| {
        let text = |key: &str, value: &str| (format!("tokenizer.{key}"), Meta::Text(value.into()));
        vec![
            text("ggml.model", "gpt2"),
            text("ggml.pre", pre),
            text("chat_template", config["chat_template"].as_str().unwrap()),
            ("tokenizer.ggml.tokens".to_owned(), Meta::Texts(tokens.iter().map(|(_, text)| text.clone()).collect())),
            ("tokenizer.ggml.token_type".to_owned(), Meta::Integers((0..260).map(|id| if id < 4 { 3 } else { 1 }).collect())),
            ("tokenizer.ggml.merges".to_owned(), Meta::Texts(Vec::new())),
            ("tokenizer.ggml.eos_token_id".to_owned(), Meta::Integer(2)),
        ]
    };
    let path = write_gguf(folder.path(), with_pre("gpt-2"));
    let (ours, theirs) = (tokenizer(&path).unwrap(), tokenizer(folder.path()).unwrap());
    for text in ["hello", " <|im_end|> é\n", ""] {
        assert_eq!(ours.encode_prompt(text).unwrap(), theirs.encode_prompt(text).unwrap(), "{text:?}");
    }
    assert_eq!(ours.end_tokens(), theirs.end_tokens());
    let path = write_gguf(folder.path(), with_pre("martian"));
    let error = tokenizer(&path).err().unwrap().to_string();
    assert!(error.contains("pre-tokeniser `martian`"), "{error}");
}

#[test]
fn end_tokens_are_a_set_from_all_files() {
    let folder = tiny(|folder, _, _| {
        std::fs::write(folder.join("generation_config.json"), json!({"eos_token_id": [0, 7]}).to_string()).unwrap();
    });
    let tokenizer = tokenizer(folder.path()).unwrap();
    assert_eq!(tokenizer.end_tokens().iter().copied().collect::<Vec<_>>(), [0, 2, 7]);
    // A completion that ends with any of them is closed.
    let mut completion = vec![70, 7];
    tokenizer.close(&mut completion);
    assert_eq!(completion, [70, 7]);
    assert_eq!(tokenizer.end_token(), Some(2), "what ends a turn is what is taught");
}

#[test]
fn a_beginning_that_template_and_tokenizer_both_add_comes_once() {
    let folder = tiny(|_, tokenizer, config| {
        let begin = json!({"SpecialToken": {"id": "<|endoftext|>", "type_id": 0}});
        let text = |id: &str| json!({"Sequence": {"id": id, "type_id": 0}});
        tokenizer["post_processor"] = json!({"type": "TemplateProcessing", "single": [begin, text("A")], "pair": [begin, text("A"), text("B")],
            "special_tokens": {"<|endoftext|>": {"id": "<|endoftext|>", "ids": [0], "tokens": ["<|endoftext|>"]}}});
        config["bos_token"] = json!("<|endoftext|>");
        config["chat_template"] = json!(format!("{{{{ bos_token }}}}{}", config["chat_template"].as_str().unwrap()));
    });
    let tokenizer = tokenizer(folder.path()).unwrap();
    for ids in [tokenizer.encode_prompt("a").unwrap(), tokenizer.encode_messages(&user("a")).unwrap()] {
        assert_eq!((ids[0], ids.iter().filter(|id| **id == 0).count()), (0, 1), "{ids:?}");
    }
    assert_eq!(tokenizer.encode_raw("a").unwrap(), [vec![0], tokenizer.encode_text("a").unwrap()].concat());
    assert_eq!(tokenizer.encode_text("a").unwrap(), [4 + i64::from(b'a')]);
}
