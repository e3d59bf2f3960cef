//! Why there are no control groups, with the fix in the same breath, since each cause has its own.

use std::{
    io,
    path::{Path, PathBuf},
};

use nix::unistd::geteuid;

/// What is in the way.
#[derive(Debug, thiserror::Error)]
pub enum Unavailable {
    #[error("no version 1 memory controller is mounted")]
    NoVersion1,
    #[error("no version 2 tree is mounted that shows this process's group")]
    NoVersion2,
    #[error(
        "`{}` is offered no memory controller (only: {offered}); enable it for that group from the \
         one above, or boot with `cgroup_enable=memory`",
        folder.display()
    )]
    NoMemory { folder: PathBuf, offered: String },
    #[error(
        "`{}` is mounted read-only; start the container with a writable one: Docker 28 or later \
         `--security-opt writable-cgroups=true`, podman `--security-opt unmask=/sys/fs/cgroup`",
        .0.display()
    )]
    ReadOnly(PathBuf),
    #[error(
        "user {user} may not write to `{}`; run as root, or have the group delegated to the user \
         (systemd: Delegate=yes)",
        path.display()
    )]
    Denied { path: PathBuf, user: u32 },
    #[error(
        "`{}` is busy: it can't be divided while it holds processes {processes}, which can't be \
         moved into a part of it (0 is one that can't be seen from here); start the worker in a \
         group of its own",
        folder.display()
    )]
    Busy { folder: PathBuf, processes: String },
    #[error("{what} `{}`: {source}", path.display())]
    Failed {
        what: &'static str,
        path: PathBuf,
        source: io::Error,
    },
}

impl Unavailable {
    /// What an error of the file system at `path` means.
    pub fn at(what: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly(path),
            io::ErrorKind::PermissionDenied => Self::Denied {
                path,
                user: geteuid().as_raw(),
            },
            _ => Self::Failed { what, path, source },
        }
    }
}
