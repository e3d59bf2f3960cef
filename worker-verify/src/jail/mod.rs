//! What isolates candidates: nsjail around one interpreter per candidate (cold) or around a warm
//! one that forks a child per candidate (warm). Reports what it saw of a run and judges nothing.

mod arguments;
pub mod cgroup;
mod cold;
pub mod isolation;
mod locate;
mod nsjail;
mod nsjail_log;
pub mod obstacle;
mod packets;
mod policy;
pub(crate) mod process;
mod python;
pub(crate) mod scripts;
mod warm;
mod watch;
mod zygote;
mod zygote_jail;

pub use arguments::MAX_PROCESSES;
pub use isolation::Isolation;
pub use locate::locate;
pub use nsjail::{Config, Nsjail};
pub use policy::{apparmor_profile, seccomp_profile};
pub use process::return_large_blocks;
pub use warm::Warm;
