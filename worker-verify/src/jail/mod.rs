//! What isolates candidates: nsjail around one interpreter per candidate (cold) or around a warm one
//! that forks a child per candidate (warm). Reports what it saw of a run and judges nothing.

mod arguments;
pub mod cgroup;
pub mod isolation;
pub mod locate;
pub mod nsjail;
mod policy;
pub(crate) mod process;
pub mod python;
pub mod warm;
pub(crate) mod watch;
mod zygote;
