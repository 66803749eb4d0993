//! A container's root file system: the image's layers with a writable one on top.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, chown, symlink};
use std::path::Path;

use anyhow::{Context, bail};
use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};

use crate::state::{Launch, file};

/// The kernel takes mount options of one page at most.
const OPTIONS_BYTES_MAX: usize = 4095;

/// Directories deeper than this are not copied.
const DEPTH_MAX: usize = 256;

/// Makes `DIRECTORY/rootfs` ready: an overlay mount, or a copy where the kernel or the file system
/// below cannot do one (for example when the state directory lies on an overlay itself).
pub(super) fn prepare(directory: &Path, launch: &Launch) -> anyhow::Result<()> {
    let target = directory.join(file::ROOTFS);
    for name in ["upper", "work", file::ROOTFS] {
        fs::create_dir_all(directory.join(name))?;
    }
    match overlay(directory, launch, &target) {
        Ok(()) => Ok(()),
        Err(Errno::EINVAL | Errno::ENODEV | Errno::EOPNOTSUPP | Errno::E2BIG) => {
            copy_layers(launch, &target)
        }
        Err(error) => Err(error).context("cannot mount the root file system"),
    }
}

/// Unmounts the root file system; harmless if it is a copy or not mounted.
pub(super) fn release(directory: &Path) {
    let _ = umount2(&directory.join(file::ROOTFS), MntFlags::MNT_DETACH);
}

fn overlay(directory: &Path, launch: &Launch, target: &Path) -> nix::Result<()> {
    let (upper, work) = (directory.join("upper"), directory.join("work"));
    let options = format!(
        "lowerdir={},upperdir={},workdir={}",
        launch.layers.join(":"),
        upper.display(),
        work.display()
    );
    let special = |path: &Path| {
        path.as_os_str()
            .as_encoded_bytes()
            .iter()
            .any(|b| b",:\\".contains(b))
    };
    if launch.layers.is_empty() || special(&upper) {
        return Err(Errno::EINVAL);
    }
    if options.len() > OPTIONS_BYTES_MAX {
        return Err(Errno::E2BIG);
    }
    // Layers are named relative to the working directory, so that many fit into the page of options.
    let before = std::env::current_dir().map_err(|_| Errno::ENOENT)?;
    std::env::set_current_dir(&launch.layers_directory).map_err(|_| Errno::ENOENT)?;
    let mounted = mount(
        Some("overlay"),
        target,
        Some("overlay"),
        MsFlags::empty(),
        Some(options.as_str()),
    );
    std::env::set_current_dir(before).map_err(|_| Errno::ENOENT)?;
    mounted
}

fn copy_layers(launch: &Launch, target: &Path) -> anyhow::Result<()> {
    fs::remove_dir_all(target)?;
    fs::create_dir(target)?;
    for layer in launch.layers.iter().rev() {
        let source = launch.layers_directory.join(layer);
        copy_directory(&source, target, 0).with_context(|| format!("cannot copy layer {layer}"))?;
    }
    Ok(())
}

/// Copies one layer over those below it. Deletions are marked as overlayfs marks them: a character
/// device 0/0 removes a name, the attribute `trusted.overlay.opaque` hides what is below a directory.
fn copy_directory(source: &Path, target: &Path, depth: usize) -> anyhow::Result<()> {
    if depth > DEPTH_MAX {
        bail!("directories deeper than {DEPTH_MAX}");
    }
    for entry in fs::read_dir(source)? {
        let entry = entry?;
        let (from, to) = (entry.path(), target.join(entry.file_name()));
        let found = fs::symlink_metadata(&from)?;
        let kind = found.file_type();
        if kind.is_char_device() && found.rdev() == 0 {
            remove(&to)?;
            continue;
        }
        let directory_below = fs::symlink_metadata(&to).is_ok_and(|below| below.is_dir());
        if !(kind.is_dir() && directory_below && !is_opaque(&from)) {
            remove(&to)?;
        }
        if kind.is_dir() {
            fs::create_dir(&to).or_else(|e| if directory_below { Ok(()) } else { Err(e) })?;
            copy_directory(&from, &to, depth + 1)?;
        } else if kind.is_symlink() {
            symlink(fs::read_link(&from)?, &to)?;
        } else if kind.is_file() {
            fs::copy(&from, &to)?;
        } else {
            continue;
        }
        if kind.is_symlink() {
            std::os::unix::fs::lchown(&to, Some(found.uid()), Some(found.gid()))?;
        } else {
            chown(&to, Some(found.uid()), Some(found.gid()))?;
            fs::set_permissions(&to, fs::Permissions::from_mode(found.mode() & 0o7777))?;
        }
    }
    Ok(())
}

fn is_opaque(directory: &Path) -> bool {
    let mut value = [0u8; 1];
    let got = rustix::fs::getxattr(directory, crate::image::OPAQUE, &mut value);
    got.is_ok_and(|length| value[..length] == *b"y")
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(e),
    }
}
