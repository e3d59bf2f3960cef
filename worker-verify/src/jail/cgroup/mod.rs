//! Control groups: one per zygote, in which it and every candidate it forks are born, so that no
//! candidate is ever outside. Limits the memory of all processes of a candidate together and reads
//! the kernel's own counts. Versions 1 and 2 and none at all look the same to the caller.

mod find;
mod group;
mod leftovers;
mod mounts;
mod unavailable;
mod v1;
mod v2;
mod versions;

pub use find::find;
pub use group::Group;
pub use leftovers::{own_groups, sweep};
pub use v2::ended_as_a_whole;
pub use versions::{Cgroups, NoCgroups};
