//! What is said of a value that cannot be used.

/// One value that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{key}` = {value}: {fix}")]
pub struct Invalid {
    /// The dotted key, as in `train.rank`.
    pub key: &'static str,
    pub value: String,
    /// What would be right.
    pub fix: String,
}
