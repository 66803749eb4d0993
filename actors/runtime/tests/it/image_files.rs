//! Tar files of images, written by hand.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use tar::{EntryType, Header};

/// The program of `plimsoll/echo`.
pub const ECHO: &[u8] = include_bytes!(env!("PLIMSOLL_ECHO"));

/// One entry of a layer: type, name as raw bytes, mode, link or contents.
pub type Entry<'a> = (EntryType, &'a str, u32, &'a [u8]);

pub fn file<'a>(name: &'a str, contents: &'a [u8]) -> Entry<'a> {
    (EntryType::Regular, name, 0o755, contents)
}

/// A tar written by hand: the library refuses to write what a hostile tar holds.
pub fn layer(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut tar = Vec::new();
    for (kind, name, mode, data) in entries {
        let mut header = Header::new_ustar();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(*kind);
        header.set_mode(*mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(1);
        let is_link = matches!(kind, EntryType::Symlink | EntryType::Link);
        if is_link {
            header.as_mut_bytes()[157..157 + data.len()].copy_from_slice(data);
        }
        if matches!(kind, EntryType::Char | EntryType::Block) {
            header.set_device_major(1).expect("major");
            header.set_device_minor(3).expect("minor");
        }
        let contents: &[u8] = if *kind == EntryType::Regular {
            data
        } else {
            b""
        };
        header.set_size(contents.len() as u64);
        header.set_cksum();
        tar.extend_from_slice(header.as_bytes());
        tar.extend_from_slice(contents);
        tar.resize(tar.len().next_multiple_of(512), 0);
    }
    tar.extend([0; 1024]);
    tar
}

pub fn digest(bytes: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    let hex: String = digest
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    format!("sha256:{hex}")
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("compress");
    encoder.finish().expect("compress")
}

/// An OCI layout of one image in a tar file.
pub fn oci_layout(
    path: &Path,
    name: &str,
    config: &Value,
    layers: &[Vec<u8>],
    change: impl Fn(&mut Vec<u8>),
) -> PathBuf {
    let diff_ids: Vec<String> = layers.iter().map(|layer| digest(layer)).collect();
    let image = json!({"architecture": "amd64", "os": "linux", "config": config,
        "rootfs": {"type": "layers", "diff_ids": diff_ids}})
    .to_string()
    .into_bytes();
    let mut blobs: Vec<Vec<u8>> = vec![image.clone()];
    let mut described = Vec::new();
    for (number, layer) in layers.iter().enumerate() {
        // Plain and compressed ones both.
        let packed = number % 2 == 0;
        let blob = if packed { gzip(layer) } else { layer.clone() };
        let kind = format!(
            "application/vnd.oci.image.layer.v1.tar{}",
            if packed { "+gzip" } else { "" }
        );
        described.push(json!({"mediaType": kind, "digest": digest(&blob), "size": blob.len()}));
        blobs.push(blob);
    }
    let manifest = json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest(&image), "size": image.len()},
        "layers": described})
    .to_string()
    .into_bytes();
    let index = json!({"schemaVersion": 2, "manifests": [{
        "mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest(&manifest), "size": manifest.len(),
        "annotations": {"org.opencontainers.image.ref.name": name}}]})
    .to_string();
    blobs.push(manifest);
    let names: Vec<String> = blobs
        .iter()
        .map(|blob| format!("blobs/sha256/{}", &digest(blob)["sha256:".len()..]))
        .collect();
    for blob in &mut blobs {
        change(blob);
    }
    let mut entries = vec![
        file("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#),
        file("index.json", index.as_bytes()),
    ];
    entries.extend(
        names
            .iter()
            .zip(&blobs)
            .map(|(name, blob)| file(name, blob)),
    );
    fs::write(path, layer(&entries)).expect("write");
    path.to_owned()
}
