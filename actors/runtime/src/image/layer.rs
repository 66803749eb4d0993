//! Unpacking one layer: a tar of changes becomes a directory in overlayfs's form
//! (OCI image specification, `layer.md`). The tar is hostile until proven otherwise.

use std::ffi::OsStr;
use std::fmt::Display;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use ring::digest::{Context, SHA256};
use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, ResolveFlags, Timespec, Timestamps, Uid, XattrFlags,
};
use rustix::io::Errno;
use tar::{Archive, Entry, EntryType};

use super::{OPAQUE, below, hex_digest};

/// Largest unpacked layer in bytes.
const LAYER_BYTES_MAX: u64 = 16 << 30;

/// Most entries of a layer.
const ENTRIES_MAX: usize = 1_000_000;

/// Longest path of an entry in bytes, and most components.
const PATH_BYTES_MAX: usize = 4096;
const PATH_COMPONENTS_MAX: usize = 256;

const WHITEOUT: &[u8] = b".wh.";
const WHITEOUT_OPAQUE: &[u8] = b".wh..wh..opq";
const WHITEOUT_RESERVED: &[u8] = b".wh..wh.";

/// A layer that was unpacked.
pub(super) struct Unpacked {
    /// Bytes of its files.
    pub(super) size: u64,
    /// It holds copies of files of the layers below, to which its links lead: it is of use above these layers only.
    pub(super) copied: bool,
}

/// Unpacks the uncompressed tar `contents`, a change to `layers`, the topmost first, into the empty
/// directory `target`. Errors, naming the entry: a path that leads out, a device, what is beyond a limit, and
/// contents whose digest is not `diff_id`. What was written until then lies within `target`.
pub(super) fn unpack(
    contents: impl Read,
    target: &Path,
    diff_id: &str,
    layers: &[PathBuf],
) -> Result<Unpacked, String> {
    let root = rustix::fs::open(
        target,
        OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
    );
    let root = root.map_err(|e| format!("{}: {e}", target.display()))?;
    let mut reader = Hashing {
        from: contents,
        context: Context::new(&SHA256),
        bytes: 0,
    };
    let (mut size, mut copied) = (0u64, false);
    let mut archive = Archive::new(&mut reader);
    let entries = archive.entries().map_err(|e| format!("not a tar: {e}"))?;
    for (number, entry) in entries.enumerate() {
        if number >= ENTRIES_MAX {
            return Err(format!("more than {ENTRIES_MAX} entries"));
        }
        let mut entry = entry.map_err(|e| format!("not a tar: {e}"))?;
        size = size.saturating_add(entry.size());
        if size > LAYER_BYTES_MAX {
            return Err(format!("larger than {LAYER_BYTES_MAX} bytes"));
        }
        let name = entry.path_bytes().into_owned();
        let more = unpack_entry(&root, &mut entry, layers, LAYER_BYTES_MAX - size)
            .map_err(|why| format!("{:?}: {why}", String::from_utf8_lossy(&name)))?;
        size = size.saturating_add(more.unwrap_or(0));
        copied |= more.is_some();
    }
    // What follows the last entry belongs to the digest too.
    io::copy(&mut reader, &mut io::sink()).map_err(|e| e.to_string())?;
    let found = hex_digest(reader.context.finish().as_ref());
    if found == diff_id {
        Ok(Unpacked { size, copied })
    } else {
        Err(format!("its digest is {found}, not {diff_id}"))
    }
}

struct Hashing<R> {
    from: R,
    context: Context,
    bytes: u64,
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.from.read(buffer)?;
        self.context.update(&buffer[..length]);
        self.bytes = self.bytes.saturating_add(length as u64);
        // Headers count too, or a tar of nothing but long names would have no limit.
        if self.bytes > LAYER_BYTES_MAX + LAYER_BYTES_MAX / 4 {
            return Err(io::Error::other(format!(
                "larger than {LAYER_BYTES_MAX} bytes"
            )));
        }
        Ok(length)
    }
}

/// The bytes that were copied from below for it, of at most `room`; `None` if there was nothing to copy.
fn unpack_entry<R: Read>(
    root: &OwnedFd,
    entry: &mut Entry<'_, R>,
    layers: &[PathBuf],
    room: u64,
) -> Result<Option<u64>, String> {
    let kind = entry.header().entry_type();
    if matches!(kind, EntryType::XGlobalHeader) {
        return Ok(None);
    }
    let path = checked_path(&entry.path_bytes())?;
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return if kind.is_dir() {
            Ok(None)
        } else {
            Err("the root must be a directory".to_owned())
        };
    };
    let parent = open_parent(root, parent)?;
    if whiteout(&parent, name)?.is_some() {
        return Ok(None);
    }
    let header = entry.header();
    let mode = Mode::from_raw_mode(header.mode().map_err(|e| e.to_string())? & 0o7777);
    let owner = (id(header.uid())?, id(header.gid())?);
    match kind {
        EntryType::Directory => make_directory(&parent, name)?,
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
            clear(&parent, name)?;
            write_file(&parent, name, entry)?;
        }
        EntryType::Symlink => {
            clear(&parent, name)?;
            let link = entry.link_name_bytes().ok_or("a link to nothing")?;
            rustix::fs::symlinkat(OsStr::from_bytes(&link), &parent, name)
                .map_err(|e| e.to_string())?;
        }
        EntryType::Link => {
            let link = entry.link_name_bytes().ok_or("a link to nothing")?;
            // A hard link's owner and mode are those of what it links to.
            return hard_link(root, &link, &parent, name, layers, room);
        }
        EntryType::Fifo => {
            clear(&parent, name)?;
            rustix::fs::mknodat(&parent, name, FileType::Fifo, mode, 0)
                .map_err(|e| e.to_string())?;
        }
        EntryType::Char | EntryType::Block => return Err("a device is refused".to_owned()),
        other => return Err(format!("an entry of type {other:?} is refused")),
    }
    let mtime = entry.header().mtime().unwrap_or(0);
    set_attributes(&parent, name, kind, owner, mode, mtime).map_err(|e| e.to_string())?;
    Ok(None)
}

/// A relative path without `..`. A leading `/` or `./` is what some tools write and means the root.
fn checked_path(bytes: &[u8]) -> Result<PathBuf, String> {
    if bytes.len() > PATH_BYTES_MAX || bytes.contains(&0) {
        return Err(format!(
            "a path of more than {PATH_BYTES_MAX} bytes, or with a zero byte"
        ));
    }
    let mut path = PathBuf::new();
    for component in Path::new(OsStr::from_bytes(bytes)).components() {
        match component {
            Component::Normal(name) => path.push(name),
            Component::CurDir | Component::RootDir => {}
            Component::ParentDir | Component::Prefix(_) => {
                return Err("a path that leads out".to_owned());
            }
        }
    }
    if path.components().count() > PATH_COMPONENTS_MAX {
        return Err(format!(
            "a path of more than {PATH_COMPONENTS_MAX} components"
        ));
    }
    Ok(path)
}

/// Opens a directory of the layer, making what is missing. The kernel keeps links within `root`.
fn open_parent(root: &OwnedFd, path: &Path) -> Result<OwnedFd, String> {
    match open_present(root, path) {
        Err(Errno::NOENT) => {
            let above = open_parent(root, path.parent().unwrap_or(Path::new("")))?;
            make_directory(&above, path.file_name().unwrap_or_default())?;
            open_present(root, path).map_err(|e| e.to_string())
        }
        opened => opened.map_err(|e| e.to_string()),
    }
}

/// Opens a directory of the layer that is there; the root for the empty path.
fn open_present(root: &OwnedFd, path: &Path) -> rustix::io::Result<OwnedFd> {
    let path = if path.as_os_str().is_empty() {
        Path::new(".")
    } else {
        path
    };
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat2(root, path, flags, Mode::empty(), ResolveFlags::IN_ROOT)
}

/// Marks a deletion in overlayfs's way, if the name asks for one.
fn whiteout(parent: &OwnedFd, name: &OsStr) -> Result<Option<()>, String> {
    let name = name.as_bytes();
    if name == WHITEOUT_OPAQUE {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory =
            rustix::fs::openat(parent, ".", flags, Mode::empty()).map_err(|e| e.to_string())?;
        rustix::fs::fsetxattr(&directory, OPAQUE, b"y", XattrFlags::empty())
            .map_err(|e| e.to_string())?;
        return Ok(Some(()));
    }
    if name.starts_with(WHITEOUT_RESERVED) {
        return Ok(Some(()));
    }
    let Some(gone) = name.strip_prefix(WHITEOUT) else {
        return Ok(None);
    };
    if matches!(gone, b"" | b"." | b"..") {
        return Err("a deletion of nothing".to_owned());
    }
    let gone = OsStr::from_bytes(gone);
    clear(parent, gone)?;
    let made = rustix::fs::mknodat(parent, gone, FileType::CharacterDevice, Mode::empty(), 0);
    made.map(Some).map_err(|e| e.to_string())
}

fn make_directory(parent: &OwnedFd, name: &OsStr) -> Result<(), String> {
    match rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(found) if FileType::from_raw_mode(found.st_mode) == FileType::Directory => return Ok(()),
        Ok(_) => clear(parent, name)?,
        Err(_) => {}
    }
    rustix::fs::mkdirat(parent, name, Mode::from_raw_mode(0o755)).map_err(|e| e.to_string())
}

/// Removes what a later entry of the same name replaces. A directory that is not empty stays, and the
/// entry is then refused by the kernel.
fn clear(parent: &OwnedFd, name: &OsStr) -> Result<(), String> {
    match rustix::fs::unlinkat(parent, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(Errno::ISDIR | Errno::PERM) => {
            rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR).map_err(|e| e.to_string())
        }
        Err(error) => Err(error.to_string()),
    }
}

fn write_file(parent: &OwnedFd, name: &OsStr, contents: &mut impl Read) -> Result<(), String> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::openat(parent, name, flags, Mode::from_raw_mode(0o600))
        .map_err(|e| e.to_string())?;
    let mut file = File::from(file);
    io::copy(contents, &mut file)
        .and_then(|_| file.sync_data())
        .map_err(|e| e.to_string())
}

/// Links to a file of this layer, or copies one of the layers below: overlayfs has no links from layer to layer.
fn hard_link(
    root: &OwnedFd,
    link: &[u8],
    parent: &OwnedFd,
    name: &OsStr,
    layers: &[PathBuf],
    room: u64,
) -> Result<Option<u64>, String> {
    let path = checked_path(link)?;
    let (Some(above), Some(existing)) = (path.parent(), path.file_name()) else {
        return Err("a hard link to the root".to_owned());
    };
    let about =
        |why: &dyn Display| format!("a hard link to {:?}: {why}", String::from_utf8_lossy(link));
    clear(parent, name)?;
    let linked = open_present(root, above)
        .and_then(|above| rustix::fs::linkat(&above, existing, parent, name, AtFlags::empty()));
    match linked {
        Ok(()) => return Ok(None),
        Err(Errno::NOENT) => {}
        Err(error) => return Err(about(&error)),
    }
    let file = below::open(layers, &path)
        .ok_or_else(|| about(&"no such file in this layer or in one below"))?;
    let found = file.metadata().map_err(|e| about(&e))?;
    if found.len() > room {
        return Err(format!("larger than {LAYER_BYTES_MAX} bytes"));
    }
    write_file(parent, name, &mut file.take(found.len()))?;
    let (owner, mode) = (
        (found.uid(), found.gid()),
        Mode::from_raw_mode(found.mode() & 0o7777),
    );
    let mtime = u64::try_from(found.mtime()).unwrap_or(0);
    set_attributes(parent, name, EntryType::Regular, owner, mode, mtime).map_err(|e| about(&e))?;
    Ok(Some(found.len()))
}

fn set_attributes(
    parent: &OwnedFd,
    name: &OsStr,
    kind: EntryType,
    (uid, gid): (u32, u32),
    mode: Mode,
    mtime: u64,
) -> rustix::io::Result<()> {
    let parent = parent.as_fd();
    let owner = (Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)));
    rustix::fs::chownat(parent, name, owner.0, owner.1, AtFlags::SYMLINK_NOFOLLOW)?;
    if kind != EntryType::Symlink {
        // After the owner, whose change clears the set-user-id bit. Nothing else writes here, so the
        // name is still what was just made and no link is followed.
        rustix::fs::chmodat(parent, name, mode, AtFlags::empty())?;
    }
    let time = Timespec {
        tv_sec: i64::try_from(mtime).unwrap_or(0),
        tv_nsec: 0,
    };
    let times = Timestamps {
        last_access: time,
        last_modification: time,
    };
    rustix::fs::utimensat(parent, name, &times, AtFlags::SYMLINK_NOFOLLOW)
}

fn id(read: io::Result<u64>) -> Result<u32, String> {
    let id = read.map_err(|e| e.to_string())?;
    // The highest id means "leave it" to chown(2).
    u32::try_from(id)
        .ok()
        .filter(|id| *id != u32::MAX)
        .ok_or_else(|| format!("{id} is not a user or group"))
}
