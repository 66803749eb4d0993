//! The images of a cluster on this machine, without a runtime: for the command line.

use std::path::{Path, PathBuf};

use super::Store;
use crate::cri::Image;
use crate::error::Result;

/// A directory of images. Runtimes that have the same one open see what is added at once.
pub struct ImageDirectory(Store);

impl ImageDirectory {
    /// Opens it, making it if it is not there.
    ///
    /// # Errors
    /// `Runtime` if it cannot be written.
    pub fn open(directory: PathBuf) -> Result<Self> {
        Store::open(directory).map(Self)
    }

    /// Adds the images of a tar file: an OCI layout or what `docker save` writes. Blocks.
    ///
    /// # Errors
    /// `Image` naming the part that was refused.
    pub fn import(&self, tar: &Path) -> Result<Vec<Image>> {
        self.0.import(tar)
    }

    /// Every image present, in order of id. Blocks.
    ///
    /// # Errors
    /// `Runtime` if what is there cannot be read.
    pub fn list(&self) -> Result<Vec<Image>> {
        let records = self.0.records()?;
        Ok(records.iter().map(|record| record.image()).collect())
    }
}
