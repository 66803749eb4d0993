//! One number for everything that a simulation did: two runs with the same number did the same.

use std::io;
use std::path::Path;

/// FNV-1a, 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint(u64);

impl Default for Fingerprint {
    fn default() -> Self {
        Fingerprint(0xcbf2_9ce4_8422_2325)
    }
}

impl Fingerprint {
    /// Takes bytes in.
    pub fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    /// Takes in every trace of a directory, in the order of their names.
    ///
    /// # Errors
    /// If a file cannot be read.
    pub fn add_directory(&mut self, directory: &Path) -> io::Result<()> {
        let mut paths = std::fs::read_dir(directory)?
            .map(|entry| Ok(entry?.path()))
            .collect::<io::Result<Vec<_>>>()?;
        paths.sort();
        for path in paths {
            self.add(path.file_name().unwrap_or_default().as_encoded_bytes());
            self.add(&std::fs::read(&path)?);
        }
        Ok(())
    }

    /// The number.
    pub fn number(self) -> u64 {
        self.0
    }
}
