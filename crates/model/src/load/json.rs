//! Files of JSON.

use std::path::Path;

use serde_json::Value;

use crate::error::{Error, Result};

pub(super) fn read_json(path: &Path) -> Result<Value> {
    let bytes = std::fs::read(path).map_err(|source| Error::Read {
        path: path.into(),
        source,
    })?;
    serde_json::from_slice(&bytes).map_err(|error| Error::Corrupt {
        path: path.into(),
        reason: error.to_string(),
    })
}
