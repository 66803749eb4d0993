//! Unpacking one layer: a tar of changes becomes a directory in overlayfs's form
//! (OCI image specification, `layer.md`). The tar is hostile until proven otherwise.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use ring::digest::{Context, SHA256};
use rustix::fs::{
    AtFlags, FileType, Gid, Mode, OFlags, ResolveFlags, Timespec, Timestamps, Uid, XattrFlags,
};
use rustix::io::Errno;
use tar::{Archive, Entry, EntryType};

use super::{OPAQUE, hex_digest};

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

/// Unpacks the uncompressed tar `contents` into the empty directory `target` and returns the bytes of
/// its files. Errors, naming the entry: a path that leads out, a device, what is beyond a limit, and
/// contents whose digest is not `diff_id`. What was written until then lies within `target`.
pub(super) fn unpack(contents: impl Read, target: &Path, diff_id: &str) -> Result<u64, String> {
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
    let mut size = 0u64;
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
        unpack_entry(&root, &mut entry)
            .map_err(|why| format!("{:?}: {why}", String::from_utf8_lossy(&name)))?;
    }
    // What follows the last entry belongs to the digest too.
    io::copy(&mut reader, &mut io::sink()).map_err(|e| e.to_string())?;
    let found = hex_digest(reader.context.finish().as_ref());
    if found == diff_id {
        Ok(size)
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

fn unpack_entry<R: Read>(root: &OwnedFd, entry: &mut Entry<'_, R>) -> Result<(), String> {
    let kind = entry.header().entry_type();
    if matches!(kind, EntryType::XGlobalHeader) {
        return Ok(());
    }
    let path = checked_path(&entry.path_bytes())?;
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return if kind.is_dir() {
            Ok(())
        } else {
            Err("the root must be a directory".to_owned())
        };
    };
    let parent = open_parent(root, parent)?;
    if let Some(done) = whiteout(&parent, name)? {
        return Ok(done);
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
            return hard_link(root, &link, &parent, name);
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
    set_attributes(&parent, name, kind, owner, mode, mtime).map_err(|e| e.to_string())
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
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let open =
        |path: &Path| rustix::fs::openat2(root, path, flags, Mode::empty(), ResolveFlags::IN_ROOT);
    if path.as_os_str().is_empty() {
        return root.try_clone().map_err(|e| e.to_string());
    }
    match open(path) {
        Err(Errno::NOENT) => {
            let above = open_parent(root, path.parent().unwrap_or(Path::new("")))?;
            make_directory(&above, path.file_name().unwrap_or_default())?;
            open(path).map_err(|e| e.to_string())
        }
        opened => opened.map_err(|e| e.to_string()),
    }
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

fn write_file<R: Read>(
    parent: &OwnedFd,
    name: &OsStr,
    entry: &mut Entry<'_, R>,
) -> Result<(), String> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::openat(parent, name, flags, Mode::from_raw_mode(0o600))
        .map_err(|e| e.to_string())?;
    let mut file = File::from(file);
    io::copy(entry, &mut file)
        .and_then(|_| file.sync_data())
        .map_err(|e| e.to_string())
}

fn hard_link(root: &OwnedFd, link: &[u8], parent: &OwnedFd, name: &OsStr) -> Result<(), String> {
    let path = checked_path(link)?;
    let (Some(above), Some(existing)) = (path.parent(), path.file_name()) else {
        return Err("a hard link to the root".to_owned());
    };
    let above = open_parent(root, above)?;
    clear(parent, name)?;
    rustix::fs::linkat(&above, existing, parent, name, AtFlags::empty())
        .map_err(|e| format!("a hard link to {:?}: {e}", String::from_utf8_lossy(link)))
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
