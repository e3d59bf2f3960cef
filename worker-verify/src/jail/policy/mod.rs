//! The policy on system calls, from one table in the two forms it is needed in: nsjail takes text
//! (the cold path), a forked child takes a program for the kernel (the warm path).

mod calls;
mod program;
mod text;

pub use program::programs;
pub use text::text;
