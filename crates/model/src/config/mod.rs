//! What a model is: its architecture and sizes.

mod fields;
mod json;
mod rope;

pub(crate) use fields::Fields;
pub(crate) use rope::frequencies;
pub use rope::{Llama3, RopeScaling};

use crate::error::{Error, Result};

/// The families of transformers that are computed here. They differ in biases (qwen2), in per-head
/// norms (qwen3) and in what a configuration without a field means (mistral).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Architecture {
    Llama,
    Mistral,
    Qwen2,
    Qwen3,
}

impl Architecture {
    /// Reads `model_type` of a configuration or `general.architecture` of a GGUF.
    pub fn parse(name: &str) -> Result<Self> {
        match name {
            "llama" => Ok(Self::Llama),
            "mistral" => Ok(Self::Mistral),
            "qwen2" => Ok(Self::Qwen2),
            "qwen3" => Ok(Self::Qwen3),
            other => Err(Error::Unsupported {
                what: "architecture",
                value: other.into(),
                supported: "llama, mistral, qwen2, qwen3",
            }),
        }
    }

    /// The name in configurations.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Llama => "llama",
            Self::Mistral => "mistral",
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
    pub rope_scaling: RopeScaling,
    /// The output head is the embedding.
    pub tied: bool,
    /// Ids that end a sequence, as far as the configuration says; the tokenizer and
    /// `generation_config.json` may add some.
    pub end_tokens: Vec<i64>,
}

impl Config {
    /// Refuses sizes that no model has.
    pub(crate) fn check(&self) -> Result<()> {
        let sizes = [
            self.vocab_size,
            self.hidden_size,
            self.intermediate_size,
            self.heads,
            self.kv_heads,
            self.head_dim,
            self.max_positions,
        ];
        let positive = sizes.iter().all(|&size| size > 0) && self.layers > 0;
        // Every key head serves as many queries as the others, and a head is rotated in two halves.
        if !positive
            || self.heads % self.kv_heads != 0
            || self.head_dim % 2 != 0
            || !(self.rope_theta > 0.0 && self.norm_eps > 0.0)
        {
            return Err(Error::Config {
                what: "model configuration".into(),
                reason: format!("sizes that don't fit together: {self:?}"),
            });
        }
        let scaling = self.rope_scaling.refuse(self.head_dim);
        scaling.map_or(Ok(()), |reason| {
            Err(Error::Config {
                what: "model configuration".into(),
                reason,
            })
        })
    }

    /// Why a sequence that is to grow by `new_tokens` cannot go through the model; none if it can.
    pub(crate) fn refuse(&self, ids: &[i64], new_tokens: usize) -> Option<String> {
        let most = self.max_positions;
        if ids.is_empty() {
            return Some("it has no tokens".into());
        }
        if ids.len() + new_tokens > most as usize {
            let more = if new_tokens > 0 {
                format!(" and {new_tokens} new ones")
            } else {
                String::new()
            };
            return Some(format!(
                "{} tokens{more}; the model takes at most {most}",
                ids.len()
            ));
        }
        let foreign = ids.iter().find(|id| !(0..self.vocab_size).contains(*id))?;
        Some(format!(
            "id {foreign} is outside the vocabulary of {}",
            self.vocab_size
        ))
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
