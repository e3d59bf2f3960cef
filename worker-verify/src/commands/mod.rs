//! What people and coordinators have the worker do: one module a command.

pub mod bench;
pub mod check;
pub mod doctor;
mod line;
pub mod selftest;
mod work;

pub use work::work;
