//! What a process is told about the numbers to compute in.

use std::{fmt, str::FromStr};

use crate::error::{Error, Result};

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
    fn a_kind_is_read_as_it_is_written() {
        for text in ["auto", "float32", "bfloat16"] {
            let kind: KindSetting = text.parse().unwrap();
            assert_eq!(kind.to_string(), text);
        }
        let refused = "fp16".parse::<KindSetting>().unwrap_err().to_string();
        assert!(refused.contains("bfloat16"), "{refused}");
    }
}
