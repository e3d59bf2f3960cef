//! From a submission to a verdict: runs the candidate in a sandbox and compares, outside it, what came
//! back with what is expected.

pub mod pool;
pub mod verify;
