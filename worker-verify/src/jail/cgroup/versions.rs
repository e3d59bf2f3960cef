//! Makes groups with what the machine has: version 1, version 2, or none.

use std::{io, path::Path};

use crate::jail::cgroup::{group::Group, mounts::Mounts, unavailable::Unavailable, v1::V1, v2::V2};

/// What a group is given to try out whether limits can be set.
const TRIAL_MEMORY_BYTES: u64 = 64 << 20;

/// Makes groups.
pub trait Cgroups: Send + Sync + std::fmt::Debug {
    /// A new group.
    ///
    /// # Errors
    /// If it can't be made or limited.
    fn create(&self) -> io::Result<Group>;

    /// `v1`, `v2` or `none`.
    fn version(&self) -> &'static str;

    /// What is in use, for people: `v1: memory cpuacct pids`.
    fn describe(&self) -> String;

    /// Whether groups limit anything.
    fn active(&self) -> bool {
        true
    }
}

/// No control groups: resource limits of single processes are all there is.
#[derive(Debug)]
pub struct NoCgroups {
    /// Why there are none.
    pub reason: String,
}

impl Cgroups for NoCgroups {
    fn create(&self) -> io::Result<Group> {
        Ok(Group::default())
    }

    fn version(&self) -> &'static str {
        "none"
    }

    fn describe(&self) -> String {
        format!("not used: {}", self.reason)
    }

    fn active(&self) -> bool {
        false
    }
}

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

/// Makes a group in `folder` and sets a limit, since only that shows whether it is permitted.
pub(super) fn try_out(cgroups: &dyn Cgroups, folder: &Path) -> Result<(), Unavailable> {
    let tried = cgroups.create();
    match tried.and_then(|mut group| group.begin(TRIAL_MEMORY_BYTES)) {
        Ok(()) => Ok(()),
        Err(error) => Err(Unavailable::at("make a group in", folder, error)),
    }
}
