//! A model in memory: fused weights in the layout the forward passes want, and what describes it.
//! The base is never written to.

use std::path::Path;

use groklab_domain::{Commit, Digest, experiment::Chat};
use tch::{Kind, Tensor};

use crate::{
    chat::ChatTokenizer,
    config::{Config, frequencies, local_frequencies},
    device::{Placement, Tactics},
    digest,
    error::{Result, guard},
    load::{Checkpoint, HubName, Source},
    memory,
};

/// A transformer's weights on a device. Weights are `[out, in]`, as in Hugging Face files.
pub struct Model {
    pub(crate) config: Config,
    pub(crate) placement: Placement,
    pub(crate) tactics: Tactics,
    pub(crate) embedding: Tensor,
    /// The output head; the embedding itself where the two are tied.
    pub(crate) head: Tensor,
    pub(crate) final_norm: Tensor,
    pub(crate) layers: Vec<Layer>,
    /// What embeddings are multiplied by, rounded to the activations' kind of numbers.
    pub(crate) embedding_scale: f64,
    pub(crate) angles: Angles,
    /// Those of layers that see a window alone.
    pub(crate) local_angles: Option<Angles>,
    base_digest: Digest,
    base_commit: Option<Commit>,
    pub(crate) hub_name: Option<HubName>,
}

/// Rotations of positions, `[max_positions, head_dim / 2]` each, float32.
pub(crate) struct Angles {
    pub cos: Tensor,
    pub sin: Tensor,
}

impl Angles {
    /// Computed in float32 as the reference implementation does.
    fn new(frequencies: &Tensor, positions: i64, device: tch::Device) -> Self {
        let options = (Kind::Float, tch::Device::Cpu);
        let angles = Tensor::arange(positions, options).outer(frequencies);
        Self {
            cos: angles.cos().to_device(device),
            sin: angles.sin().to_device(device),
        }
    }
}

/// The four products of a layer: q, k and v are one, gate and up are one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fused {
    Qkv,
    Out,
    GateUp,
    Down,
}

impl Fused {
    pub(crate) const ALL: [Self; 4] = [Self::Qkv, Self::Out, Self::GateUp, Self::Down];
}

pub(crate) struct Layer {
    pub attention_norm: Tensor,
    pub mlp_norm: Tensor,
    /// `[q + k + v, hidden]`
    pub qkv: Tensor,
    pub qkv_bias: Option<Tensor>,
    /// Of what attention gives, and of what the MLP gives.
    pub out_norm: Option<Tensor>,
    pub down_norm: Option<Tensor>,
    pub q_norm: Option<Tensor>,
    pub k_norm: Option<Tensor>,
    pub out: Tensor,
    /// `[gate + up, hidden]`
    pub gate_up: Tensor,
    pub down: Tensor,
}

impl Layer {
    pub(crate) fn weight(&self, fused: Fused) -> &Tensor {
        match fused {
            Fused::Qkv => &self.qkv,
            Fused::Out => &self.out,
            Fused::GateUp => &self.gate_up,
            Fused::Down => &self.down,
        }
    }

    pub(crate) fn bias(&self, fused: Fused) -> Option<&Tensor> {
        self.qkv_bias.as_ref().filter(|_| fused == Fused::Qkv)
    }
}

/// Loads a model and its tokenizer from a Hugging Face folder, a `.gguf` file, or a hub id
/// (`org/name`, fetched into `cache`), to `placement`.
///
/// # Errors
/// Names the file, field, weight or architecture that is missing, damaged or not supported, and
/// what to do.
pub fn load<'a>(
    source: impl Into<Source<'a>>,
    cache: &Path,
    placement: Placement,
) -> Result<(Model, ChatTokenizer)> {
    load_for(source, cache, placement, &Chat::default())
}

/// As [`load`], with prompts as `chat` says.
///
/// # Errors
/// Also what `chat` asks for and the model's template does not know.
pub fn load_for<'a>(
    source: impl Into<Source<'a>>,
    cache: &Path,
    placement: Placement,
    chat: &Chat,
) -> Result<(Model, ChatTokenizer)> {
    let checkpoint = Checkpoint::open(source.into(), cache)?;
    let tokenizer = tokenizer_of(&checkpoint, chat)?;
    Ok((Model::from_checkpoint(&checkpoint, placement)?, tokenizer))
}

/// The tokenizer of `source` alone, with prompts as `chat` says.
///
/// # Errors
/// As [`load_for`].
pub fn load_tokenizer<'a>(
    source: impl Into<Source<'a>>,
    cache: &Path,
    chat: &Chat,
) -> Result<ChatTokenizer> {
    tokenizer_of(&Checkpoint::open(source.into(), cache)?, chat)
}

fn tokenizer_of(checkpoint: &Checkpoint, chat: &Chat) -> Result<ChatTokenizer> {
    ChatTokenizer::new(
        checkpoint.tokenizer_parts()?,
        &checkpoint.config.end_tokens,
        chat,
    )
}

impl Model {
    /// Loads the weights of `source` alone, without a tokenizer, to a place of the caller's choice.
    pub fn open<'a>(
        source: impl Into<Source<'a>>,
        cache: &Path,
        placement: Placement,
    ) -> Result<Self> {
        Self::from_checkpoint(&Checkpoint::open(source.into(), cache)?, placement)
    }

    /// The digest of the weight files and the configuration this model was loaded from.
    pub fn base_digest(&self) -> Digest {
        self.base_digest
    }

    /// The commit of the hub id that this model was loaded from; None for files of another kind.
    pub fn base_commit(&self) -> Option<Commit> {
        self.base_commit
    }

    /// The sizes of the model.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The embeddings of tokens, `[tokens, hidden]`.
    pub(crate) fn embedded(&self, ids: &Tensor) -> Tensor {
        let embedded = self.embedding.index_select(0, ids);
        if self.embedding_scale == 1.0 {
            embedded
        } else {
            embedded * self.embedding_scale
        }
    }

    /// Where and in which kind of numbers it computes.
    pub fn placement(&self) -> Placement {
        self.placement
    }

    /// For records: device, kind of numbers and threads, on which results may depend.
    pub fn device_description(&self) -> String {
        self.placement.description()
    }

    fn from_checkpoint(checkpoint: &Checkpoint, placement: Placement) -> Result<Self> {
        // First, as it costs nothing: the digest already reads every byte.
        memory::check(&checkpoint.config, placement)?;
        let base_digest = digest::of_files(&checkpoint.files)?;
        guard(
            "loading the weights",
            "use a smaller model or a machine with more memory",
            || {
                let _no_grad = tch::no_grad_guard();
                let model = Self::build(
                    Moving {
                        checkpoint,
                        placement,
                    },
                    base_digest,
                )?;
                // Only now is it known which weights were taken.
                checkpoint.refuse_others().map(|()| model)
            },
        )
    }

    fn build(source: Moving<'_>, base_digest: Digest) -> Result<Self> {
        let config = source.checkpoint.config.clone();
        let table = [config.vocab_size, config.hidden_size];
        let embedding = source.get("model.embed_tokens.weight", &table)?;
        let head = source.head(&embedding, &table)?;
        let angles = |frequencies: &Tensor| {
            Angles::new(frequencies, config.max_positions, source.placement.device)
        };
        let scale = Tensor::from(config.embedding_scale()).to_kind(source.placement.kind);
        Ok(Self {
            layers: (0..config.layers)
                .map(|index| source.layer(index))
                .collect::<Result<_>>()?,
            final_norm: source.norm("model.norm.weight", config.hidden_size)?,
            embedding_scale: scale.double_value(&[]),
            angles: angles(&frequencies(&config)),
            local_angles: local_frequencies(&config).as_ref().map(angles),
            placement: source.placement,
            tactics: source.placement.tactics(),
            embedding,
            head,
            config,
            base_digest,
            base_commit: source.checkpoint.commit,
            hub_name: source.checkpoint.hub_name.clone(),
        })
    }
}

/// A checkpoint being moved to a device.
#[derive(Clone, Copy)]
struct Moving<'a> {
    checkpoint: &'a Checkpoint,
    placement: Placement,
}

impl Moving<'_> {
    fn get(self, name: &str, shape: &[i64]) -> Result<Tensor> {
        Ok(self
            .checkpoint
            .tensor(name, shape)?
            .to_device(self.placement.device)
            .to_kind(self.placement.kind))
    }

    /// The weights of a norm.
    fn norm(self, name: &str, size: i64) -> Result<Tensor> {
        let offset = self.checkpoint.norm_offset();
        if offset == 0.0 {
            return self.get(name, &[size]);
        }
        // In float32, as the reference adds it.
        let stored = self.checkpoint.tensor(name, &[size])?.to_kind(Kind::Float);
        let weight = (stored + offset).to_device(self.placement.device);
        Ok(weight.to_kind(self.placement.kind))
    }

    /// The output head: the embedding itself where the two are tied, unless the files have a head
    /// of its own that differs.
    fn head(self, embedding: &Tensor, table: &[i64]) -> Result<Tensor> {
        let tied = self.checkpoint.config.tied;
        if tied && !self.checkpoint.has("lm_head.weight") {
            return Ok(embedding.shallow_clone());
        }
        let head = self.get("lm_head.weight", table)?;
        Ok(if tied && head.equal(embedding) {
            embedding.shallow_clone()
        } else {
            head
        })
    }

    /// Several weights as one, stacked along their outputs.
    fn fused(self, names: &[(String, Vec<i64>)]) -> Result<Tensor> {
        let parts = names
            .iter()
            .map(|(name, shape)| self.get(name, shape))
            .collect::<Result<Vec<_>>>()?;
        Ok(if let [one] = parts.as_slice() {
            one.shallow_clone()
        } else {
            Tensor::cat(&parts, 0)
        })
    }

    fn layer(self, index: usize) -> Result<Layer> {
        let config = &self.checkpoint.config;
        let name = |rest: &str| format!("model.layers.{index}.{rest}");
        let (hidden, inner, q, kv) = (
            config.hidden_size,
            config.intermediate_size,
            config.q_size(),
            config.kv_size(),
        );
        let parts = |names: &[(&str, i64)], width: &[i64], kind: &str| {
            let with = |(part, out): &(&str, i64)| {
                (name(&format!("{part}.{kind}")), [&[*out], width].concat())
            };
            self.fused(&names.iter().map(with).collect::<Vec<_>>())
        };
        let qkv = [
            ("self_attn.q_proj", q),
            ("self_attn.k_proj", kv),
            ("self_attn.v_proj", kv),
        ];
        let norm = |rest: &str, size: i64| self.norm(&name(rest), size);
        let head_norm = |rest: &str| {
            if config.qk_norm() {
                norm(rest, config.head_dim).map(Some)
            } else {
                Ok(None)
            }
        };
        // With norms behind the products, that before the MLP has another name.
        let (mlp_norm, out_norm, down_norm) = if config.post_norms() {
            (
                norm("pre_feedforward_layernorm.weight", hidden)?,
                Some(norm("post_attention_layernorm.weight", hidden)?),
                Some(norm("post_feedforward_layernorm.weight", hidden)?),
            )
        } else {
            (norm("post_attention_layernorm.weight", hidden)?, None, None)
        };
        Ok(Layer {
            attention_norm: norm("input_layernorm.weight", hidden)?,
            mlp_norm,
            out_norm,
            down_norm,
            qkv: parts(&qkv, &[hidden], "weight")?,
            qkv_bias: if config.qkv_bias() {
                Some(parts(&qkv, &[], "bias")?)
            } else {
                None
            },
            q_norm: head_norm("self_attn.q_norm.weight")?,
            k_norm: head_norm("self_attn.k_norm.weight")?,
            out: parts(&[("self_attn.o_proj", hidden)], &[q], "weight")?,
            gate_up: parts(
                &[("mlp.gate_proj", inner), ("mlp.up_proj", inner)],
                &[hidden],
                "weight",
            )?,
            down: parts(&[("mlp.down_proj", hidden)], &[inner], "weight")?,
        })
    }
}
