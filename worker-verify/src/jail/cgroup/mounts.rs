//! Where this process is in every hierarchy of control groups, and where these are mounted.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// The part of a version 2 group into which its processes move, so that the group can be divided.
pub const WORKERS_PART: &str = "groklab-verify-worker";

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

    /// Our own folder in version 2's only tree, or the one above where we are in its
    /// [`WORKERS_PART`]: the folder that is to be divided, whoever divided it already.
    pub fn unified(&self) -> Option<PathBuf> {
        let own = self.own.iter().find(|own| own.controllers.is_empty())?;
        // The last one mounted hides those before it at the same place.
        for mount in self.mounts.iter().rev() {
            // A tree that came from outside of the container does not show our group.
            if mount.file_system == "cgroup2"
                && let Ok(rest) = own.divided().strip_prefix(&mount.root)
            {
                return Some(Path::new(&mount.place).join(rest));
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

    /// The group whose part this is, if it is a worker's; else the group itself.
    fn divided(&self) -> &Path {
        let path = Path::new(&self.path);
        match path.parent() {
            Some(above) if path.ends_with(WORKERS_PART) => above,
            _ => path,
        }
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

    #[test]
    fn a_process_in_the_workers_part_finds_the_group_above() {
        for (own, mount, folder) in [
            ("/groklab-verify-worker", "/", "/sys/fs/cgroup"),
            ("/a/groklab-verify-worker", "/", "/sys/fs/cgroup/a"),
            // A container without a namespace of its own for groups.
            (
                "/docker/ab/groklab-verify-worker",
                "/docker/ab",
                "/sys/fs/cgroup",
            ),
            // The container's own root may be called so; nothing above it can be seen.
            ("/", "/", "/sys/fs/cgroup"),
            // Another's name that only ends so.
            (
                "/my-groklab-verify-worker",
                "/",
                "/sys/fs/cgroup/my-groklab-verify-worker",
            ),
        ] {
            let mounts = Mounts::parse(
                &format!("0::{own}"),
                &format!("29 23 0:26 {mount} /sys/fs/cgroup rw - cgroup2 cgroup2 rw"),
            );
            assert_eq!(mounts.unified(), Some(folder.into()), "{own}");
        }
    }

    /// `docker run -v /sys/fs/cgroup:/sys/fs/cgroup`, with or without our own tree over it.
    #[test]
    fn a_tree_from_outside_is_not_ours() {
        let outside = "29 23 0:26 /../.. /sys/fs/cgroup rw - cgroup2 cgroup2 rw";
        let ours = "30 29 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw";
        assert_eq!(Mounts::parse("0::/", outside).unified(), None);
        let both = Mounts::parse("0::/", &format!("{outside}\n{ours}"));
        assert_eq!(both.unified(), Some("/sys/fs/cgroup".into()));
    }
}
