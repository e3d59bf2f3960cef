//! The bytes between the worker and the runner in the jail: frames out of it, requests into it.
//! Knows how values are written and read, and nothing of jails or verdicts.

pub(crate) mod encode;
pub mod frame;
pub mod reader;
pub mod seen;
pub(crate) mod shorten;
