//! A pod's volumes on disk.
//!
//! Config maps, secrets and fields are written into a fresh directory that a symbolic link `..data` then comes to
//! point at, so that a reader sees all of the old files or all of the new ones (kubernetes
//! `pkg/volume/util/atomic_writer.go`).

mod memory;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Component, Path, PathBuf};

use model::objects::pod::PodView;
use model::objects::pod_volumes::{DownwardVolume, HostPath, KeyToPath, Volume};
use model::rules::env::{self, NodeFacts, ReferenceError};
use model::rules::quantity::QuantityError;
use shell::ApiClient;

use crate::pods::Directories;
use crate::sources::{self, Entries, Kind, SourceError, entries};

/// Mode of files where none is given.
const DEFAULT_MODE: i32 = 0o644;

/// What `fsGroup` gives the group of a volume beside its ownership (kubernetes `pkg/volume/volume_linux.go`,
/// `changeFilePermission`): for files of a writable volume and of one that is only read, and further for directories.
const WRITABLE: u32 = 0o660;
const READABLE: u32 = 0o440;
const DIRECTORY: u32 = 0o2110;

/// Why a volume is not there.
#[derive(Debug, thiserror::Error)]
pub(crate) enum VolumeError {
    /// Its config map or secret.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A field that it refers to.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// The disk.
    #[error("{path}: {error}")]
    Disk {
        /// Which file or directory.
        path: String,
        /// What the system says.
        error: io::Error,
    },
    /// A path that leads out of the volume.
    #[error("{0:?} is not a relative path inside the volume")]
    Path(String),
    /// The host has something else there.
    #[error("hostPath type check failed: {path} is not {wanted}")]
    HostPath {
        /// Where.
        path: String,
        /// What was asked for.
        wanted: &'static str,
    },
    /// A limit that is no quantity.
    #[error("emptyDir sizeLimit {0:?}: {1}")]
    Size(String, QuantityError),
    /// A source that this version does not serve.
    #[error("no volume plugin matched: {0} is not served yet")]
    Unserved(String),
}

/// Files by relative path, with their modes.
type Files = BTreeMap<PathBuf, (Vec<u8>, u32)>;

/// Makes every volume of a pod, or brings it up to date. The error names the volume.
pub(crate) async fn prepare(
    client: &ApiClient,
    directories: &Directories,
    pod: &PodView,
    facts: &NodeFacts,
) -> Result<(), String> {
    for volume in &pod.spec.volumes {
        let made = make(client, directories, pod, facts, volume).await;
        made.map_err(|error| {
            format!(
                "MountVolume.SetUp failed for volume {:?} : {error}",
                volume.name
            )
        })?;
    }
    Ok(())
}

/// Makes one volume, or brings it up to date.
pub(crate) async fn make(
    client: &ApiClient,
    directories: &Directories,
    pod: &PodView,
    facts: &NodeFacts,
    volume: &Volume,
) -> Result<(), VolumeError> {
    let (namespace, group) = (&pod.metadata.namespace, pod.spec.security_context.fs_group);
    let directory = directories.volume(&pod.metadata.uid, &volume.name);
    if let Some(host) = &volume.host_path {
        return host_path(host);
    }
    make_directory(&directory)?;
    if let Some(empty) = &volume.empty_dir {
        if empty.medium == "Memory" {
            memory::mount(&directory, &empty.size_limit)?;
        }
        // Sticky bits and groups are the pod's own affair: anyone in it may write.
        set_mode(&directory, 0o777)?;
        return own_directory(&directory, group, WRITABLE);
    }
    let files = if let Some(source) = &volume.config_map {
        let mode = source.default_mode;
        let (name, optional) = (&source.name, source.optional);
        let found = entries(client, Kind::ConfigMap, namespace, name, optional).await?;
        select(
            Kind::ConfigMap,
            namespace,
            name,
            found,
            &source.items,
            mode,
            optional,
        )?
    } else if let Some(source) = &volume.secret {
        let mode = source.default_mode;
        let (name, optional) = (&source.secret_name, source.optional);
        let found = entries(client, Kind::Secret, namespace, name, optional).await?;
        select(
            Kind::Secret,
            namespace,
            name,
            found,
            &source.items,
            mode,
            optional,
        )?
    } else if let Some(source) = &volume.downward_api {
        fields(pod, facts, source)?
    } else {
        let kind = volume.other.keys().next().cloned();
        return Err(VolumeError::Unserved(
            kind.unwrap_or_else(|| "an empty source".to_owned()),
        ));
    };
    write(&directory, &files, group)
}

/// The file or directory of a volume on the host, for a mount.
pub(crate) fn host_side(directories: &Directories, pod: &PodView, volume: &Volume) -> PathBuf {
    match &volume.host_path {
        Some(host) => PathBuf::from(&host.path),
        None => directories.volume(&pod.metadata.uid, &volume.name),
    }
}

/// A relative path that stays inside: what `subPath` and items may name.
pub(crate) fn inside(path: &str) -> Result<PathBuf, VolumeError> {
    let path = Path::new(path);
    let plain = path
        .components()
        .all(|component| matches!(component, Component::Normal(_)));
    if path.as_os_str().is_empty() || !plain {
        return Err(VolumeError::Path(path.display().to_string()));
    }
    Ok(path.to_owned())
}

fn select(
    kind: Kind,
    namespace: &str,
    name: &str,
    found: Option<Entries>,
    items: &[KeyToPath],
    mode: Option<i32>,
    optional: bool,
) -> Result<Files, VolumeError> {
    let found = found.unwrap_or_default().files();
    let default = mode.unwrap_or(DEFAULT_MODE);
    if items.is_empty() {
        return found
            .into_iter()
            .map(|(key, bytes)| Ok((inside(&key)?, (bytes, bits(default)))))
            .collect();
    }
    let mut files = Files::new();
    for item in items {
        // One key may be projected to several paths.
        match found.get(&item.key) {
            Some(bytes) => {
                let mode = bits(item.mode.unwrap_or(default));
                files.insert(inside(&item.path)?, (bytes.clone(), mode));
            }
            None if optional => {}
            None => return Err(sources::no_such_key(kind, namespace, name, &item.key).into()),
        }
    }
    Ok(files)
}

fn fields(pod: &PodView, facts: &NodeFacts, source: &DownwardVolume) -> Result<Files, VolumeError> {
    let default = source.default_mode.unwrap_or(DEFAULT_MODE);
    let mut files = Files::new();
    for item in &source.items {
        let value = match (&item.field_ref, &item.resource_field_ref) {
            (Some(field), _) => env::field(pod, facts, &field.field_path)?,
            (None, Some(resource)) => env::resource(pod, facts, "", resource)?,
            (None, None) => String::new(),
        };
        let mode = bits(item.mode.unwrap_or(default));
        files.insert(inside(&item.path)?, (value.into_bytes(), mode));
    }
    Ok(files)
}

fn bits(mode: i32) -> u32 {
    u32::try_from(mode).unwrap_or(0) & 0o777
}

/// `type` of a hostPath: what has to be there, what is made.
fn host_path(host: &HostPath) -> Result<(), VolumeError> {
    let path = Path::new(&host.path);
    let missing = !path.exists();
    match host.kind.as_str() {
        "" | "DirectoryOrCreate" if missing => return make_directory(path),
        "FileOrCreate" if missing => return disk(path, fs::write(path, [])),
        _ => {}
    }
    let wanted = match host.kind.as_str() {
        "Directory" | "DirectoryOrCreate" if !path.is_dir() => "a directory",
        "File" | "FileOrCreate" if !path.is_file() => "a file",
        "Socket" if missing => "a socket",
        "CharDevice" | "BlockDevice" if missing => "a device",
        _ => return Ok(()),
    };
    Err(VolumeError::HostPath {
        path: host.path.clone(),
        wanted,
    })
}

/// Writes the files beside the present ones, then turns `..data` to them. What is there already stays.
fn write(directory: &Path, files: &Files, group: Option<i64>) -> Result<(), VolumeError> {
    let data = directory.join("..data");
    let mut files = files.clone();
    if owner(group).is_some() {
        for (_, mode) in files.values_mut() {
            *mode |= READABLE;
        }
    }
    let files = &files;
    if present(&data).is_ok_and(|present| present == *files) {
        return link(directory, files);
    }
    let present = fs::read_link(&data).ok();
    let next = match &present {
        Some(present) if present.as_os_str() == "..1" => "..2",
        _ => "..1",
    };
    let fresh = directory.join(next);
    // What a crash left half written has never been pointed at.
    remove(&fresh)?;
    make_directory(&fresh)?;
    let mut directories = BTreeSet::from([directory.to_owned(), fresh.clone()]);
    for (path, (bytes, mode)) in files {
        let file = fresh.join(path);
        if let Some(parent) = file.parent() {
            make_directory(parent)?;
        }
        let above = path.ancestors().skip(1);
        directories.extend(above.map(|above| fresh.join(above)));
        disk(&file, fs::write(&file, bytes))?;
        own(&file, group)?;
        set_mode(&file, *mode)?;
    }
    for directory in &directories {
        own_directory(directory, group, READABLE)?;
    }
    let turning = directory.join("..data_tmp");
    remove(&turning)?;
    disk(&turning, symlink(next, &turning))?;
    disk(&data, fs::rename(&turning, &data))?;
    link(directory, files)?;
    match present {
        Some(present) if present.as_os_str() != next => remove(&directory.join(present)),
        _ => Ok(()),
    }
}

/// The files below a directory.
fn present(directory: &Path) -> io::Result<Files> {
    let (mut found, mut todo) = (Files::new(), vec![PathBuf::new()]);
    while let Some(below) = todo.pop() {
        for entry in fs::read_dir(directory.join(&below))? {
            let entry = entry?;
            let (name, metadata) = (below.join(entry.file_name()), entry.metadata()?);
            if metadata.is_dir() {
                todo.push(name);
            } else {
                let mode = metadata.permissions().mode() & 0o777;
                found.insert(name, (fs::read(entry.path())?, mode));
            }
        }
    }
    Ok(found)
}

/// The names that users see: links into `..data`, one for each first part of a path.
fn link(directory: &Path, files: &Files) -> Result<(), VolumeError> {
    let mut wanted: BTreeMap<PathBuf, PathBuf> = BTreeMap::new();
    for path in files.keys() {
        if let Some(Component::Normal(first)) = path.components().next() {
            wanted.insert(directory.join(first), Path::new("..data").join(first));
        }
    }
    for entry in disk(directory, fs::read_dir(directory))? {
        let path = disk(directory, entry)?.path();
        let own = path
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(b".."));
        if !own && !wanted.contains_key(&path) {
            remove(&path)?;
        }
    }
    for (name, target) in wanted {
        if fs::symlink_metadata(&name).is_err() {
            disk(&name, symlink(target, &name))?;
        }
    }
    Ok(())
}

/// Gives back the memory of volumes below a directory.
pub(crate) fn unmount(path: &Path) -> Result<(), VolumeError> {
    disk(path, memory::unmount(path))
}

/// Removes a file, a link or a directory with everything in it; that nothing is there is no error.
pub(crate) fn remove(path: &Path) -> Result<(), VolumeError> {
    unmount(path)?;
    let removed = match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => disk(path, removed),
    }
}

fn make_directory(path: &Path) -> Result<(), VolumeError> {
    disk(path, fs::create_dir_all(path))
}

fn set_mode(path: &Path, mode: u32) -> Result<(), VolumeError> {
    disk(
        path,
        fs::set_permissions(path, Permissions::from_mode(mode)),
    )
}

/// The group that owns a volume, if one is asked for.
fn owner(group: Option<i64>) -> Option<u32> {
    group.and_then(|group| u32::try_from(group).ok())
}

fn own(path: &Path, group: Option<i64>) -> Result<(), VolumeError> {
    match owner(group) {
        Some(group) => disk(path, chown(path, None, Some(group))),
        None => Ok(()),
    }
}

/// Gives a directory to the group: what is made in it belongs to the group too.
fn own_directory(path: &Path, group: Option<i64>, access: u32) -> Result<(), VolumeError> {
    if owner(group).is_none() {
        return Ok(());
    }
    own(path, group)?;
    let present = disk(path, fs::metadata(path))?.permissions().mode() & 0o7777;
    set_mode(path, present | access | DIRECTORY)
}

fn disk<T>(path: &Path, result: io::Result<T>) -> Result<T, VolumeError> {
    result.map_err(|error| VolumeError::Disk {
        path: path.display().to_string(),
        error,
    })
}

#[cfg(test)]
mod tests;
