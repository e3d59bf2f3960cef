//! Lists of exactly two values. serde would read an array of two from a longer list and drop the
//! rest.

use serde::{Deserialize, Deserializer, de::Error as _};

/// Two values, no fewer and no more.
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
