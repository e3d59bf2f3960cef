//! `config.json` and `generation_config.json` of a folder: the base's own, or what a GGUF's
//! metadata say in Hugging Face's words, read back before it is written.

use serde_json::{Value, json};

use crate::{
    config::{Architecture, Config, RopeScaling},
    error::{Error, Result},
    load::Checkpoint,
};

/// What transformers keeps of where a model came from.
const NAME: &str = "_name_or_path";

/// The contents of `config.json`.
pub(super) fn model_config(checkpoint: &Checkpoint) -> Result<Option<Vec<u8>>> {
    if let Some(bytes) = checkpoint.text_file("config.json")? {
        return Ok(Some(without_name(bytes)));
    }
    let json = of_gguf(&checkpoint.config)?;
    let read = Config::from_json(&json)?;
    let same = Config {
        end_tokens: checkpoint.config.end_tokens.clone(),
        ..read
    };
    if same != checkpoint.config {
        let reason = format!(
            "{same:?} would be read of it, and not {:?}",
            checkpoint.config
        );
        return Err(Error::Config {
            what: "config.json for this GGUF".into(),
            reason,
        });
    }
    Ok(Some(format!("{json:#}\n").into_bytes()))
}

/// A configuration that does not say what the base was called: with an adapter in it, it is another
/// model.
fn without_name(bytes: Vec<u8>) -> Vec<u8> {
    match serde_json::from_slice::<Value>(&bytes) {
        Ok(Value::Object(mut fields)) if fields.contains_key(NAME) => {
            fields.remove(NAME);
            format!("{:#}\n", Value::Object(fields)).into_bytes()
        }
        // The file as it is: it was read before.
        _ => bytes,
    }
}

/// The contents of `generation_config.json`, where there is one: chat models name end tokens there.
pub(super) fn generation_config(checkpoint: &Checkpoint) -> Result<Option<Vec<u8>>> {
    if checkpoint.is_folder() {
        return checkpoint.text_file("generation_config.json");
    }
    let end_tokens = checkpoint.tokenizer_parts()?.end_tokens;
    let json = json!({"eos_token_id": end_tokens});
    Ok(Some(format!("{json:#}\n").into_bytes()))
}

fn of_gguf(config: &Config) -> Result<Value> {
    let class = match config.architecture {
        Architecture::Qwen2 => "Qwen2ForCausalLM",
        Architecture::Qwen3 => "Qwen3ForCausalLM",
        // A mistral calls itself a llama there.
        Architecture::Llama | Architecture::Mistral => "LlamaForCausalLM",
        Architecture::Gemma3 => {
            return Err(Error::Unsupported {
                what: "merging into a GGUF",
                value: "gemma3".into(),
                supported: "llama, qwen2, qwen3; merge into the Hugging Face folder of this model",
            });
        }
    };
    let scaling = match &config.rope_scaling {
        RopeScaling::None => Value::Null,
        RopeScaling::Linear { factor } => json!({"rope_type": "linear", "factor": factor}),
        _ => {
            return Err(Error::Unsupported {
                what: "rope scaling of a GGUF in a Hugging Face folder",
                value: "a factor for each frequency".into(),
                supported: "none and linear; merge into the Hugging Face folder of this model",
            });
        }
    };
    Ok(json!({
        "architectures": [class],
        "model_type": config.architecture.as_str(),
        "vocab_size": config.vocab_size,
        "hidden_size": config.hidden_size,
        "intermediate_size": config.intermediate_size,
        "num_hidden_layers": config.layers,
        "num_attention_heads": config.heads,
        "num_key_value_heads": config.kv_heads,
        "head_dim": config.head_dim,
        "max_position_embeddings": config.max_positions,
        "rms_norm_eps": config.norm_eps,
        "rope_theta": config.rope_theta,
        "rope_scaling": scaling,
        "tie_word_embeddings": config.tied,
        "hidden_act": "silu",
        "attention_bias": false,
        "torch_dtype": "float32",
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_factor_for_each_frequency_has_no_words() {
        let json = json!({
            "model_type": "llama", "vocab_size": 8, "hidden_size": 8, "intermediate_size": 8,
            "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1,
            "max_position_embeddings": 16, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
        });
        let mut config = Config::from_json(&json).unwrap();
        let written = of_gguf(&config).unwrap();
        let read = Config::from_json(&written).unwrap();
        assert_eq!(read, config);
        config.architecture = Architecture::Gemma3;
        let message = of_gguf(&config).unwrap_err().to_string();
        assert!(message.contains("gemma3"), "{message}");
        config.architecture = Architecture::Llama;
        config.rope_scaling = RopeScaling::Each(vec![1.0, 8.0]);
        let message = of_gguf(&config).unwrap_err().to_string();
        assert!(message.contains("a factor for each frequency"), "{message}");
    }
}
