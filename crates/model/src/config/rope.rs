//! Rotary position embeddings: how fast each pair of a head's numbers turns, and how that is
//! changed for contexts longer than those a model was first trained on. Follows transformers'
//! `modeling_rope_utils`, in float32 as there.

use std::f32::consts::TAU;

use tch::{Device, Kind, Tensor};

use super::{Config, FILE, Fields};
use crate::error::{Error, Result};

/// A change to the frequencies.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum RopeScaling {
    #[default]
    None,
    /// All of them divided by `factor`.
    Linear { factor: f64 },
    /// That of Llama 3.1 and later.
    Llama3(Llama3),
    /// Each of them divided by a factor of its own, `[head_dim / 2]`, as GGUF files say it.
    Each(Vec<f32>),
}

/// Long waves are divided by `factor`, short ones stay, and those between get something between.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Llama3 {
    pub factor: f64,
    /// Waves are long of which fewer than this fit into `original_max_positions`.
    pub low_freq_factor: f64,
    /// Waves are short of which more than this fit.
    pub high_freq_factor: f64,
    /// The context of the first training, in tokens.
    pub original_max_positions: f64,
}

impl RopeScaling {
    /// Why these numbers make no sense for `head_dim`; none if they do.
    pub(super) fn refuse(&self, head_dim: i64) -> Option<String> {
        let positive = |number: f64| number.is_finite() && number > 0.0;
        let fits = match self {
            Self::None => true,
            Self::Linear { factor } => positive(*factor),
            Self::Llama3(llama3) => {
                positive(llama3.factor)
                    && positive(llama3.low_freq_factor)
                    && positive(llama3.high_freq_factor - llama3.low_freq_factor)
                    && positive(llama3.original_max_positions)
            }
            Self::Each(factors) => {
                factors.len() as i64 == head_dim / 2
                    && factors.iter().all(|&factor| positive(factor.into()))
            }
        };
        let shown = match self {
            Self::Each(factors) => format!("{} factors for {} pairs", factors.len(), head_dim / 2),
            other => format!("{other:?}"),
        };
        (!fits).then(|| format!("rope scaling that makes no sense: {shown}"))
    }
}

impl Llama3 {
    fn scaled(&self, frequency: f32) -> f32 {
        let [factor, low, high, original] = [
            self.factor,
            self.low_freq_factor,
            self.high_freq_factor,
            self.original_max_positions,
        ]
        .map(|number| number as f32);
        let wave = frequency.recip() * TAU;
        if wave < original / high {
            return frequency;
        }
        if wave > original / low {
            return frequency / factor;
        }
        let share = (wave.recip() * original - low) / (high - low);
        (1.0 - share) * frequency / factor + share * frequency
    }
}

/// Radians a position, of each pair of a head's numbers: `[head_dim / 2]`, float32.
pub(crate) fn frequencies(config: &Config) -> Tensor {
    let frequencies = plain(config.rope_theta, config.head_dim);
    match &config.rope_scaling {
        RopeScaling::None => frequencies,
        RopeScaling::Linear { factor } => frequencies / *factor,
        RopeScaling::Llama3(llama3) => {
            let plain = Vec::<f32>::try_from(frequencies).expect("one row of numbers");
            let scaled: Vec<f32> = plain.into_iter().map(|own| llama3.scaled(own)).collect();
            Tensor::from_slice(&scaled)
        }
        RopeScaling::Each(factors) => frequencies / Tensor::from_slice(factors),
    }
}

/// The same for layers that see a window alone, where there are some.
pub(crate) fn local_frequencies(config: &Config) -> Option<Tensor> {
    let local = config.local.as_ref()?;
    Some(plain(local.rope_theta, config.head_dim))
}

fn plain(theta: f64, head_dim: i64) -> Tensor {
    let options = (Kind::Float, Device::Cpu);
    let exponents = Tensor::arange_start_step(0, head_dim, 2, options) / head_dim as f64;
    Tensor::from(theta as f32).pow(&exponents).reciprocal()
}

/// What a configuration says of the rotations.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Form {
    pub theta: Option<f64>,
    pub scaling: RopeScaling,
}

impl Form {
    /// Of a whole configuration. What stands within `rope_parameters` (or `rope_scaling`, as it was
    /// called) counts before the outer field.
    pub(super) fn read(fields: &Fields<'_>) -> Result<Self> {
        let outer = fields.number("rope_theta")?;
        let new = Self::of_field(fields, "rope_parameters")?;
        let old = Self::of_field(fields, "rope_scaling")?;
        if let (Some(new), Some(old)) = (&new, &old)
            && new != old
        {
            // transformers takes the older one whole, and its base from outside.
            return Err(Error::Config {
                what: FILE.into(),
                reason: format!(
                    "`rope_parameters` and `rope_scaling` differ, leave one out: {new:?}, {old:?}"
                ),
            });
        }
        let mut form = new.or(old).unwrap_or_default();
        form.theta = form.theta.or(outer);
        Ok(form)
    }

    /// Of one field, if it is there.
    pub(super) fn of_field(fields: &Fields<'_>, key: &str) -> Result<Option<Self>> {
        let Some(json) = fields.value(key) else {
            return Ok(None);
        };
        let form = Fields::new(key, json)?;
        let scaling = scaling(key, &form)?;
        if let Some(part) = form
            .number("partial_rotary_factor")?
            .filter(|part| *part != 1.0)
        {
            return Err(Error::Unsupported {
                what: "partial_rotary_factor",
                value: part.to_string(),
                supported: "1",
            });
        }
        let theta = form.number("rope_theta")?;
        // A `factor` without a type or an `mrope_section` would change the rotations.
        form.refuse_others(&[])?;
        Ok(Some(Self { theta, scaling }))
    }
}

fn scaling(key: &str, form: &Fields<'_>) -> Result<RopeScaling> {
    // `type` is what older releases called it; some files have both.
    let (new, old) = (form.text("rope_type")?, form.text("type")?);
    if let (Some(new), Some(old)) = (new, old)
        && new != old
    {
        return Err(Error::Config {
            what: key.into(),
            reason: format!("`rope_type` is {new} and `type` is {old}"),
        });
    }
    match new.or(old).unwrap_or("default") {
        "default" => Ok(RopeScaling::None),
        "linear" => Ok(RopeScaling::Linear {
            factor: form.required_number("factor")?,
        }),
        "llama3" => Ok(RopeScaling::Llama3(Llama3 {
            factor: form.required_number("factor")?,
            low_freq_factor: form.required_number("low_freq_factor")?,
            high_freq_factor: form.required_number("high_freq_factor")?,
            original_max_positions: form.required_number("original_max_position_embeddings")?,
        })),
        other => Err(Error::Unsupported {
            what: "rope scaling",
            value: other.into(),
            supported: "default, linear, llama3",
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factors_must_be_one_for_each_pair_and_above_zero() {
        let refuse = |factors: &[f32]| RopeScaling::Each(factors.to_vec()).refuse(8);
        assert_eq!(refuse(&[1.0, 2.0, 4.0, 8.0]), None);
        for wrong in [
            &[1.0; 3][..],
            &[1.0; 5],
            &[1.0, 1.0, 1.0, 0.0],
            &[f32::NAN; 4],
        ] {
            let said = refuse(wrong).unwrap();
            assert!(
                said.contains("makes no sense") && said.contains("4 pairs"),
                "{said}"
            );
        }
    }
}
