//! Where artifacts are kept, as `--artifacts` names it.

use std::{fmt, path::PathBuf, str::FromStr};

use object_store::path::Path as Key;

const SCHEME: &str = "s3://";

/// A folder, or a bucket and what all keys in it begin with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    Folder(PathBuf),
    S3(Bucket),
}

/// A bucket, and what all keys in it begin with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    pub name: String,
    /// Empty where the bucket holds nothing else.
    pub prefix: Key,
}

/// Why a text names no place. None of them repeats the text: it may hold a key.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("it is empty: give a folder, or s3://BUCKET/PREFIX")]
    Empty,
    #[error("give a folder, or s3://BUCKET/PREFIX: no other scheme is known")]
    Scheme,
    #[error(
        "keys do not belong into it: give s3://BUCKET/PREFIX, and the keys in AWS_ACCESS_KEY_ID \
         and AWS_SECRET_ACCESS_KEY"
    )]
    Keys,
    #[error(
        "`{0}` is no name of a bucket: 3 to 63 lowercase letters, digits, dots and hyphens, and a \
         letter or digit at both ends"
    )]
    Name(String),
    #[error("`{0}` cannot begin keys: letters, digits, and - _ . between single slashes")]
    Prefix(String),
}

impl FromStr for Place {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        if text.trim().is_empty() {
            return Err(Error::Empty);
        }
        let Some(rest) = text.strip_prefix(SCHEME) else {
            // A folder that is called so can be written `./s3://…`.
            return if text.contains("://") {
                Err(Error::Scheme)
            } else {
                Ok(Self::Folder(text.into()))
            };
        };
        if rest.contains(['@', ':', '?']) {
            return Err(Error::Keys);
        }
        let (name, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        if !is_bucket_name(name) {
            return Err(Error::Name(name.to_owned()));
        }
        let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
        if !is_prefix(prefix) {
            return Err(Error::Prefix(prefix.to_owned()));
        }
        Ok(Self::S3(Bucket {
            name: name.to_owned(),
            prefix: Key::from(prefix),
        }))
    }
}

fn is_bucket_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = name.as_bytes();
    let ends = [bytes.first(), bytes.last()];
    (3..=63).contains(&bytes.len())
        && ends.into_iter().flatten().all(|&byte| plain(byte))
        && bytes
            .iter()
            .all(|&byte| plain(byte) || b".-".contains(&byte))
}

fn is_prefix(prefix: &str) -> bool {
    let is_part = |part: &str| {
        let mut bytes = part.bytes();
        !matches!(part, "" | "." | "..")
            && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    prefix.is_empty() || prefix.split('/').all(is_part)
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Folder(folder) => folder.display().fmt(f),
            Self::S3(bucket) => bucket.fmt(f),
        }
    }
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}", self.name)?;
        if self.prefix.as_ref().is_empty() {
            return Ok(());
        }
        write!(f, "/{}", self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_folder_or_a_bucket() {
        let place = |text: &str| text.parse::<Place>().map(|place| place.to_string());
        for text in [
            "/var/lib/artifacts",
            "data",
            "s3://abc",
            "s3://a.b-c/one/two_3",
        ] {
            assert_eq!(place(text).unwrap(), text);
        }
        assert_eq!(place("s3://abc/").unwrap(), "s3://abc");
        assert_eq!(place("s3://abc/one/").unwrap(), "s3://abc/one");
        let bucket = |text: &str| matches!(text.parse(), Ok(Place::S3(_)));
        assert!(bucket("s3://abc/one") && !bucket("abc/one"));
    }

    #[test]
    fn what_names_no_place_is_refused_and_no_key_is_shown() {
        for (text, says) in [
            ("", "it is empty"),
            ("gs://bucket/prefix", "no other scheme"),
            ("https://bucket.s3.amazonaws.com", "no other scheme"),
            ("s3://KEY:hunter2@bucket", "AWS_SECRET_ACCESS_KEY"),
            ("s3://bucket/?secret=hunter2", "AWS_SECRET_ACCESS_KEY"),
            ("s3://", "`` is no name"),
            ("s3://Bucket/x", "`Bucket` is no name"),
            ("s3://-ab/x", "`-ab` is no name"),
            ("s3://abc/one//two", "`one//two` cannot begin keys"),
            ("s3://abc/../two", "`../two` cannot begin keys"),
            ("s3://abc/one two", "`one two` cannot begin keys"),
        ] {
            let error = text.parse::<Place>().unwrap_err().to_string();
            assert!(
                error.contains(says) && !error.contains("hunter2"),
                "{text}: {error}"
            );
        }
    }
}
