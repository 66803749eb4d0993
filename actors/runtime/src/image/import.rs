//! Importing a tar file of images: an OCI layout (OCI image specification, `image-layout.md`) or what
//! `docker save` writes. Nothing in it is believed before its digest is verified.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use oci_spec::image::{Arch, Descriptor, ImageConfiguration, ImageIndex, ImageManifest, Os};
use serde::Deserialize;

use super::reference::Reference;
use super::store::{ImageRecord, Store, image_config};
use super::{digest, store};
use crate::cri::Image;
use crate::error::{Error, Result};

/// Largest tar file in bytes once it is decompressed.
const TAR_BYTES_MAX: u64 = 64 << 30;
/// Most files in it.
const FILES_MAX: usize = 100_000;
/// Largest JSON document in it.
const DOCUMENT_BYTES_MAX: u64 = 4 << 20;
/// Most images of one file, and most layers of one image: what overlayfs takes in one page of options.
const IMAGES_MAX: usize = 1_000;
const LAYERS_MAX: usize = 120;
/// How deep an index may lie in an index.
const INDEX_DEPTH_MAX: usize = 4;

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// containerd's annotation with the image's full name.
const NAME_ANNOTATION: &str = "io.containerd.image.name";
/// The layout's own, which may be no more than a tag.
const REF_NAME_ANNOTATION: &str = "org.opencontainers.image.ref.name";

type Said<T> = std::result::Result<T, String>;

impl Store {
    /// Adds every image of a tar file. Errors: `Image` naming the file and the part that was refused.
    pub(crate) fn import(&self, path: &Path) -> Result<Vec<Image>> {
        let refused = |message| Error::Image {
            image: path.display().to_string(),
            message,
        };
        let _lock = self.lock()?;
        let mut tar = Tar::open(path, self.directory()).map_err(refused)?;
        let images = tar.images().map_err(refused)?;
        if images.is_empty() {
            return Err(refused("it holds no image".to_owned()));
        }
        let mut added = Vec::new();
        for found in images {
            let record = self.add_image(&mut tar, found).map_err(refused)?;
            self.add(&record)?;
            added.push(record.image());
        }
        Ok(added)
    }

    fn add_image(&self, tar: &mut Tar, found: Found) -> Said<ImageRecord> {
        let configuration: ImageConfiguration = serde_json::from_slice(&found.configuration)
            .map_err(|e| format!("image configuration: {e}"))?;
        let diff_ids = configuration.rootfs().diff_ids();
        if diff_ids.len() != found.layers.len() || diff_ids.len() > LAYERS_MAX {
            return Err(format!(
                "{} layers, {} in the configuration, at most {LAYERS_MAX}",
                found.layers.len(),
                diff_ids.len()
            ));
        }
        let (mut layers, mut size) = (Vec::new(), 0u64);
        let mut chain = String::new();
        for (blob, diff_id) in found.layers.iter().zip(diff_ids) {
            chain = match layers.is_empty() {
                true => diff_id.clone(),
                false => digest(format!("{chain} {diff_id}").as_bytes()),
            };
            let contents = tar.layer(blob)?;
            let (layer, bytes) = self
                .add_layer(diff_id, &chain, &layers, contents)
                .map_err(|e| format!("layer {blob}: {e}"))?;
            layers.insert(0, layer);
            size = size.saturating_add(bytes);
        }
        let mut digests = BTreeSet::new();
        if let Some(manifest) = &found.manifest_digest {
            digests = found
                .names
                .iter()
                .map(|name| name.with_digest(manifest))
                .collect();
        }
        Ok(ImageRecord {
            id: digest(&found.configuration),
            tags: found.names.iter().map(Reference::to_string).collect(),
            digests,
            config: image_config(&configuration)?,
            layers,
            size,
        })
    }
}

/// An image in a tar file.
struct Found {
    names: Vec<Reference>,
    manifest_digest: Option<String>,
    configuration: Vec<u8>,
    /// Paths in the tar, the lowest first.
    layers: Vec<String>,
}

/// One image of `docker save`'s `manifest.json`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

/// A tar file with the places of its files.
struct Tar {
    file: File,
    files: BTreeMap<String, (u64, u64)>,
}

impl Tar {
    /// A compressed one is decompressed into `room` first: its parts are read in no order.
    fn open(path: &Path, room: &Path) -> Said<Self> {
        let mut file = File::open(path).map_err(|e| e.to_string())?;
        let mut magic = [0u8; 2];
        let begins = file.read_exact(&mut magic).and_then(|()| file.rewind());
        begins.map_err(|e| format!("not a tar: {e}"))?;
        if magic == GZIP_MAGIC {
            file = decompressed(file, room).map_err(|e| format!("gzip: {e}"))?;
        }
        let mut files = BTreeMap::new();
        let mut archive = tar::Archive::new(&file);
        let entries = archive
            .entries_with_seek()
            .map_err(|e| format!("not a tar: {e}"))?;
        for entry in entries {
            let entry = entry.map_err(|e| format!("not a tar: {e}"))?;
            if files.len() >= FILES_MAX {
                return Err(format!("more than {FILES_MAX} files"));
            }
            if entry.header().entry_type().is_file() {
                let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
                let name = name.strip_prefix("./").unwrap_or(&name).to_owned();
                files.insert(name, (entry.raw_file_position(), entry.size()));
            }
        }
        Ok(Self { file, files })
    }

    fn reader(&mut self, name: &str) -> Said<io::Take<&File>> {
        let (position, size) = *self
            .files
            .get(name)
            .ok_or_else(|| format!("{name} is missing"))?;
        self.file
            .seek(SeekFrom::Start(position))
            .map_err(|e| e.to_string())?;
        Ok((&self.file).take(size))
    }

    fn document(&mut self, name: &str) -> Said<Vec<u8>> {
        let reader = self.reader(name)?;
        if reader.limit() > DOCUMENT_BYTES_MAX {
            return Err(format!("{name} is larger than {DOCUMENT_BYTES_MAX} bytes"));
        }
        let mut bytes = Vec::new();
        reader
            .take(DOCUMENT_BYTES_MAX)
            .read_to_end(&mut bytes)
            .map_err(|e| format!("{name}: {e}"))?;
        Ok(bytes)
    }

    /// A document of the layout, its digest verified.
    fn blob(&mut self, descriptor: &Descriptor) -> Said<Vec<u8>> {
        let wanted = descriptor.digest().to_string();
        let bytes = self.document(&blob_path(&wanted)?)?;
        let found = digest(&bytes);
        if found == wanted {
            Ok(bytes)
        } else {
            Err(format!("blob {wanted} has the digest {found}"))
        }
    }

    /// A layer's uncompressed tar; its digest is verified against the configuration while it is unpacked.
    fn layer(&mut self, name: &str) -> Said<Box<dyn Read + '_>> {
        let mut magic = [0u8; 4];
        let length = self
            .reader(name)?
            .read(&mut magic)
            .map_err(|e| e.to_string())?;
        let begins = |bytes: &[u8]| magic[..length].starts_with(bytes);
        let reader = BufReader::with_capacity(1 << 16, self.reader(name)?);
        if begins(&ZSTD_MAGIC) {
            return Err(format!(
                "layer {name} is compressed with zstd, which is not supported; use gzip"
            ));
        }
        Ok(if begins(&GZIP_MAGIC) {
            Box::new(MultiGzDecoder::new(reader))
        } else {
            Box::new(reader)
        })
    }

    fn images(&mut self) -> Said<Vec<Found>> {
        if self.files.contains_key("index.json") {
            let index = self.document("index.json")?;
            let mut found = Vec::new();
            self.index(&index, None, 0, &mut found)?;
            // Older versions of docker write a layout without names beside their own manifest.
            if found.iter().any(|image| !image.names.is_empty())
                || !self.files.contains_key("manifest.json")
            {
                return Ok(found);
            }
        }
        if self.files.contains_key("manifest.json") {
            return self.saved();
        }
        Err(
            "neither an OCI layout (index.json) nor what docker save writes (manifest.json)"
                .to_owned(),
        )
    }

    fn index(
        &mut self,
        index: &[u8],
        name: Option<Reference>,
        depth: usize,
        found: &mut Vec<Found>,
    ) -> Said<()> {
        if depth > INDEX_DEPTH_MAX {
            return Err(format!(
                "an index more than {INDEX_DEPTH_MAX} deep in others"
            ));
        }
        let index: ImageIndex = serde_json::from_slice(index).map_err(|e| format!("index: {e}"))?;
        for descriptor in index.manifests() {
            if found.len() >= IMAGES_MAX {
                return Err(format!("more than {IMAGES_MAX} images"));
            }
            let name = match annotated_name(descriptor)? {
                Some(name) => Some(name),
                None => name.clone(),
            };
            if descriptor.media_type().to_string().contains("index")
                || descriptor
                    .media_type()
                    .to_string()
                    .contains("manifest.list")
            {
                let below = self.blob(descriptor)?;
                self.index(&below, name, depth + 1, found)?;
            } else if runs_here(descriptor) {
                found.push(self.manifest(descriptor, name)?);
            }
        }
        Ok(())
    }

    fn manifest(&mut self, descriptor: &Descriptor, name: Option<Reference>) -> Said<Found> {
        let bytes = self.blob(descriptor)?;
        let manifest: ImageManifest =
            serde_json::from_slice(&bytes).map_err(|e| format!("manifest: {e}"))?;
        let layers = manifest
            .layers()
            .iter()
            .map(|layer| blob_path(layer.digest().as_ref()));
        Ok(Found {
            names: name.into_iter().collect(),
            manifest_digest: Some(descriptor.digest().to_string()),
            configuration: self.blob(manifest.config())?,
            layers: layers.collect::<Said<_>>()?,
        })
    }

    fn saved(&mut self) -> Said<Vec<Found>> {
        let bytes = self.document("manifest.json")?;
        let saved: Vec<Saved> =
            serde_json::from_slice(&bytes).map_err(|e| format!("manifest.json: {e}"))?;
        if saved.len() > IMAGES_MAX {
            return Err(format!("more than {IMAGES_MAX} images"));
        }
        let mut found = Vec::new();
        for image in saved {
            let names = image.repo_tags.unwrap_or_default();
            let names = names
                .iter()
                .map(|name| name.parse().map_err(|e| format!("name {name:?}: {e}")));
            found.push(Found {
                names: names.collect::<Said<_>>()?,
                manifest_digest: None,
                configuration: self.document(&image.config)?,
                layers: image.layers,
            });
        }
        Ok(found)
    }
}

fn blob_path(digest: &str) -> Said<String> {
    match digest.strip_prefix("sha256:") {
        Some(hex) if hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit()) => {
            Ok(format!("blobs/sha256/{hex}"))
        }
        _ => Err(format!("{digest:?} is not a sha256 digest")),
    }
}

fn annotated_name(descriptor: &Descriptor) -> Said<Option<Reference>> {
    let Some(annotations) = descriptor.annotations() else {
        return Ok(None);
    };
    let name = match (
        annotations.get(NAME_ANNOTATION),
        annotations.get(REF_NAME_ANNOTATION),
    ) {
        (Some(name), _) => name,
        (None, Some(name)) if name.contains(['/', ':']) => name,
        (None, Some(tag)) => {
            return Err(format!(
                "{REF_NAME_ANNOTATION} {tag:?} is only a tag; {NAME_ANNOTATION} must give the name"
            ));
        }
        (None, None) => return Ok(None),
    };
    store::parse(name).map(Some).map_err(|e| e.to_string())
}

/// Whether a manifest is for this machine; one that does not say is.
fn runs_here(descriptor: &Descriptor) -> bool {
    let Some(platform) = descriptor.platform() else {
        return true;
    };
    *platform.os() == Os::Linux && *platform.architecture() == Arch::default()
}

fn decompressed(file: File, room: &Path) -> io::Result<File> {
    let mut whole = tempfile::tempfile_in(room)?;
    let mut reader = MultiGzDecoder::new(BufReader::new(file)).take(TAR_BYTES_MAX + 1);
    if io::copy(&mut reader, &mut whole)? > TAR_BYTES_MAX {
        return Err(io::Error::other(format!(
            "larger than {TAR_BYTES_MAX} bytes"
        )));
    }
    whole.rewind()?;
    Ok(whole)
}
