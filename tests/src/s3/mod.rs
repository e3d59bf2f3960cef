//! A real S3 server for tests, and what can come between it and its clients.

mod proxy;
mod server;

pub use proxy::{Action, Proxy, Seen};
pub use server::{Identity, Server};
