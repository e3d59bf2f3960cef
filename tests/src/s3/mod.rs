//! A real S3 server for tests, and what can come between it and its clients.

mod filer;
mod proxy;
mod server;

pub use filer::Filer;
pub use proxy::{Action, Proxy, Seen};
pub use server::{FLAGS, Identity, Server, identities, is_up, program};
