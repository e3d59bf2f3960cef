//! The sizes in a GGUF's metadata. Every key of its architecture is read, known to change nothing,
//! or refused by name.

use super::gguf::{Gguf, Meta};
use crate::{
    config::{Architecture, Config, Local, RopeScaling},
    error::{Error, Result},
};

/// Keys of an architecture that change nothing of what is computed.
const HARMLESS: [&str; 5] = [
    "vocab_size",
    "attention.layer_norm_epsilon",
    "rope.scaling.finetuned",
    "rope.scaling.original_context_length",
    "tensor_data_layout",
];

/// It scales attention by another number than the others; no key says so.
const LAYERS_OF_GEMMA3_27B: usize = 62;

/// Factors by which the frequencies of the rotations are divided; no weight.
pub(super) const ROPE_FACTORS: &str = "rope_freqs.weight";

/// The sizes of the model in `gguf`.
///
/// # Errors
/// A key is missing, of the wrong type, unknown, or asks for what is not computed here.
pub(super) fn config(gguf: &Gguf) -> Result<Config> {
    refuse_parts(gguf)?;
    let name = gguf.text("general.architecture")?.unwrap_or("(none)");
    let keys = Keys { gguf, prefix: name };
    let architecture = architecture(name)?;
    let (hidden_size, heads) = (
        keys.required("embedding_length")?,
        keys.required("attention.head_count")?,
    );
    let head_dim = keys
        .integer("attention.key_length")?
        .unwrap_or(hidden_size.checked_div(heads).unwrap_or(0));
    keys.refuse_other_forms(architecture, head_dim)?;
    let layers = usize::try_from(keys.required("block_count")?).unwrap_or(0);
    let positions = keys.required("context_length")?;
    let (local, max_positions) = match architecture {
        Architecture::Gemma3 => {
            let (local, window) = keys.windows(layers)?;
            (Some(local), positions.min(window))
        }
        _ => (None, positions),
    };
    let config = Config {
        architecture,
        // The table itself counts: not every file has the key.
        vocab_size: gguf
            .shape("token_embd.weight")
            .and_then(|shape| shape.first().copied())
            .unwrap_or(0),
        hidden_size,
        intermediate_size: keys.required("feed_forward_length")?,
        layers,
        heads,
        kv_heads: keys.integer("attention.head_count_kv")?.unwrap_or(heads),
        head_dim,
        max_positions,
        // Stored in float32; the decimal it came from is what other implementations compute with.
        norm_eps: keys
            .float("attention.layer_norm_rms_epsilon")?
            .map_or(1e-6, |eps| (eps as f32).to_string().parse().unwrap_or(eps)),
        rope_theta: keys.float("rope.freq_base")?.unwrap_or(10000.0),
        rope_scaling: keys.rope_scaling()?,
        local,
        // No head is written where it is the embedding.
        tied: gguf.shape("output.weight").is_none(),
        // They are among the tokenizer's metadata.
        end_tokens: Vec::new(),
    };
    keys.refuse_others()?;
    config.check()?;
    Ok(config)
}

/// A mistral calls itself a llama there, and a gemma3_text by another name.
fn architecture(name: &str) -> Result<Architecture> {
    match name {
        "gemma3" => Ok(Architecture::Gemma3),
        "llama" | "qwen2" | "qwen3" => Architecture::parse(name),
        other => Err(Error::Unsupported {
            what: "architecture of a GGUF",
            value: other.into(),
            supported: "gemma3, llama, qwen2, qwen3",
        }),
    }
}

/// Refuses one part of a model that was cut into several files.
fn refuse_parts(gguf: &Gguf) -> Result<()> {
    let Some(count) = gguf.integer("split.count")?.filter(|count| *count > 1) else {
        return Ok(());
    };
    let reason = format!(
        "one of {count} parts (`split.count`); put them together with `llama-gguf-split --merge` \
            and name the whole"
    );
    Err(Error::Source {
        source_text: gguf.path().display().to_string(),
        reason,
    })
}

/// The metadata of one architecture.
struct Keys<'a> {
    gguf: &'a Gguf,
    prefix: &'a str,
}

/// What [`config`] and the methods of [`Keys`] look at.
const READ: [&str; 21] = [
    "embedding_length",
    "feed_forward_length",
    "block_count",
    "context_length",
    "attention.head_count",
    "attention.head_count_kv",
    "attention.key_length",
    "attention.value_length",
    "attention.layer_norm_rms_epsilon",
    "attention.sliding_window",
    "attention.sliding_window_pattern",
    "attention.causal",
    "rope.freq_base",
    "rope.freq_base_swa",
    "rope.dimension_count",
    "rope.scaling.type",
    "rope.scaling.factor",
    "rope.scale_linear",
    "expert_count",
    "expert_used_count",
    "use_parallel_residual",
];

impl Keys<'_> {
    fn key(&self, name: &str) -> String {
        format!("{}.{name}", self.prefix)
    }

    fn integer(&self, name: &str) -> Result<Option<i64>> {
        self.gguf.integer(&self.key(name))
    }

    fn float(&self, name: &str) -> Result<Option<f64>> {
        self.gguf.float(&self.key(name))
    }

    fn required(&self, name: &str) -> Result<i64> {
        let missing = || Error::Config {
            what: format!("`{}`", self.gguf.path().display()),
            reason: format!("no `{}`", self.key(name)),
        };
        self.integer(name)?.ok_or_else(missing)
    }

    /// Refuses what is known by name and not computed.
    fn refuse_other_forms(&self, architecture: Architecture, head_dim: i64) -> Result<()> {
        let refuse = |what: &'static str, value: String, supported| {
            Err(Error::Unsupported {
                what,
                value,
                supported,
            })
        };
        for name in ["attention.value_length", "rope.dimension_count"] {
            if let Some(width) = self.integer(name)?.filter(|width| *width != head_dim) {
                return refuse(
                    "width of a head's part",
                    format!("{} = {width}", self.key(name)),
                    "that of the whole head",
                );
            }
        }
        if let Some(window) = self
            .integer("attention.sliding_window")?
            .filter(|window| *window > 0 && architecture != Architecture::Gemma3)
        {
            return refuse("sliding window", window.to_string(), "full attention");
        }
        if self.gguf.flag(&self.key("attention.causal"))? == Some(false) {
            return refuse("attention", "not causal".into(), "causal attention");
        }
        for name in ["expert_count", "expert_used_count"] {
            if let Some(count) = self.integer(name)?.filter(|count| *count > 0) {
                return refuse("number of experts", count.to_string(), "none");
            }
        }
        match self.gguf.flag(&self.key("use_parallel_residual"))? {
            Some(true) => refuse("parallel residual", "true".into(), "false"),
            _ => Ok(()),
        }
    }

    /// Layers of a gemma3 that see a window, and its width. Defaults are llama.cpp's, whose files
    /// mostly say neither which layers these are nor how they are rotated.
    fn windows(&self, layers: usize) -> Result<(Local, i64)> {
        if layers == LAYERS_OF_GEMMA3_27B {
            return Err(Error::Unsupported {
                what: "size of a gemma3",
                value: format!("{layers} layers"),
                supported: "those that scale attention by the width of a head",
            });
        }
        let pattern = self.integer("attention.sliding_window_pattern")?;
        let pattern = usize::try_from(pattern.unwrap_or(6)).unwrap_or(0);
        if pattern == 0 {
            return Err(Error::Config {
                what: format!("`{}`", self.gguf.path().display()),
                reason: "`gemma3.attention.sliding_window_pattern` must be 1 or more".into(),
            });
        }
        let local = Local {
            rope_theta: self.float("rope.freq_base_swa")?.unwrap_or(1e4),
            layers: (1..=layers).map(|number| number % pattern != 0).collect(),
        };
        Ok((local, self.required("attention.sliding_window")?))
    }

    /// Without a type a factor means linear scaling, as llama.cpp reads it; the key of old files is
    /// `rope.scale_linear`. Llama 3's scaling comes as a tensor of factors and not as a key.
    fn rope_scaling(&self) -> Result<RopeScaling> {
        let refuse = |value: String| {
            Err(Error::Unsupported {
                what: "rope scaling",
                value,
                supported: "none, linear, or a tensor `rope_freqs.weight`",
            })
        };
        let kind = self.gguf.text(&self.key("rope.scaling.type"))?;
        if let Some(other) = kind.filter(|kind| !["none", "linear"].contains(kind)) {
            return refuse(other.to_owned());
        }
        let factor = match self.float("rope.scaling.factor")? {
            Some(factor) => Some(factor),
            None => self.float("rope.scale_linear")?,
        };
        let factor =
            factor.filter(|factor| kind != Some("none") && *factor != 0.0 && *factor != 1.0);
        let each = self.gguf.shape(ROPE_FACTORS).is_some();
        // Others have it for what llama.cpp computes with it and we do not.
        if each && self.prefix != Architecture::Llama.as_str() {
            return refuse(format!("`{ROPE_FACTORS}` of a {}", self.prefix));
        }
        match factor {
            Some(factor) if each => refuse(format!(
                "`{ROPE_FACTORS}` and a linear one of {factor} as well"
            )),
            Some(factor) => Ok(RopeScaling::Linear { factor }),
            None if each => {
                let factors = self.gguf.stored(ROPE_FACTORS)?.flatten(0, -1);
                let factors = Vec::try_from(factors).expect("one row of numbers");
                Ok(RopeScaling::Each(factors))
            }
            None => Ok(RopeScaling::None),
        }
    }

    /// Refuses keys that nobody knows, unless they say that something is not done.
    fn refuse_others(&self) -> Result<()> {
        let own = |(key, value)| -> Option<(&str, &Meta)> {
            let name = str::strip_prefix(key, self.prefix)?.strip_prefix('.')?;
            let known = READ.contains(&name) || HARMLESS.contains(&name);
            (!known && !matches!(value, &Meta::Bool(false) | &Meta::Integer(0)))
                .then_some((name, value))
        };
        let other = self
            .gguf
            .metadata()
            .filter_map(own)
            // The metadata is in no order: of several keys the same is named every time.
            .min_by_key(|(name, _)| *name);
        other.map_or(Ok(()), |(name, value)| {
            let file = self.gguf.path().display().to_string();
            Err(Error::UnknownField {
                file,
                key: self.key(name),
                value: format!("{value:?}").chars().take(80).collect(),
            })
        })
    }
}
