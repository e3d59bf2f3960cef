//! What a model is: its architecture and sizes.

mod fields;
mod gemma3;
mod json;
mod rope;

pub(crate) use fields::Fields;
pub use rope::{Llama3, RopeScaling};
pub(crate) use rope::{frequencies, local_frequencies};

use crate::error::{Error, Result};

/// The file of a Hugging Face folder that says what a model is.
const FILE: &str = "config.json";

/// The families of transformers that are computed here. They differ in biases (qwen2), in per-head
/// norms (qwen3), in what a configuration without a field means (mistral), and in scaled
/// embeddings, norms behind products, GELU and layers that see a window (gemma3_text).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Architecture {
    Gemma3,
    Llama,
    Mistral,
    Qwen2,
    Qwen3,
}

impl Architecture {
    /// Reads `model_type` of a configuration or `general.architecture` of a GGUF.
    pub fn parse(name: &str) -> Result<Self> {
        match name {
            "gemma3_text" => Ok(Self::Gemma3),
            "llama" => Ok(Self::Llama),
            "mistral" => Ok(Self::Mistral),
            "qwen2" => Ok(Self::Qwen2),
            "qwen3" => Ok(Self::Qwen3),
            other => Err(Error::Unsupported {
                what: "architecture",
                value: other.into(),
                supported: "gemma3_text, llama, mistral, qwen2, qwen3",
            }),
        }
    }

    /// The name in configurations.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gemma3 => "gemma3_text",
            Self::Llama => "llama",
            Self::Mistral => "mistral",
            Self::Qwen2 => "qwen2",
            Self::Qwen3 => "qwen3",
        }
    }
}

/// Layers in which a token sees a window of those before it. No sequence is longer than the window,
/// so they differ from the others in their rotations alone.
#[derive(Debug, Clone, PartialEq)]
pub struct Local {
    pub rope_theta: f64,
    /// Of every layer, whether it is one of them.
    pub layers: Vec<bool>,
}

/// What a layer makes of its gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Activation {
    Silu,
    /// GELU by a hyperbolic tangent, as in the first BERT.
    GeluTanh,
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
    /// Layers that see a window alone, where there are some.
    pub local: Option<Local>,
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
            || !self
                .local
                .as_ref()
                .is_none_or(|local| local.rope_theta > 0.0 && local.layers.len() == self.layers)
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
        matches!(
            self.architecture,
            Architecture::Gemma3 | Architecture::Qwen3
        )
    }

    /// Whether what attention and MLP give is normed before it is added.
    pub(crate) fn post_norms(&self) -> bool {
        self.architecture == Architecture::Gemma3
    }

    /// What the weights of norms are stored without.
    pub(crate) fn norm_offset(&self) -> f64 {
        if self.architecture == Architecture::Gemma3 {
            1.0
        } else {
            0.0
        }
    }

    /// What embeddings are multiplied by.
    pub(crate) fn embedding_scale(&self) -> f64 {
        if self.architecture == Architecture::Gemma3 {
            (self.hidden_size as f64).sqrt()
        } else {
            1.0
        }
    }

    pub(crate) fn activation(&self) -> Activation {
        if self.architecture == Architecture::Gemma3 {
            Activation::GeluTanh
        } else {
            Activation::Silu
        }
    }

    /// Whether a layer sees a window alone.
    pub(crate) fn is_local(&self, layer: usize) -> bool {
        self.local.as_ref().is_some_and(|local| local.layers[layer])
    }
}
