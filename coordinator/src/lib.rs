//! The coordinator: sole owner of Postgres, the gRPC services, and the loop that carries
//! experiments through. It runs no model and no candidate.

#![deny(clippy::print_stdout, clippy::print_stderr)]

mod access;
mod blobs;
mod config;
mod connections;
mod control;
mod database_url;
mod deletion;
mod error;
mod fork;
mod grpc;
mod http;
mod jobs;
mod kinds;
mod labels;
mod metrics;
mod nudge;
mod observe;
mod port;
pub mod postgres;
mod problems;
mod queries;
mod scheduler;
mod serve;
mod service;
mod standard_services;
mod store;
mod submission;
mod tls;

pub use access::Tokens;
pub use blobs::{AwsVariables, Place};
pub use config::{Command, Config, DoctorArgs};
pub use error::Error;
pub use http::QueueFace;
pub use queries::StoredExperiment;
pub use serve::run;
pub use tls::Tls;
