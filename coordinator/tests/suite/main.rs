//! The coordinator over its real wire and a real Postgres, with workers that only pretend to compute.

mod access;
mod harness;
mod leases;
mod life;
mod postgres;
mod worker;
