//! What a model is: its architecture and sizes, from a Hugging Face `config.json`. Refuses by name what `forward` does not compute.

use serde_json::Value;

use crate::error::{Error, Result};

/// The families of transformers that are computed here. They differ in biases (qwen2) and per-head norms (qwen3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Architecture {
    Llama,
    Qwen2,
    Qwen3,
}

impl Architecture {
    /// Reads `model_type` of a configuration or `general.architecture` of a GGUF.
    pub fn parse(name: &str) -> Result<Self> {
        match name {
            "llama" => Ok(Self::Llama),
            "qwen2" => Ok(Self::Qwen2),
            "qwen3" => Ok(Self::Qwen3),
            other => Err(Error::Unsupported { what: "architecture", value: other.into(), supported: "llama, qwen2, qwen3" }),
        }
    }

    /// The name in configurations.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Llama => "llama",
            Self::Qwen2 => "qwen2",
            Self::Qwen3 => "qwen3",
        }
    }
}

/// The sizes of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    pub architecture: Architecture,
    pub vocab_size: i64,
    pub hidden_size: i64,
    pub intermediate_size: i64,
    pub layers: usize,
    pub heads: i64,
    pub kv_heads: i64,
    pub head_dim: i64,
    /// The longest sequence in tokens.
    pub max_positions: i64,
    pub norm_eps: f64,
    pub rope_theta: f64,
    /// The output head is the embedding.
    pub tied: bool,
    /// Ids that end a sequence, as far as the configuration says; the tokenizer and `generation_config.json` may add some.
    pub end_tokens: Vec<i64>,
}

impl Config {
    /// Reads a Hugging Face `config.json` in its old (`rope_theta`) or new (`rope_parameters`) form.
    pub fn from_json(json: &Value) -> Result<Self> {
        let architecture = Architecture::parse(json["model_type"].as_str().unwrap_or("(no model_type)"))?;
        refuse_unknown_forms(json, architecture)?;
        let hidden_size = integer(json, "hidden_size")?;
        let heads = integer(json, "num_attention_heads")?;
        let config = Self {
            architecture,
            vocab_size: integer(json, "vocab_size")?,
            hidden_size,
            intermediate_size: integer(json, "intermediate_size")?,
            layers: integer(json, "num_hidden_layers")? as usize,
            heads,
            kv_heads: json["num_key_value_heads"].as_i64().unwrap_or(heads),
            head_dim: json["head_dim"].as_i64().unwrap_or(if heads > 0 { hidden_size / heads } else { 0 }),
            max_positions: integer(json, "max_position_embeddings")?,
            norm_eps: json["rms_norm_eps"].as_f64().unwrap_or(1e-6),
            rope_theta: rope_theta(json)?,
            tied: json["tie_word_embeddings"].as_bool().unwrap_or(false),
            end_tokens: ids(&json["eos_token_id"]),
        };
        config.check()?;
        Ok(config)
    }

    /// Refuses sizes that no model has.
    pub(crate) fn check(&self) -> Result<()> {
        let sizes =
            [self.vocab_size, self.hidden_size, self.intermediate_size, self.heads, self.kv_heads, self.head_dim, self.max_positions];
        let positive = sizes.iter().all(|&size| size > 0) && self.layers > 0;
        if !positive || self.heads % self.kv_heads != 0 || self.head_dim % 2 != 0 || !(self.rope_theta > 0.0 && self.norm_eps > 0.0) {
            return Err(Error::Config { what: "model configuration".into(), reason: format!("sizes that don't fit together: {self:?}") });
        }
        Ok(())
    }

    /// Why a sequence that shall grow by `new_tokens` cannot go through the model; none if it can.
    pub(crate) fn refuse(&self, ids: &[i64], new_tokens: usize) -> Option<String> {
        let most = self.max_positions;
        if ids.is_empty() {
            return Some("it has no tokens".into());
        }
        if ids.len() + new_tokens > most as usize {
            let more = if new_tokens > 0 { format!(" and {new_tokens} new ones") } else { String::new() };
            return Some(format!("{} tokens{more}; the model takes at most {most}", ids.len()));
        }
        let foreign = ids.iter().find(|id| !(0..self.vocab_size).contains(*id))?;
        Some(format!("id {foreign} is outside the vocabulary of {}", self.vocab_size))
    }

    /// Width of the queries: heads × head_dim.
    pub(crate) fn q_size(&self) -> i64 {
        self.heads * self.head_dim
    }

    /// Width of the keys and of the values.
    pub(crate) fn kv_size(&self) -> i64 {
        self.kv_heads * self.head_dim
    }

    pub(crate) fn qkv_bias(&self) -> bool {
        self.architecture == Architecture::Qwen2
    }

    pub(crate) fn qk_norm(&self) -> bool {
        self.architecture == Architecture::Qwen3
    }
}

fn refuse_unknown_forms(json: &Value, architecture: Architecture) -> Result<()> {
    let refuse = |what: &'static str, value: String, supported| Err(Error::Unsupported { what, value, supported });
    let activation = json["hidden_act"].as_str().unwrap_or("silu");
    if activation != "silu" {
        return refuse("activation", activation.into(), "silu");
    }
    if json["use_sliding_window"].as_bool().unwrap_or(false) {
        return refuse("use_sliding_window", "true".into(), "full attention");
    }
    // qwen2 and qwen3 carry a window's size that counts only with `use_sliding_window`.
    if architecture == Architecture::Llama && json["sliding_window"].as_i64().is_some() {
        return refuse("sliding_window", json["sliding_window"].to_string(), "full attention");
    }
    if let Some(part) = json["partial_rotary_factor"].as_f64().filter(|part| *part != 1.0) {
        return refuse("partial_rotary_factor", part.to_string(), "1");
    }
    if let Some(kinds) = json["layer_types"].as_array()
        && let Some(other) = kinds.iter().find(|kind| kind.as_str() != Some("full_attention"))
    {
        return refuse("layer_types", other.to_string(), "full_attention");
    }
    let biased = architecture != Architecture::Qwen2 && json["attention_bias"].as_bool().unwrap_or(false);
    if biased || json["mlp_bias"].as_bool().unwrap_or(false) {
        return refuse("attention_bias or mlp_bias", "true".into(), "false (qwen2 has its own)");
    }
    if json.get("quantization_config").is_some_and(|value| !value.is_null()) {
        return refuse(
            "quantization_config",
            json["quantization_config"]["quant_method"].to_string(),
            "unquantised safetensors, or a .gguf",
        );
    }
    Ok(())
}

fn rope_theta(json: &Value) -> Result<f64> {
    for key in ["rope_parameters", "rope_scaling"] {
        let kind = ["rope_type", "type"].iter().find_map(|name| json[key][name].as_str());
        let scaled = json[key].as_object().and_then(|form| form.keys().find(|key| key.contains("factor") || key.ends_with("_attention")));
        let kind = kind.filter(|kind| *kind != "default").or(scaled.filter(|_| kind.is_none()).map(String::as_str));
        if let Some(kind) = kind {
            return Err(Error::Unsupported { what: "rope scaling", value: kind.into(), supported: "default" });
        }
    }
    let theta = json["rope_parameters"]["rope_theta"].as_f64().or_else(|| json["rope_theta"].as_f64());
    Ok(theta.unwrap_or(10000.0))
}

fn integer(json: &Value, key: &str) -> Result<i64> {
    json[key]
        .as_i64()
        .ok_or_else(|| Error::Config { what: "config.json".into(), reason: format!("`{key}` is missing or not a whole number") })
}

/// Ids of a field that holds one id, a list, or nothing.
pub(crate) fn ids(value: &Value) -> Vec<i64> {
    match value {
        Value::Array(list) => list.iter().filter_map(Value::as_i64).collect(),
        other => other.as_i64().into_iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn base() -> Value {
        json!({"model_type": "llama", "vocab_size": 32, "hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 1,
               "num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 64, "eos_token_id": [1, 2]})
    }

    fn with(key: &str, value: Value) -> Result<Config> {
        let mut json = base();
        json[key] = value;
        Config::from_json(&json)
    }

    #[test]
    fn both_rope_forms_are_read() {
        assert_eq!(with("rope_theta", json!(5e5)).unwrap().rope_theta, 5e5);
        assert_eq!(with("rope_parameters", json!({"rope_theta": 7e4, "rope_type": "default"})).unwrap().rope_theta, 7e4);
        assert_eq!(Config::from_json(&base()).unwrap().end_tokens, [1, 2]);
    }

    #[test]
    fn what_is_not_computed_is_refused_by_name() {
        let named = |result: Result<Config>| result.unwrap_err().to_string();
        assert!(named(with("rope_scaling", json!({"rope_type": "yarn"}))).contains("yarn"));
        assert!(named(with("rope_parameters", json!({"rope_type": "llama3"}))).contains("llama3"));
        assert!(named(with("rope_scaling", json!({"factor": 2.0}))).contains("factor"));
        assert!(named(with("rope_parameters", json!({"full_attention": {"rope_theta": 1e4}}))).contains("full_attention"));
        assert!(named(with("sliding_window", json!(4096))).contains("sliding_window"));
        assert!(named(with("layer_types", json!(["full_attention", "sliding_attention"]))).contains("sliding_attention"));
        assert!(named(with("partial_rotary_factor", json!(0.5))).contains("partial_rotary_factor"));
        assert!(named(with("attention_bias", json!(true))).contains("attention_bias"));
        assert!(named(with("quantization_config", json!({"quant_method": "gptq"}))).contains("gptq"));
        let mut qwen = base();
        (qwen["model_type"], qwen["sliding_window"], qwen["use_sliding_window"]) = (json!("qwen2"), json!(32768), json!(false));
        assert!(Config::from_json(&qwen).is_ok(), "a window that is off");
        assert!(named(with("use_sliding_window", json!(true))).contains("sliding"));
        assert!(named(with("model_type", json!("mamba"))).contains("mamba"));
        assert!(named(with("hidden_act", json!("gelu"))).contains("gelu"));
        assert!(named(with("num_key_value_heads", json!(0))).contains("sizes"));
    }
}
