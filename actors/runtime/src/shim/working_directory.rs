//! The directory that a container's process begins in.

use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

use anyhow::Context;
use libcontainer::oci_spec::runtime::{Mount, Spec};
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use crate::state::file;

/// Makes the working directory of the container prepared in `directory` if the image, or the volume that it lies in,
/// lacks it: root's, for all to read, as runc does (`prepareRootfs`). The root file system must be there.
///
/// Errors tell which directory could not be made or entered and why. They need not be the end: a link that leads into
/// a volume can be followed once the volume is mounted.
pub(super) fn prepare(directory: &Path) -> anyhow::Result<()> {
    let spec = Spec::load(directory.join(file::CONFIG))?;
    let process = spec.process().as_ref();
    let wanted = clean(process.context("the container has no process")?.cwd());
    let mounts = spec.mounts().as_deref().unwrap_or_default();
    let (root, inside, writable) = match mount_of(mounts, &wanted) {
        None => (directory.join(file::ROOTFS), &*wanted, true),
        Some((mount, inside)) => match mount.source() {
            Some(source) if is_bind(mount) => (source.clone(), inside, !is_read_only(mount)),
            // What the kernel mounts afresh is not there yet.
            _ => return Ok(()),
        },
    };
    make(&root, inside, writable)
        .with_context(|| format!("working directory /{}", wanted.display()))
}

/// Without the leading `/`, `.` and `..`, by the text alone.
fn clean(path: &Path) -> PathBuf {
    let mut cleaned = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => cleaned.push(name),
            Component::ParentDir => {
                cleaned.pop();
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    cleaned
}

/// The innermost mount that a path lies in, and the rest of the path. Of two in one place the later covers the other.
fn mount_of<'a, 'p>(mounts: &'a [Mount], path: &'p Path) -> Option<(&'a Mount, &'p Path)> {
    let around = mounts.iter().rev().filter_map(|mount| {
        let rest = path.strip_prefix(clean(mount.destination())).ok()?;
        Some((mount, rest))
    });
    around.min_by_key(|(_, rest)| rest.components().count())
}

fn is_bind(mount: &Mount) -> bool {
    mount.typ().as_deref() == Some("bind")
}

fn is_read_only(mount: &Mount) -> bool {
    let mut options = mount.options().iter().flatten();
    options.any(|option| option == "ro")
}

/// Makes `inside` below `root`. The kernel keeps every link within `root`, and a name is only ever made in a directory
/// that is held open, so that nobody who changes the tree meanwhile leads this out of it.
fn make(root: &Path, inside: &Path, writable: bool) -> anyhow::Result<()> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::openat(CWD, root, flags, Mode::empty())?;
    let open =
        |path: &Path| rustix::fs::openat2(&root, path, flags, Mode::empty(), ResolveFlags::IN_ROOT);
    let mut above = root.try_clone()?;
    let mut path = PathBuf::new();
    for name in inside.iter() {
        path.push(name);
        let opened = match open(&path) {
            Err(Errno::NOENT) if writable => make_one(&above, name).and_then(|()| open(&path)),
            opened => opened,
        };
        above = opened.with_context(|| format!("{}", path.display()))?;
    }
    Ok(())
}

fn make_one(above: impl std::os::fd::AsFd, name: &OsStr) -> rustix::io::Result<()> {
    match rustix::fs::mkdirat(above, name, Mode::from_raw_mode(0o755)) {
        // Another container of the pod was faster.
        Err(Errno::EXIST) => Ok(()),
        made => made,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use serde_json::{Value, json};

    use super::*;

    /// A container's directory with a root file system, and what comes of a working directory in it.
    fn prepared(at: &Path, cwd: &str, mounts: Value) -> Result<(), String> {
        let config = json!({"ociVersion": "1.0.2", "mounts": mounts,
            "process": {"cwd": cwd, "user": {"uid": 0, "gid": 0}}});
        fs::create_dir_all(at.join(file::ROOTFS)).expect("a root");
        fs::write(at.join(file::CONFIG), config.to_string()).expect("a configuration");
        prepare(at).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn what_is_missing_is_made_and_links_stay_inside() {
        let directory = tempfile::tempdir().expect("a directory");
        let (at, root) = (directory.path(), directory.path().join(file::ROOTFS));
        prepared(at, "/a/./b/../c", json!([])).expect("made");
        let mode = fs::metadata(root.join("a/c"))
            .expect("a directory")
            .permissions()
            .mode();
        assert_eq!(mode & 0o7777, 0o755);
        assert!(!root.join("a/b").exists());
        prepared(at, "/", json!([])).expect("the root is there");

        let outside = tempfile::tempdir().expect("a directory");
        symlink(outside.path(), root.join("absolute")).expect("a link");
        symlink("../../../../../../../../../../a", root.join("climbs")).expect("a link");
        let refused = prepared(at, "/absolute/x", json!([])).expect_err("it leads nowhere");
        assert!(
            refused.contains("/absolute/x: absolute: No such file"),
            "{refused}"
        );
        prepared(at, "/climbs/d", json!([])).expect("it climbs to the root and no further");
        assert!(root.join("a/d").is_dir());
        assert_eq!(
            fs::read_dir(outside.path()).expect("a directory").count(),
            0
        );

        fs::write(root.join("file"), "").expect("a file");
        let refused = prepared(at, "/file/x", json!([])).expect_err("no directory");
        assert!(
            refused.contains("working directory /file/x: file: Not a directory"),
            "{refused}"
        );
    }

    #[test]
    fn a_volume_is_the_place_of_what_lies_in_it() {
        let directory = tempfile::tempdir().expect("a directory");
        let (at, volume) = (directory.path().join("c"), directory.path().join("v"));
        fs::create_dir(&volume).expect("a volume");
        let mounts = |access: &str| {
            json!([{"destination": "/proc", "type": "proc", "source": "proc"},
                {"destination": "/data", "type": "bind", "source": "/nowhere"},
                {"destination": "/data/deep/", "type": "bind", "source": volume, "options": ["rbind", access]}])
        };
        prepared(&at, "/data/deep/x/y", mounts("rw")).expect("made");
        assert!(volume.join("x/y").is_dir());
        assert_eq!(
            fs::read_dir(at.join(file::ROOTFS)).expect("a root").count(),
            0
        );
        prepared(&at, "/data/deep/x", mounts("ro")).expect("it is there");
        let refused = prepared(&at, "/data/deep/z", mounts("ro")).expect_err("it is not");
        assert!(
            refused.contains("/data/deep/z: z: No such file"),
            "{refused}"
        );
        prepared(&at, "/proc/none", mounts("ro")).expect("the kernel will tell");
    }
}
