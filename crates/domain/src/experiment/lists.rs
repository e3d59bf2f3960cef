//! Lists that serde would read otherwise.

use serde::{Deserialize, Deserializer, de::Error as _};

/// Two values, no fewer and no more. serde would read an array of two from a longer list and drop
/// the rest.
///
/// # Errors
/// It is no list of two such values.
pub fn exactly_two<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<[T; 2], D::Error> {
    let values = Vec::<T>::deserialize(deserializer)?;
    let count = values.len();
    values
        .try_into()
        .map_err(|_| D::Error::custom(format!("use exactly two values; here they are {count}")))
}

/// A text, or a list of them.
///
/// # Errors
/// It is neither.
pub fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "use a text or a list of texts")]
    enum OneOrMany {
        One(String),
        Many(Vec<String>),
    }
    Ok(match OneOrMany::deserialize(deserializer)? {
        OneOrMany::One(text) => vec![text],
        OneOrMany::Many(texts) => texts,
    })
}
