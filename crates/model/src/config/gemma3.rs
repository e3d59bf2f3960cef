//! What a gemma3_text's configuration says in another way: a window in most layers, with rotations
//! of their own.

use serde_json::Value;

use super::{
    FILE, Fields, Local,
    rope::{Form, RopeScaling},
};
use crate::error::{Error, Result};

/// The rotations of layers that see everything, and the other layers. Newer files have a form for
/// each kind of layer within `rope_parameters`. Defaults are those of `Gemma3TextConfig`.
pub(super) fn rotations(fields: &Fields<'_>, layers: usize) -> Result<(Form, Local)> {
    let (mut global, local) = match fields.value("rope_parameters") {
        None => {
            let local = Form {
                theta: fields.number("rope_local_base_freq")?,
                ..Form::default()
            };
            (Form::read(fields)?, local)
        }
        Some(json) => {
            let kinds = Fields::new("rope_parameters", json)?;
            let of = |kind| Form::of_field(&kinds, kind).map(Option::unwrap_or_default);
            let forms = (of("full_attention")?, of("sliding_attention")?);
            kinds.refuse_others(&[])?;
            forms
        }
    };
    if local.scaling != RopeScaling::None {
        return Err(Error::Unsupported {
            what: "rope scaling of sliding_attention",
            value: format!("{:?}", local.scaling),
            supported: "default",
        });
    }
    global.theta = global.theta.or(Some(1e6));
    let local = Local {
        rope_theta: local.theta.unwrap_or(1e4),
        layers: local_layers(fields, layers)?,
    };
    Ok((global, local))
}

/// Of every layer of a gemma3_text, whether it sees a window alone. Older files say that each
/// `sliding_window_pattern`th sees everything.
fn local_layers(fields: &Fields<'_>, layers: usize) -> Result<Vec<bool>> {
    let mut pattern = 6;
    for key in ["_sliding_window_pattern", "sliding_window_pattern"] {
        if let Some(stated) = fields.integer(key)? {
            pattern = usize::try_from(stated).unwrap_or(0);
        }
    }
    let wrong = |what: String| Error::Config {
        what: FILE.into(),
        reason: what,
    };
    let Some(kinds) = fields.list("layer_types")? else {
        if pattern == 0 {
            return Err(wrong("`sliding_window_pattern` must be 1 or more".into()));
        }
        return Ok((1..=layers).map(|number| number % pattern != 0).collect());
    };
    if kinds.len() != layers {
        return Err(wrong(format!(
            "`layer_types` has {} entries for {layers} layers",
            kinds.len()
        )));
    }
    let is_local = |kind: &Value| match kind.as_str() {
        Some("sliding_attention") => Ok(true),
        Some("full_attention") => Ok(false),
        _ => Err(Error::Unsupported {
            what: "layer_types",
            value: kind.to_string(),
            supported: "full_attention, sliding_attention",
        }),
    };
    kinds.iter().map(is_local).collect()
}

/// A gemma3_text may scale attention by another number than its heads' width.
pub(super) fn refuse_other_scale(fields: &Fields<'_>, head_dim: i64) -> Result<()> {
    let scale = fields.number("query_pre_attn_scalar")?.unwrap_or(256.0);
    if scale == head_dim as f64 {
        return Ok(());
    }
    Err(Error::Unsupported {
        what: "query_pre_attn_scalar",
        value: scale.to_string(),
        supported: "the width of a head",
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::Config;

    fn gemma3() -> Value {
        json!({"model_type": "gemma3_text", "vocab_size": 32, "hidden_size": 8,
            "intermediate_size": 16, "num_hidden_layers": 4, "num_attention_heads": 2,
            "num_key_value_heads": 1, "head_dim": 8, "max_position_embeddings": 64,
            "hidden_activation": "gelu_pytorch_tanh", "query_pre_attn_scalar": 8,
            "sliding_window": 32, "use_bidirectional_attention": false,
            "final_logit_softcapping": null})
    }

    #[test]
    fn a_gemma3_is_read_in_its_older_and_newer_form() {
        let mut older = gemma3();
        older["sliding_window_pattern"] = json!(3);
        older["rope_theta"] = json!(5e5);
        older["rope_local_base_freq"] = json!(2e4);
        older["rope_scaling"] = json!({"rope_type": "linear", "factor": 8.0});
        let config = Config::from_json(&older).unwrap();
        let local = Local {
            rope_theta: 2e4,
            layers: vec![true, true, false, true],
        };
        assert_eq!(config.local.as_ref(), Some(&local));
        assert_eq!(config.rope_theta, 5e5);
        assert_eq!(config.rope_scaling, RopeScaling::Linear { factor: 8.0 });
        assert_eq!((config.max_positions, config.tied), (32, true));

        let mut newer = gemma3();
        newer["layer_types"] = ["sliding", "sliding", "full", "sliding"]
            .map(|kind| json!(format!("{kind}_attention")))
            .to_vec()
            .into();
        newer["rope_parameters"] = json!({
            "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 5e5},
            "sliding_attention": {"rope_type": "default", "rope_theta": 2e4}});
        assert_eq!(Config::from_json(&newer).unwrap(), config);

        let defaults = Config::from_json(&gemma3()).unwrap();
        assert_eq!(defaults.rope_theta, 1e6);
        let local = defaults.local.unwrap();
        assert_eq!((local.rope_theta, local.layers), (1e4, vec![true; 4]));
    }

    #[test]
    fn what_a_gemma3_does_in_another_way_is_refused_by_name() {
        for (key, value, says) in [
            (
                "query_pre_attn_scalar",
                json!(16),
                "query_pre_attn_scalar `16`",
            ),
            ("hidden_activation", json!("gelu"), "activation `gelu`"),
            (
                "attn_logit_softcapping",
                json!(50.0),
                "attn_logit_softcapping",
            ),
            (
                "final_logit_softcapping",
                json!(30.0),
                "final_logit_softcapping",
            ),
            (
                "use_bidirectional_attention",
                json!(true),
                "use_bidirectional",
            ),
            ("attention_bias", json!(true), "attention_bias"),
            ("sliding_window_pattern", json!(0), "1 or more"),
            (
                "layer_types",
                json!(["full_attention"]),
                "1 entries for 4 layers",
            ),
            (
                "layer_types",
                json!([
                    "full_attention",
                    "full_attention",
                    "full_attention",
                    "chunked"
                ]),
                "chunked",
            ),
            (
                "rope_parameters",
                json!({"sliding_attention": {"rope_type": "linear", "factor": 2.0}}),
                "sliding_attention",
            ),
            ("rope_parameters", json!({"rope_theta": 1e4}), "rope_theta"),
        ] {
            let mut json = gemma3();
            json[key] = value;
            let error = Config::from_json(&json).unwrap_err().to_string();
            assert!(error.contains(says), "{key}: {error}");
        }
    }
}
