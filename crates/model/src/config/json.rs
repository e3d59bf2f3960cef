//! A Hugging Face `config.json`, in its old (`rope_theta`) or new (`rope_parameters`) form.
//! Defaults are those of transformers' `Gemma3TextConfig`, `LlamaConfig`, `MistralConfig`,
//! `Qwen2Config` and `Qwen3Config`. What `forward` does not compute, and what is not known here, is
//! refused by its name.

use serde_json::Value;

use super::{Architecture, Config, FILE, Fields, gemma3, rope::Form};
use crate::error::{Error, Result};

/// Fields that change nothing of what these architectures compute: records of how the model was
/// made and kept, names of tokens (`tokenizer.json` and `eos_token_id` decide), defaults of
/// transformers' own sampling, and the settings of its training.
const HARMLESS: [&str; 62] = [
    "_name_or_path",
    "name_or_path",
    "architectures",
    "transformers_version",
    "torch_dtype",
    "dtype",
    "use_cache",
    "initializer_range",
    "attention_dropout",
    "hidden_dropout",
    "resid_pdrop",
    "embd_pdrop",
    "classifier_dropout",
    "bos_token_id",
    "pad_token_id",
    "sep_token_id",
    "unk_token_id",
    "decoder_start_token_id",
    "pretraining_tp",
    "max_window_layers",
    "sliding_window",
    "_attn_implementation",
    "_attn_implementation_autoset",
    "attn_implementation",
    "tokenizer_class",
    "model_max_length",
    "keys_to_ignore_at_inference",
    "id2label",
    "label2id",
    "num_labels",
    "problem_type",
    "task_specific_params",
    "return_dict",
    "output_past",
    "chunk_size_feed_forward",
    "is_decoder",
    "is_llama_config",
    "transformers.js_config",
    "unsloth_version",
    "unsloth_fixed",
    "unsloth_training_enabled",
    "_commit_hash",
    "_flash_attn_2_enabled",
    "max_length",
    "min_length",
    "do_sample",
    "early_stopping",
    "num_beams",
    "num_beam_groups",
    "diversity_penalty",
    "temperature",
    "top_k",
    "top_p",
    "typical_p",
    "repetition_penalty",
    "length_penalty",
    "no_repeat_ngram_size",
    "encoder_no_repeat_ngram_size",
    "num_return_sequences",
    "use_bfloat16",
    "use_flash_attn",
    "eos_token",
];

impl Config {
    /// Reads the contents of a `config.json`.
    ///
    /// # Errors
    /// A field is missing, of the wrong type, unknown, or asks for what is not computed here.
    pub fn from_json(json: &Value) -> Result<Self> {
        let fields = Fields::new(FILE, json)?;
        let architecture =
            Architecture::parse(fields.text("model_type")?.unwrap_or("(no model_type)"))?;
        refuse_other_forms(&fields, architecture)?;
        let (hidden_size, heads) = (
            fields.required("hidden_size")?,
            fields.required("num_attention_heads")?,
        );
        // Some have a width of their own whatever the hidden size; the others divide it among the
        // heads.
        let width = match architecture {
            Architecture::Gemma3 => 256,
            Architecture::Qwen3 => 128,
            _ => hidden_size.checked_div(heads).unwrap_or(0),
        };
        // `LlamaConfig` shares no keys unless told to.
        let kv_heads = match architecture {
            Architecture::Llama => heads,
            Architecture::Gemma3 => 4,
            Architecture::Mistral => 8,
            Architecture::Qwen2 | Architecture::Qwen3 => 32,
        };
        // A negative number becomes 0, which `check` refuses.
        let layers = usize::try_from(fields.required("num_hidden_layers")?).unwrap_or(0);
        let head_dim = fields.integer("head_dim")?.unwrap_or(width);
        let is_gemma3 = architecture == Architecture::Gemma3;
        let (rope, local) = if is_gemma3 {
            gemma3::refuse_other_scale(&fields, head_dim)?;
            let (rope, local) = gemma3::rotations(&fields, layers)?;
            (rope, Some(local))
        } else {
            (Form::read(&fields)?, None)
        };
        let config = Self {
            architecture,
            vocab_size: fields.required("vocab_size")?,
            hidden_size,
            intermediate_size: fields.required("intermediate_size")?,
            layers,
            heads,
            kv_heads: fields.integer("num_key_value_heads")?.unwrap_or(kv_heads),
            head_dim,
            max_positions: longest(&fields, architecture)?,
            norm_eps: fields.number("rms_norm_eps")?.unwrap_or(1e-6),
            rope_theta: rope.theta.unwrap_or(10000.0),
            rope_scaling: rope.scaling,
            local,
            tied: fields.flag("tie_word_embeddings")?.unwrap_or(is_gemma3),
            end_tokens: fields.ids("eos_token_id")?,
        };
        fields.refuse_others(&HARMLESS)?;
        config.check()?;
        Ok(config)
    }
}

/// The longest sequence in tokens. The tokens of a mistral, and of some layers of a gemma3_text,
/// see as many as the window has, themselves included: what is no longer than that is computed by
/// full attention, and the rest refused.
fn longest(fields: &Fields<'_>, architecture: Architecture) -> Result<i64> {
    let positions = fields.required("max_position_embeddings")?;
    if !matches!(architecture, Architecture::Gemma3 | Architecture::Mistral) {
        return Ok(positions);
    }
    let window = match fields.integer("sliding_window")? {
        None if fields.has("sliding_window") => None,
        None => Some(4096),
        window => window,
    };
    Ok(window.map_or(positions, |window| positions.min(window)))
}

/// Refuses what is known by name and not computed.
fn refuse_other_forms(fields: &Fields<'_>, architecture: Architecture) -> Result<()> {
    let refuse = |what: &'static str, value: String, supported| {
        Err(Error::Unsupported {
            what,
            value,
            supported,
        })
    };
    let is_gemma3 = architecture == Architecture::Gemma3;
    let (field, computed) = if is_gemma3 {
        ("hidden_activation", "gelu_pytorch_tanh")
    } else {
        ("hidden_act", "silu")
    };
    let activation = fields.text(field)?.unwrap_or(computed);
    if activation != computed {
        return refuse("activation", activation.into(), computed);
    }
    if fields.flag("use_sliding_window")?.unwrap_or(false) {
        return refuse("use_sliding_window", "true".into(), "full attention");
    }
    // qwen2 and qwen3 carry a window's size that counts only with `use_sliding_window`.
    if architecture == Architecture::Llama && fields.integer("sliding_window")?.is_some() {
        return refuse(
            "sliding_window",
            fields
                .value("sliding_window")
                .map_or(String::new(), Value::to_string),
            "full attention",
        );
    }
    if let Some(part) = fields
        .number("partial_rotary_factor")?
        .filter(|part| *part != 1.0)
    {
        return refuse("partial_rotary_factor", part.to_string(), "1");
    }
    if let Some(other) = fields
        .list("layer_types")?
        .filter(|_| !is_gemma3)
        .and_then(|kinds| kinds.iter().find(|kind| **kind != "full_attention"))
    {
        return refuse("layer_types", other.to_string(), "full_attention");
    }
    // transformers' qwen2 has biases of q, k and v always and does not read this field.
    let attention_bias =
        fields.flag("attention_bias")?.unwrap_or(false) && architecture != Architecture::Qwen2;
    if attention_bias || fields.flag("mlp_bias")?.unwrap_or(false) {
        return refuse(
            "attention_bias or mlp_bias",
            "true".into(),
            "false (qwen2 has its own)",
        );
    }
    if let Some(method) = fields.value("quantization_config") {
        return refuse(
            "quantization_config",
            method["quant_method"].to_string(),
            "unquantised safetensors, or a .gguf",
        );
    }
    if let Some(code) = fields.value("auto_map") {
        return refuse(
            "auto_map (a model's own code)",
            code.to_string(),
            "gemma3_text, llama, mistral, qwen2 and qwen3 as transformers has them",
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::{Llama3, RopeScaling};

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
        assert_eq!(
            with(
                "rope_parameters",
                json!({"rope_theta": 7e4, "rope_type": "default"})
            )
            .unwrap()
            .rope_theta,
            7e4
        );
        assert_eq!(Config::from_json(&base()).unwrap().end_tokens, [1, 2]);
    }

    #[test]
    fn every_scaling_of_the_rotations_is_read_or_refused() {
        let llama3 = json!({"rope_type": "llama3", "factor": 32.0, "low_freq_factor": 1.0,
            "high_freq_factor": 4.0, "original_max_position_embeddings": 8192});
        let read = |form: &Value| with("rope_scaling", form.clone()).map(|c| c.rope_scaling);
        let scaling = RopeScaling::Llama3(Llama3 {
            factor: 32.0,
            low_freq_factor: 1.0,
            high_freq_factor: 4.0,
            original_max_positions: 8192.0,
        });
        assert_eq!(read(&llama3).unwrap(), scaling);
        let linear = RopeScaling::Linear { factor: 4.0 };
        for form in [
            json!({"type": "linear", "factor": 4.0}),
            json!({"type": "linear", "rope_type": "linear", "factor": 4}),
        ] {
            assert_eq!(read(&form).unwrap(), linear);
        }
        let mut twice = base();
        twice["rope_scaling"] = llama3.clone();
        twice["rope_parameters"] = llama3.clone();
        twice["rope_theta"] = json!(5e5);
        let config = Config::from_json(&twice).unwrap();
        assert_eq!((config.rope_theta, config.rope_scaling), (5e5, scaling));
        for (key, value) in [("factor", json!(8.0)), ("rope_theta", json!(5e5))] {
            let mut differ = twice.clone();
            differ["rope_parameters"][key] = value;
            let error = Config::from_json(&differ).unwrap_err().to_string();
            assert!(error.contains("differ"), "{key}: {error}");
        }

        for (key, value, says) in [
            ("type", json!("linear"), "`rope_type` is llama3"),
            ("low_freq_factor", json!(4.0), "makes no sense"),
            ("factor", json!(0.0), "makes no sense"),
            ("factor", json!("8"), "a number is wanted"),
            ("factor", Value::Null, "`factor` is missing"),
            ("attention_factor", json!(1.2), "attention_factor"),
        ] {
            let mut form = llama3.clone();
            form[key] = value;
            let error = read(&form).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }

    #[test]
    fn what_is_not_computed_is_refused_by_name() {
        let named = |result: Result<Config>| result.unwrap_err().to_string();
        assert!(named(with("rope_scaling", json!({"rope_type": "yarn"}))).contains("yarn"));
        assert!(named(with("rope_parameters", json!({"rope_type": "llama3"}))).contains("factor"));
        assert!(named(with("rope_scaling", json!({"factor": 2.0}))).contains("factor"));
        assert!(
            named(with(
                "rope_parameters",
                json!({"full_attention": {"rope_theta": 1e4}})
            ))
            .contains("full_attention")
        );
        assert!(named(with("sliding_window", json!(4096))).contains("sliding_window"));
        assert!(
            named(with(
                "layer_types",
                json!(["full_attention", "sliding_attention"])
            ))
            .contains("sliding_attention")
        );
        assert!(named(with("partial_rotary_factor", json!(0.5))).contains("partial_rotary_factor"));
        assert!(named(with("attention_bias", json!(true))).contains("attention_bias"));
        assert!(
            named(with("quantization_config", json!({"quant_method": "gptq"}))).contains("gptq")
        );
        let mut qwen = base();
        (
            qwen["model_type"],
            qwen["sliding_window"],
            qwen["use_sliding_window"],
        ) = (json!("qwen2"), json!(32768), json!(false));
        assert!(Config::from_json(&qwen).is_ok(), "a window that is off");
        assert!(named(with("use_sliding_window", json!(true))).contains("sliding"));
        assert!(named(with("model_type", json!("mamba"))).contains("mamba"));
        assert!(named(with("hidden_act", json!("gelu"))).contains("gelu"));
        assert!(named(with("num_key_value_heads", json!(0))).contains("sizes"));
        assert!(named(with("auto_map", json!({"AutoModel": "own.Model"}))).contains("auto_map"));
    }

    #[test]
    fn a_field_of_the_wrong_type_is_an_error() {
        for (key, value) in [
            ("rope_theta", json!("1e6")),
            ("rms_norm_eps", json!("1e-5")),
            ("num_key_value_heads", json!(1.5)),
            ("head_dim", json!("4")),
            ("tie_word_embeddings", json!("true")),
            ("eos_token_id", json!([1, "2"])),
            ("attention_bias", json!(1)),
            ("hidden_act", json!(["silu"])),
            ("layer_types", json!("full_attention")),
            ("rope_parameters", json!([1e4])),
        ] {
            let error = with(key, value.clone()).unwrap_err().to_string();
            assert!(error.contains(key), "{key} = {value}: {error}");
        }
        assert!(with("head_dim", Value::Null).is_ok());
    }

    #[test]
    fn a_field_that_nobody_knows_is_refused_unless_it_is_off() {
        let error = with("residual_multiplier", json!(0.22))
            .unwrap_err()
            .to_string();
        assert!(error.contains("`residual_multiplier` = 0.22"), "{error}");
        for off in [json!(false), Value::Null, json!([]), json!({})] {
            assert!(with("use_something_new", off).is_ok());
        }
        assert!(
            with("attention_dropout", json!(0.1)).is_ok()
                && with("torch_dtype", json!("bfloat16")).is_ok()
        );
        let error = with(
            "rope_parameters",
            json!({"rope_theta": 1e4, "mrope_section": [1, 2]}),
        )
        .unwrap_err()
        .to_string();
        assert!(error.contains("mrope_section"), "{error}");
    }

    #[test]
    fn the_base_of_the_rotations_is_found_in_every_form() {
        assert_eq!(
            with(
                "rope_scaling",
                json!({"rope_type": "default", "rope_theta": 1e6})
            )
            .unwrap()
            .rope_theta,
            1e6
        );
        let mut both = base();
        (both["rope_theta"], both["rope_parameters"]) = (json!(5e5), json!({"rope_theta": 7e4}));
        assert_eq!(Config::from_json(&both).unwrap().rope_theta, 7e4);
        both["rope_scaling"] = json!({"rope_theta": 8e4});
        assert!(
            Config::from_json(&both)
                .unwrap_err()
                .to_string()
                .contains("rope_scaling")
        );
    }

    #[test]
    fn defaults_are_those_of_the_reference() {
        let sizes = |architecture: &str| {
            let mut json = base();
            json["model_type"] = json!(architecture);
            json["num_attention_heads"] = json!(64);
            json["hidden_size"] = json!(128);
            json.as_object_mut().unwrap().remove("num_key_value_heads");
            let config = Config::from_json(&json).unwrap();
            (config.kv_heads, config.head_dim)
        };
        assert_eq!(
            ["llama", "mistral", "qwen2", "qwen3"].map(sizes),
            [(64, 2), (8, 2), (32, 2), (32, 128)]
        );
    }

    #[test]
    fn a_mistral_takes_no_more_tokens_than_its_window() {
        let longest = |window: Option<Value>| {
            let mut json = base();
            json["model_type"] = json!("mistral");
            json["max_position_embeddings"] = json!(32768);
            if let Some(window) = window {
                json["sliding_window"] = window;
            }
            Config::from_json(&json).unwrap().max_positions
        };
        assert_eq!(longest(Some(Value::Null)), 32768);
        assert_eq!(longest(None), 4096, "as `MistralConfig` has it");
        assert_eq!(longest(Some(json!(512))), 512);
        assert_eq!(longest(Some(json!(65536))), 32768);
    }
}
