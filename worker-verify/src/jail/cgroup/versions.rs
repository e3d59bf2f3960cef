//! What every version of control groups, and none at all, has to do.

use std::{io, path::Path};

use crate::jail::cgroup::{group::Group, unavailable::Unavailable};

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

/// Makes a group in `folder` and sets a limit, since only that shows whether it is permitted.
pub(super) fn try_out(cgroups: &dyn Cgroups, folder: &Path) -> Result<(), Unavailable> {
    let tried = cgroups.create();
    match tried.and_then(|mut group| group.begin(TRIAL_MEMORY_BYTES)) {
        Ok(()) => Ok(()),
        Err(error) => Err(Unavailable::at("make a group in", folder, error)),
    }
}
