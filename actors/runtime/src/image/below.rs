//! A file of the layers below the one that is unpacked: what a hard link may name (OCI image specification,
//! `layer.md`: a layer is a change to those below, and its links may lead to what they hold).

use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::OPAQUE;

/// The regular file at `path`, without `..`, in the topmost of `layers` that has it. `None` if none has, if it was
/// deleted in between, or if it is something else. Links on the way are not followed.
pub(super) fn open(layers: &[PathBuf], path: &Path) -> Option<File> {
    for layer in layers {
        match look(layer, path) {
            Look::Found(file) => return Some(file),
            Look::Hidden => return None,
            Look::Absent => {}
        }
    }
    None
}

enum Look {
    Found(File),
    /// Something in this layer hides it in those below.
    Hidden,
    Absent,
}

fn look(layer: &Path, path: &Path) -> Look {
    let open = |above: &File, name: &OsStr, flags: OFlags| {
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        rustix::fs::openat2(above, name, flags, Mode::empty(), ResolveFlags::BENEATH)
            .map(File::from)
    };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let Ok(root) = rustix::fs::openat(CWD, layer, flags, Mode::empty()) else {
        return Look::Hidden;
    };
    let (mut above, mut opaque) = (File::from(root), false);
    let mut names = path.iter().peekable();
    while let Some(name) = names.next() {
        // Held without being opened first: a pipe would wait, and a deletion is a device.
        let kind = match open(&above, name, OFlags::PATH).and_then(rustix::fs::fstat) {
            Ok(found) => FileType::from_raw_mode(found.st_mode),
            Err(Errno::NOENT) if opaque => return Look::Hidden,
            Err(Errno::NOENT) => return Look::Absent,
            Err(_) => return Look::Hidden,
        };
        let last = names.peek().is_none();
        let wanted = match (kind, last) {
            (FileType::RegularFile, true) => OFlags::NONBLOCK,
            (FileType::Directory, false) => OFlags::DIRECTORY,
            _ => return Look::Hidden,
        };
        let Ok(opened) = open(&above, name, wanted) else {
            return Look::Hidden;
        };
        if last {
            return Look::Found(opened);
        }
        let mut value = [0u8; 1];
        let marked = rustix::fs::fgetxattr(&opened, OPAQUE, &mut value);
        opaque |= marked.is_ok_and(|length| value[..length] == *b"y");
        above = opened;
    }
    Look::Hidden
}
