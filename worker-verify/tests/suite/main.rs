//! Everything that runs real candidates in the real sandbox, as one binary.

mod attacks;
mod broken;
mod check;
mod common;
mod contract;
mod long;
mod persistence;
mod verdicts;
