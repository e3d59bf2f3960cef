//! The policy on system calls, from one table in the three forms it is needed in: nsjail takes text
//! (the cold path), a forked child takes a program for the kernel (the warm path), and a container
//! engine takes a profile that permits the worker and its jails what they need. Beside it the
//! profile for AppArmor, which knows no system calls.

mod calls;
mod container;
mod program;
mod text;

pub use container::{apparmor_profile, seccomp_profile};
pub use program::programs;
pub use text::text;
