//! What a process is told about where and in which numbers to compute.

use std::{fmt, str::FromStr};

use crate::error::{Error, Result};

/// Which device a process is told to compute on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DeviceSetting {
    /// The first GPU where there is one, else the CPU.
    #[default]
    Auto,
    Cpu,
    /// The GPU with this number, as CUDA counts those it may see.
    Cuda(usize),
}

impl FromStr for DeviceSetting {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let index = match text {
            "auto" => return Ok(Self::Auto),
            "cpu" => return Ok(Self::Cpu),
            "cuda" => Some(0),
            _ => text
                .strip_prefix("cuda:")
                .and_then(|index| index.parse().ok()),
        };
        index.map(Self::Cuda).ok_or_else(|| Error::Unsupported {
            what: "device",
            value: text.into(),
            supported: "auto, cpu, cuda, cuda:N",
        })
    }
}

impl fmt::Display for DeviceSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(index) => write!(f, "cuda:{index}"),
        }
    }
}

/// Which kind of numbers weights and activations have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum KindSetting {
    /// bfloat16 on a GPU, float32 on the CPU.
    #[default]
    Auto,
    Float32,
    Bfloat16,
}

impl FromStr for KindSetting {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "auto" => Ok(Self::Auto),
            "float32" => Ok(Self::Float32),
            "bfloat16" => Ok(Self::Bfloat16),
            _ => Err(Error::Unsupported {
                what: "kind of numbers",
                value: text.into(),
                supported: "auto, float32, bfloat16",
            }),
        }
    }
}

impl fmt::Display for KindSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Float32 => "float32",
            Self::Bfloat16 => "bfloat16",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_read_as_it_is_written() {
        for (text, setting) in [
            ("auto", DeviceSetting::Auto),
            ("cpu", DeviceSetting::Cpu),
            ("cuda:3", DeviceSetting::Cuda(3)),
        ] {
            assert_eq!(
                (text.parse::<DeviceSetting>().unwrap(), setting.to_string()),
                (setting, text.to_owned())
            );
        }
        assert_eq!(
            "cuda".parse::<DeviceSetting>().unwrap(),
            DeviceSetting::Cuda(0)
        );
        for wrong in ["gpu", "cuda:", "cuda:x", "CPU", ""] {
            assert!(
                wrong
                    .parse::<DeviceSetting>()
                    .unwrap_err()
                    .to_string()
                    .contains("cuda:N"),
                "{wrong}"
            );
        }
    }

    #[test]
    fn a_kind_is_read_as_it_is_written() {
        for text in ["auto", "float32", "bfloat16"] {
            let kind: KindSetting = text.parse().unwrap();
            assert_eq!(kind.to_string(), text);
        }
        let refused = "fp16".parse::<KindSetting>().unwrap_err().to_string();
        assert!(refused.contains("bfloat16"), "{refused}");
    }
}
