//! Images on disk. The directory may be shared by the nodes of one machine, each its own process.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use oci_spec::image::ImageConfiguration;
use serde::{Deserialize, Serialize};

use super::config::ImageConfig;
use super::layer::{self, Unpacked};
use super::reference::Reference;
use super::{digest, echo};
use crate::cri::Image;
use crate::durable;
use crate::error::{Error, Result};

/// Hexadecimal digits of a layer's directory. Overlay options name every layer in one page, so names
/// are short; the whole digest lies beside and a clash is refused.
const LAYER_NAME_DIGITS: usize = 24;

/// The images of a node, or of several.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    directory: PathBuf,
}

/// `images/*.json`: an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ImageRecord {
    /// Digest of its configuration.
    pub(crate) id: String,
    /// Names with tags, in full.
    pub(crate) tags: BTreeSet<String>,
    /// Names with the manifest's digest.
    pub(crate) digests: BTreeSet<String>,
    /// What containers are made from.
    pub(crate) config: ImageConfig,
    /// Paths of its layers below the layers' directory, the topmost first.
    pub(crate) layers: Vec<String>,
    /// Bytes of its unpacked layers.
    pub(crate) size: u64,
}

impl ImageRecord {
    /// Whether this is the image that is always present.
    pub(crate) fn is_echo(&self) -> bool {
        self.tags.contains(echo::NAME)
    }
}

impl ImageRecord {
    /// As CRI tells it.
    pub(crate) fn image(&self) -> Image {
        let user = self.config.user.split(':').next().unwrap_or("");
        let uid = user.parse().ok();
        Image {
            id: self.id.clone(),
            repo_tags: self.tags.iter().cloned().collect(),
            repo_digests: self.digests.iter().cloned().collect(),
            size: self.size,
            uid,
            username: if uid.is_some() {
                String::new()
            } else {
                user.to_owned()
            },
        }
    }
}

impl Store {
    /// Opens the store, making its directories and the image that is always there.
    pub(crate) fn open(directory: PathBuf) -> Result<Self> {
        let store = Self { directory };
        let made = durable::private_directory(&store.layers_directory())
            .and_then(|()| fs::create_dir_all(store.directory.join("images")));
        made.map_err(|e| store.damaged(&store.directory, e))?;
        store.add_echo()?;
        Ok(store)
    }

    /// Where it all is.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Where unpacked layers are.
    pub(crate) fn layers_directory(&self) -> PathBuf {
        self.directory.join("layers")
    }

    /// The absolute paths of an image's layers, the topmost first.
    pub(crate) fn layer_paths(&self, record: &ImageRecord) -> Vec<PathBuf> {
        record
            .layers
            .iter()
            .map(|layer| self.layers_directory().join(layer))
            .collect()
    }

    /// The image of that name or id.
    pub(crate) fn find(&self, image: &str) -> Result<Option<ImageRecord>> {
        let records = self.records()?;
        if let Some(found) = records.iter().find(|record| is_id(image, &record.id)) {
            return Ok(Some(found.clone()));
        }
        let reference = parse(image)?;
        let full = reference.to_string();
        let pinned = reference
            .digest()
            .map(|digest| reference.with_digest(digest));
        Ok(records.into_iter().find(|record| match &pinned {
            Some(pinned) => record.digests.contains(pinned),
            None => record.tags.contains(&full),
        }))
    }

    /// Every image, in order of id.
    pub(crate) fn records(&self) -> Result<Vec<ImageRecord>> {
        let directory = self.directory.join("images");
        let entries = fs::read_dir(&directory).map_err(|e| self.damaged(&directory, e))?;
        let mut found: Vec<ImageRecord> = Vec::new();
        for entry in entries {
            let path = entry.map_err(|e| self.damaged(&directory, e))?.path();
            if path.extension().is_some_and(|ending| ending == "json") {
                // Another process may have replaced or removed it since the directory was read.
                found.extend(durable::find_json(&path).map_err(|e| self.damaged(&path, e))?);
            }
        }
        found.sort_by(|a: &ImageRecord, b| a.id.cmp(&b.id));
        Ok(found)
    }

    /// Takes the store for writing; given back when the file is dropped.
    pub(super) fn lock(&self) -> Result<File> {
        let path = self.directory.join("lock");
        let locked = File::create(&path).and_then(|file| file.lock().map(|()| file));
        locked.map_err(|e| self.damaged(&path, e))
    }

    /// Unpacks a layer, once. `contents` is the uncompressed tar and must have the digest `diff_id`; `chain` is the
    /// ChainID of it and those below (OCI image specification, `config.md`), which are `below`, the topmost first,
    /// as paths below the layers' directory. Returns its own such path and its size.
    ///
    /// A layer is shared by all images that have it, unless it holds copies of what is below: then by those that have
    /// the whole chain.
    pub(super) fn add_layer(
        &self,
        diff_id: &str,
        chain: &str,
        below: &[String],
        contents: impl Read,
    ) -> std::result::Result<(String, u64), String> {
        let shared = self.layer(diff_id)?;
        let chained = self.layer(chain)?;
        for known in [&shared, &chained] {
            if let Some(size) = known.size {
                return Ok((known.relative(), size));
            }
        }
        // Nothing is at its place before it is whole; what a crash left half done is begun again.
        let path = self.layers_directory().join(&shared.name);
        let layers: Vec<PathBuf> = below
            .iter()
            .map(|layer| self.layers_directory().join(layer))
            .collect();
        let unpacked = remove(&path)
            .and_then(|()| fs::create_dir_all(path.join("fs")))
            .map_err(|e| e.to_string())
            .and_then(|()| layer::unpack(contents, &path.join("fs"), diff_id, &layers));
        let Unpacked { size, copied } = match unpacked {
            Ok(unpacked) => unpacked,
            Err(why) => {
                remove(&path).map_err(|e| e.to_string())?;
                return Err(why);
            }
        };
        let (place, id) = if copied {
            (chained, chain)
        } else {
            (shared, diff_id)
        };
        let home = self.layers_directory().join(&place.name);
        if home != path {
            let moved = remove(&home).and_then(|()| fs::rename(&path, &home));
            moved.map_err(|e| e.to_string())?;
        }
        let layer = Layer {
            diff_id: id.to_owned(),
            size,
        };
        durable::write_json(&home.join("layer.json"), &layer).map_err(|e| e.to_string())?;
        Ok((place.relative(), size))
    }

    /// The place of the layer with an identity, and what is there.
    fn layer(&self, id: &str) -> std::result::Result<Place, String> {
        let hex = id
            .strip_prefix("sha256:")
            .filter(|hex| hex.len() == 64 && hex.is_ascii());
        let hex = hex.ok_or_else(|| format!("{id:?} is not a sha256 digest"))?;
        let name = hex[..LAYER_NAME_DIGITS].to_owned();
        let about = self.layers_directory().join(&name).join("layer.json");
        let known = durable::find_json::<Layer>(&about).map_err(|e| e.to_string())?;
        match known {
            Some(known) if known.diff_id != id => {
                Err(format!("layer {id} clashes with {}", known.diff_id))
            }
            known => Ok(Place {
                name,
                size: known.map(|layer| layer.size),
            }),
        }
    }

    /// Adds an image whose layers are there, and moves its tags from the images that had them.
    pub(super) fn add(&self, record: &ImageRecord) -> Result<()> {
        let mut new = record.clone();
        for mut other in self.records()? {
            if other.id == new.id {
                new.tags.append(&mut other.tags);
                new.digests.append(&mut other.digests);
            } else if !other.tags.is_disjoint(&record.tags) {
                other.tags.retain(|tag| !record.tags.contains(tag));
                self.write(&other)?;
            }
        }
        self.write(&new)
    }

    fn write(&self, record: &ImageRecord) -> Result<()> {
        let hex = record.id.strip_prefix("sha256:").unwrap_or(&record.id);
        let path = self.directory.join("images").join(format!("{hex}.json"));
        durable::write_json(&path, record).map_err(|e| self.damaged(&path, e))
    }

    fn add_echo(&self) -> Result<()> {
        let refused = |e: &dyn ToString| Error::Image {
            image: echo::NAME.to_owned(),
            message: e.to_string(),
        };
        let layer = echo::layer().map_err(|e| refused(&e))?;
        let configuration = echo::configuration(&layer).map_err(|e| refused(&e))?;
        let text = configuration.to_string().map_err(|e| refused(&e))?;
        let id = digest(text.as_bytes());
        let known = self.records()?.into_iter().find(|record| record.id == id);
        let whole = known.is_some_and(|record| record.is_echo());
        if whole {
            return Ok(());
        }
        let _lock = self.lock()?;
        let (path, size) = self
            .add_layer(&digest(&layer), &digest(&layer), &[], layer.as_slice())
            .map_err(|e| refused(&e))?;
        self.add(&ImageRecord {
            id: id.clone(),
            tags: BTreeSet::from([echo::NAME.to_owned()]),
            digests: BTreeSet::new(),
            config: image_config(&configuration).map_err(|e| refused(&e))?,
            layers: vec![path],
            size,
        })
    }

    fn damaged(&self, path: &Path, error: io::Error) -> Error {
        Error::Runtime(format!("image store {}: {error}", path.display()))
    }
}

/// Where a layer is, or would be.
struct Place {
    name: String,
    /// Its size, if it is there.
    size: Option<u64>,
}

impl Place {
    fn relative(&self) -> String {
        format!("{}/fs", self.name)
    }
}

/// `layer.json`: beside an unpacked layer, once it is whole.
#[derive(Serialize, Deserialize)]
struct Layer {
    /// DiffID, or ChainID of one that holds copies of what is below.
    diff_id: String,
    size: u64,
}

/// The part of an image's configuration that is kept.
pub(super) fn image_config(
    configuration: &ImageConfiguration,
) -> std::result::Result<ImageConfig, String> {
    ImageConfig::read(configuration)
}

/// A reference in full. Errors: `InvalidImageName`.
pub(crate) fn parse(image: &str) -> Result<Reference> {
    image.parse().map_err(|message| Error::InvalidImageName {
        image: image.to_owned(),
        message,
    })
}

/// Whether `text` is an image's id, with or without `sha256:`.
fn is_id(text: &str, id: &str) -> bool {
    text == id || id.strip_prefix("sha256:").is_some_and(|hex| hex == text)
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}
