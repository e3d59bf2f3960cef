//! Where a process is told to compute.

use std::{fmt, str::FromStr};

use crate::Unknown;

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
    type Err = Unknown;

    fn from_str(text: &str) -> Result<Self, Unknown> {
        let index = match text {
            "auto" => return Ok(Self::Auto),
            "cpu" => return Ok(Self::Cpu),
            "cuda" => Some(0),
            _ => text
                .strip_prefix("cuda:")
                .and_then(|index| index.parse().ok()),
        };
        index.map(Self::Cuda).ok_or_else(|| Unknown {
            what: "device",
            word: text.to_owned(),
            known: "auto, cpu, cuda, cuda:N".to_owned(),
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
}
