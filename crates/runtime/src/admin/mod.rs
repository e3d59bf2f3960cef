//! What a process tells operators: whether it lives, whether it can do its duty, and its metrics.

mod client;
mod health;
mod server;

pub use client::HealthArgs;
pub use health::{Health, NotReady, Readiness};
pub use server::{Admin, serve};
