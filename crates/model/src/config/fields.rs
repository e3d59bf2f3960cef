//! The fields of a JSON object, each of which is read by somebody, known to change nothing, or
//! refused by its name.

use std::{cell::RefCell, collections::BTreeSet};

use groklab_domain::text::shortened;
use serde_json::{Map, Value};

use crate::error::{Error, Result};

/// Of a value, in an error.
const MAX_SHOWN_CHARS: usize = 80;

/// A configuration while it is read. A field of the wrong type is an error, never a default; null
/// is as good as absent.
pub(crate) struct Fields<'a> {
    file: &'a str,
    map: &'a Map<String, Value>,
    read: RefCell<BTreeSet<&'a str>>,
}

impl<'a> Fields<'a> {
    /// # Errors
    /// `json`, the contents of `file`, is not an object.
    pub(crate) fn new(file: &'a str, json: &'a Value) -> Result<Self> {
        let map = json.as_object().ok_or_else(|| Error::Config {
            what: file.into(),
            reason: "it is not an object".into(),
        })?;
        Ok(Self {
            file,
            map,
            read: RefCell::default(),
        })
    }

    /// The field, unless it is null.
    pub(crate) fn value(&self, key: &str) -> Option<&'a Value> {
        let (key, value) = self.map.get_key_value(key)?;
        self.read.borrow_mut().insert(key);
        (!value.is_null()).then_some(value)
    }

    /// Whether the field is there, if only as null.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.map.contains_key(key)
    }

    pub(crate) fn integer(&self, key: &str) -> Result<Option<i64>> {
        self.typed(key, "a whole number", Value::as_i64)
    }

    pub(crate) fn number(&self, key: &str) -> Result<Option<f64>> {
        self.typed(key, "a number", Value::as_f64)
    }

    pub(crate) fn flag(&self, key: &str) -> Result<Option<bool>> {
        self.typed(key, "true or false", Value::as_bool)
    }

    pub(crate) fn text(&self, key: &str) -> Result<Option<&'a str>> {
        self.typed(key, "a text", Value::as_str)
    }

    pub(crate) fn list(&self, key: &str) -> Result<Option<&'a Vec<Value>>> {
        self.typed(key, "a list", Value::as_array)
    }

    pub(crate) fn required(&self, key: &str) -> Result<i64> {
        self.integer(key)?.ok_or_else(|| self.missing(key))
    }

    pub(crate) fn required_number(&self, key: &str) -> Result<f64> {
        self.number(key)?.ok_or_else(|| self.missing(key))
    }

    fn missing(&self, key: &str) -> Error {
        Error::Config {
            what: self.file.into(),
            reason: format!("`{key}` is missing"),
        }
    }

    /// Ids of a field that holds one id, a list, or nothing.
    pub(crate) fn ids(&self, key: &str) -> Result<Vec<i64>> {
        let ids = |value: &'a Value| match value {
            Value::Array(list) => list.iter().map(Value::as_i64).collect(),
            other => other.as_i64().map(|id| vec![id]),
        };
        self.typed(key, "an id or a list of ids", ids)
            .map(Option::unwrap_or_default)
    }

    /// Refuses what nobody has read, is not in `harmless`, and is not switched off.
    pub(crate) fn refuse_others(&self, harmless: &[&str]) -> Result<()> {
        let read = self.read.borrow();
        let other = |(key, value): &(&String, &Value)| {
            !read.contains(key.as_str()) && !harmless.contains(&key.as_str()) && !is_off(value)
        };
        self.map.iter().find(other).map_or(Ok(()), |(key, value)| {
            Err(Error::UnknownField {
                file: self.file.into(),
                key: key.clone(),
                value: shortened(&value.to_string(), MAX_SHOWN_CHARS),
            })
        })
    }

    fn typed<T>(
        &self,
        key: &str,
        wanted: &str,
        read: impl Fn(&'a Value) -> Option<T>,
    ) -> Result<Option<T>> {
        let Some(value) = self.value(key) else {
            return Ok(None);
        };
        let wrong = || Error::Config {
            what: self.file.into(),
            reason: format!(
                "`{key}` = {}: {wanted} is wanted",
                shortened(&value.to_string(), MAX_SHOWN_CHARS)
            ),
        };
        read(value).ok_or_else(wrong).map(Some)
    }
}

/// How configurations say that something is not done.
fn is_off(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}
