//! Images: names, import, layers on disk.

mod below;
mod config;
mod directory;
mod echo;
mod import;
mod layer;
mod reference;
mod store;
mod user;

pub(crate) use config::ImageConfig;
pub use directory::ImageDirectory;
pub use reference::Reference;
pub(crate) use store::Store;
pub(crate) use user::{User, resolve as resolve_user};

/// The attribute by which overlayfs marks a directory that hides what is below it.
pub(crate) const OPAQUE: &str = "trusted.overlay.opaque";

/// `sha256:` and the digest of `bytes` in hexadecimal.
pub(crate) fn digest(bytes: &[u8]) -> String {
    hex_digest(ring::digest::digest(&ring::digest::SHA256, bytes).as_ref())
}

fn hex_digest(digest: &[u8]) -> String {
    let mut text = String::from("sha256:");
    for byte in digest {
        text += &format!("{byte:02x}");
    }
    text
}
