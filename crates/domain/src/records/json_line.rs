//! A line of JSON whose text is passed on as it is.

use std::{fmt, marker::PhantomData};

use serde::{Serialize, de::DeserializeOwned};

/// The text of one `T`. It is stored, sent and exported as it was first written, so that its bytes
/// are the same wherever it is met; who needs the value reads it.
pub struct JsonLine<T> {
    text: String,
    value: PhantomData<fn() -> T>,
}

impl<T> JsonLine<T> {
    /// Takes a text that was written before.
    pub fn from_text(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            value: PhantomData,
        }
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub fn into_text(self) -> String {
        self.text
    }
}

impl<T: Serialize> JsonLine<T> {
    /// # Errors
    /// A number that JSON cannot write.
    pub fn write(value: &T) -> serde_json::Result<Self> {
        serde_json::to_string(value).map(Self::from_text)
    }
}

impl<T: DeserializeOwned> JsonLine<T> {
    /// # Errors
    /// Another version wrote a shape that this one does not know.
    pub fn read(&self) -> serde_json::Result<T> {
        serde_json::from_str(&self.text)
    }
}

// Derives would ask the same of `T`, which is not held.

impl<T> Clone for JsonLine<T> {
    fn clone(&self) -> Self {
        Self::from_text(self.text.clone())
    }
}

impl<T> PartialEq for JsonLine<T> {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl<T> Eq for JsonLine<T> {}

impl<T> fmt::Debug for JsonLine<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
