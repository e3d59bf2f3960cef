//! Calls over gRPC as traces and metrics see them, by OpenTelemetry's semantic conventions for RPC.
//! Knows nothing of what is called.

mod body;
mod call;
mod client;
mod server;

pub use body::CallBody;
pub use call::{Finished, Methods, Observer};
pub use client::ClientCalls;
pub use server::{ServerCalls, ServerLayer};
