//! Where this process is in every hierarchy of control groups, and where these are mounted.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Both tables of this process.
pub struct Mounts {
    /// From `/proc/self/cgroup`.
    own: Vec<OwnGroup>,
    /// From `/proc/self/mountinfo`.
    mounts: Vec<Mount>,
}

/// This process's group in one hierarchy.
struct OwnGroup {
    /// None for version 2.
    controllers: String,
    path: String,
}

struct Mount {
    file_system: String,
    options: String,
    /// The folder of the file system that is shown.
    root: String,
    /// Where it is shown.
    place: String,
}

impl Mounts {
    pub fn read() -> io::Result<Self> {
        Ok(Self::parse(
            &fs::read_to_string("/proc/self/cgroup")?,
            &fs::read_to_string("/proc/self/mountinfo")?,
        ))
    }

    fn parse(own: &str, mounts: &str) -> Self {
        Self {
            own: own.lines().filter_map(OwnGroup::parse).collect(),
            mounts: mounts.lines().filter_map(Mount::parse).collect(),
        }
    }

    /// Our own folder under version 1's `controller`.
    pub fn folder(&self, controller: &str) -> Option<PathBuf> {
        for mount in &self.mounts {
            if mount.file_system == "cgroup" && has_word(&mount.options, controller) {
                return self.own_folder(mount, |names| has_word(names, controller));
            }
        }
        None
    }

    /// Our own folder in version 2's only tree.
    pub fn unified(&self) -> Option<PathBuf> {
        for mount in &self.mounts {
            if mount.file_system == "cgroup2" {
                return self.own_folder(mount, str::is_empty);
            }
        }
        None
    }

    /// Where `mount` shows our own group of the hierarchy with these controllers.
    fn own_folder(&self, mount: &Mount, has_controllers: impl Fn(&str) -> bool) -> Option<PathBuf> {
        for own in &self.own {
            if has_controllers(&own.controllers) {
                return Some(mount.below(&own.path));
            }
        }
        None
    }
}

impl OwnGroup {
    /// `4:memory:/a/b`
    fn parse(line: &str) -> Option<Self> {
        let mut parts = line.splitn(3, ':').skip(1);
        Some(Self {
            controllers: parts.next()?.to_owned(),
            path: parts.next()?.to_owned(),
        })
    }
}

impl Mount {
    /// `35 31 0:32 /root /place rw - cgroup cgroup rw,memory`
    fn parse(line: &str) -> Option<Self> {
        let (place, kind) = line.split_once(" - ")?;
        let place: Vec<&str> = place.split(' ').collect();
        let kind: Vec<&str> = kind.split(' ').collect();
        Some(Self {
            file_system: (*kind.first()?).to_owned(),
            options: (*kind.get(2)?).to_owned(),
            root: (*place.get(3)?).to_owned(),
            place: (*place.get(4)?).to_owned(),
        })
    }

    /// Where `path` of the hierarchy is shown: a mount shows only what is below its root.
    fn below(&self, path: &str) -> PathBuf {
        let root = self.root.trim_end_matches('/');
        // In a container the root is a group of the host, and the path begins with it.
        let rest = path.strip_prefix(root).unwrap_or("");
        Path::new(&self.place).join(rest.trim_start_matches('/'))
    }
}

fn has_word(list: &str, word: &str) -> bool {
    list.split(',').any(|name| name == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
40 31 0:37 /docker/ab /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,nsdelegate";

    #[test]
    fn finds_our_own_folders() {
        let mounts = Mounts::parse(
            "4:memory:/a/b\n2:cpu,cpuacct:/docker/ab/c\n0::/user.slice",
            MOUNTS,
        );
        assert_eq!(
            mounts.folder("memory"),
            Some("/sys/fs/cgroup/memory/a/b".into())
        );
        assert_eq!(
            mounts.folder("cpuacct"),
            Some("/sys/fs/cgroup/cpu,cpuacct/c".into())
        );
        assert_eq!(mounts.folder("pids"), None);
        assert_eq!(
            mounts.unified(),
            Some("/sys/fs/cgroup/unified/user.slice".into())
        );
    }
}
