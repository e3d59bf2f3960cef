//! Which version of control groups is used here: 1, 2, or none.

use crate::jail::cgroup::{
    mounts::Mounts,
    v1::V1,
    v2::V2,
    versions::{Cgroups, NoCgroups},
};

/// The best that is available here, tried out: version 1 where it has the memory controller, else
/// version 2, else none.
pub fn find() -> Box<dyn Cgroups> {
    let mounts = match Mounts::read() {
        Ok(mounts) => mounts,
        Err(error) => {
            return Box::new(NoCgroups {
                reason: format!("the mount table can't be read: {error}"),
            });
        }
    };
    let v1_error = match V1::find(&mounts) {
        Ok(v1) => return Box::new(v1),
        Err(error) => error,
    };
    match V2::find(&mounts) {
        Ok(v2) => Box::new(v2),
        Err(v2_error) => Box::new(NoCgroups {
            reason: format!("v1: {v1_error}; v2: {v2_error}"),
        }),
    }
}
