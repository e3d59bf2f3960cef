//! What several families build their inputs from: balanced words and expressions.

pub(crate) mod dyck;
pub(crate) mod expression;
