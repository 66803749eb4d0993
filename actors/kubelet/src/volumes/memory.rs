//! Volumes in memory: `emptyDir` with `medium: Memory` is a tmpfs.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use model::rules::quantity::Quantity;
use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, umount2};

use super::{VolumeError, disk};

/// Mounts a tmpfs on a directory, at most `limit` bytes large if one is given. One that is there stays as it is.
pub(super) fn mount(directory: &Path, limit: &str) -> Result<(), VolumeError> {
    let size = match limit {
        "" => None,
        text => {
            let limit = Quantity::parse(text)
                .map_err(|error| VolumeError::Size(text.to_owned(), error))?
                .value();
            // tmpfs takes 0 for no limit.
            (limit > 0).then(|| format!("size={limit}"))
        }
    };
    let canonical = disk(directory, fs::canonicalize(directory))?;
    if disk(directory, mounts())?.contains(&canonical) {
        return Ok(());
    }
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    let kind = Some("tmpfs");
    let mounted = nix::mount::mount(kind, directory, kind, flags, size.as_deref());
    disk(directory, mounted.map_err(io::Error::from))
}

/// Unmounts what is mounted at or below a path.
pub(super) fn unmount(path: &Path) -> io::Result<()> {
    let Ok(canonical) = fs::canonicalize(path) else {
        // What is not there has nothing mounted on it.
        return Ok(());
    };
    // The last mounted is the topmost.
    for mount in mounts()?.iter().rev() {
        if mount.starts_with(&canonical) {
            match umount2(mount, MntFlags::MNT_DETACH) {
                Ok(()) | Err(Errno::EINVAL | Errno::ENOENT) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(())
}

/// Every mount point of this process, in the order of mounting.
fn mounts() -> io::Result<Vec<PathBuf>> {
    let table = fs::read("/proc/self/mountinfo")?;
    let lines = table.split(|byte| *byte == b'\n');
    Ok(lines
        .filter_map(|line| line.split(|byte| *byte == b' ').nth(4))
        .map(|escaped| PathBuf::from(std::ffi::OsString::from_vec(unescape(escaped))))
        .collect())
}

/// Blanks and backslashes are written as `\ooo` there, in octal.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((byte, after)) = rest.split_first() {
        let octal = (*byte == b'\\')
            .then(|| after.get(..3))
            .flatten()
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match octal {
            Some(value) => {
                plain.push(value);
                rest = &after[3..];
            }
            None => {
                plain.push(*byte);
                rest = after;
            }
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_the_kernel_writes_them() {
        assert_eq!(unescape(b"/a\\040b\\134"), b"/a b\\");
        assert_eq!(unescape(b"/a\\9"), b"/a\\9");
    }
}
