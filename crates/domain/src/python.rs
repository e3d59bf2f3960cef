//! Which Python judges: what a candidate does may depend on it.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// A version of the language, such as 3.11. Releases within one, such as 3.11.2, judge alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PythonVersion {
    pub major: u16,
    pub minor: u16,
}

/// What is no version of Python.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no version of Python such as 3.11.2")]
pub struct NoPythonVersion(String);

impl fmt::Display for PythonVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl FromStr for PythonVersion {
    type Err = NoPythonVersion;

    /// Reads `3.11` and `3.11.2`, also with what a release before the first has behind it.
    fn from_str(text: &str) -> Result<Self, NoPythonVersion> {
        let mut parts = text.split('.');
        let mut part = || parts.next()?.parse().ok();
        match (part(), part()) {
            (Some(major), Some(minor)) => Ok(Self { major, minor }),
            _ => Err(NoPythonVersion(text.to_owned())),
        }
    }
}

impl Serialize for PythonVersion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PythonVersion {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn releases_of_one_version_are_alike() {
        let version = |text: &str| text.parse::<PythonVersion>();
        assert_eq!(version("3.11.2"), version("3.11"));
        assert_ne!(version("3.12.0rc1"), version("3.11"));
        assert_eq!(version("3.12.0rc1").unwrap().to_string(), "3.12");
        for text in ["", "3", "x.y", "3.x", "python 3.11"] {
            let error = version(text).unwrap_err().to_string();
            assert_eq!(
                error,
                format!("`{text}` is no version of Python such as 3.11.2")
            );
        }
    }
}
