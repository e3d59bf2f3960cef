//! What the kernel tells a process about itself in /proc.

use std::fs;

/// The number behind `field`, such as `Threads:`, in /proc/self/status; none where the system does
/// not say. Sizes are in KiB.
pub fn status_number(field: &str) -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let mut lines = status.lines();
    let rest = lines.find_map(|line| line.strip_prefix(field))?;
    rest.split_whitespace().next()?.parse().ok()
}

/// How many file descriptors are open.
pub fn open_descriptors() -> Option<u64> {
    let descriptors = fs::read_dir("/proc/self/fd").ok()?;
    u64::try_from(descriptors.count()).ok()
}
