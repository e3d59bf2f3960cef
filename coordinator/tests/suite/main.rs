//! The coordinator over its real wire and a real Postgres, with workers that only pretend to compute.

#![expect(clippy::unwrap_used, reason = "a test fails where it panics")]

mod access;
mod controls;
mod deletion;
mod drawn;
mod forks;
mod groups;
mod harness;
mod hostile;
mod labels;
mod leases;
mod life;
mod orphans;
mod poolers;
mod postgres;
mod process;
mod roles;
mod s3;
mod schema;
mod secrets;
mod stored;
mod tls;
mod worker;
