//! How much memory this machine has, and how much of it this process holds.

use std::fs;
use std::path::{Path, PathBuf};

/// Models may take three quarters of the memory; the rest is for bodies, the page cache, and whatever else runs here.
const SHARE: (u64, u64) = (3, 4);
/// What is assumed of a machine that does not say how much it has.
const UNKNOWN_BYTES: u64 = 8 << 30;

/// What models may take together where nobody has said: three quarters of this machine's memory, or of what the control
/// group that this process runs in may take, whichever is less.
#[must_use]
pub fn models_bytes_max() -> u64 {
    let system = [system_bytes(Path::new("/proc/meminfo")), group_bytes(), darwin_bytes()];
    let bytes = system.into_iter().flatten().min().unwrap_or(UNKNOWN_BYTES);
    bytes / SHARE.1 * SHARE.0
}

/// What this process holds that is not a mapped file, where the system says it.
pub(super) fn held_bytes() -> Option<u64> {
    kilobytes(&fs::read_to_string("/proc/self/status").ok()?, "RssAnon:")
}

fn system_bytes(meminfo: &Path) -> Option<u64> {
    kilobytes(&fs::read_to_string(meminfo).ok()?, "MemTotal:")
}

fn kilobytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? << 10)
}

/// The limit of the control group: of version 2 the group's own or any above it, of version 1 the memory controller's.
fn group_bytes() -> Option<u64> {
    let root = Path::new("/sys/fs/cgroup");
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    groups.lines().filter_map(|line| smallest_limit(root, line)).min()
}

/// A line is `0::/path` in version 2, and `4:memory:/path` in version 1.
fn smallest_limit(root: &Path, line: &str) -> Option<u64> {
    let mut parts = line.splitn(3, ':');
    let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
    let (base, file) = match controllers {
        "" => (root.to_owned(), "memory.max"),
        of if of.split(',').any(|name| name == "memory") => (root.join("memory"), "memory.limit_in_bytes"),
        _ => return None,
    };
    let group: PathBuf = base.join(path.trim_start_matches('/'));
    // In a container the path may be the host's, which is not there; the root is then the container's own group.
    let above = group.ancestors().take_while(|above| above.starts_with(&base));
    let limit = |folder: &Path| fs::read_to_string(folder.join(file)).ok()?.trim().parse::<u64>().ok();
    above.filter_map(limit).min()
}

/// macOS has no `/proc`.
fn darwin_bytes() -> Option<u64> {
    if !cfg!(target_os = "macos") {
        return None;
    }
    let said = std::process::Command::new("/usr/sbin/sysctl").args(["-n", "hw.memsize"]).output().ok()?;
    String::from_utf8(said.stdout).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests;
