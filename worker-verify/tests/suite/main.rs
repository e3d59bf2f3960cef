//! Everything that runs real candidates in the real sandbox, as one binary.

#[macro_use]
mod common;

mod attacks;
mod broken;
mod check;
mod contract;
mod exhaustion;
mod long;
mod ordinary;
mod output;
mod persistence;
mod python_files;
mod verdicts;
