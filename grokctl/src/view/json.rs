//! The lines that records carry as text, as values: to be shown, or to be printed as part of JSON.

use groklab_domain::records::JsonLine;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::failure::Failure;

/// Reads every line; the error names `what` it should be.
pub fn read_lines<T: DeserializeOwned>(
    what: &str,
    lines: &[JsonLine<T>],
) -> Result<Vec<T>, Failure> {
    let mut values = Vec::new();
    for line in lines {
        // One that cannot be read is worth a failure: a gap would look like a result.
        let value = line
            .read()
            .map_err(|error| Failure::other(format!("read {what}")).because(error))?;
        values.push(value);
    }
    Ok(values)
}

/// A record as a value, whose keys JSON prints in the order of the alphabet.
pub fn sorted(record: &impl Serialize) -> Result<Value, Failure> {
    serde_json::to_value(record).map_err(|error| Failure::other("write JSON").because(error))
}

/// Every line as an object, with the fields that this version does not know.
pub fn objects<T>(lines: &[JsonLine<T>]) -> Vec<Value> {
    let mut objects = Vec::new();
    for line in lines {
        let text = line.as_str();
        // What is no JSON is passed on too: hiding it would help nobody to find the fault.
        objects.push(serde_json::from_str(text).unwrap_or_else(|_| Value::from(text)));
    }
    objects
}
