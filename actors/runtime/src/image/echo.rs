//! The image `plimsoll/echo`, which is always present: one static program, built by `build.rs`.

use oci_spec::image::{
    ConfigBuilder, ImageConfiguration, ImageConfigurationBuilder, RootFsBuilder,
};

use super::digest;

/// Name of the image.
pub(super) const NAME: &str = "docker.io/plimsoll/echo:latest";

const PROGRAM: &[u8] = include_bytes!(env!("PLIMSOLL_ECHO"));

/// The image's only layer, as an uncompressed tar.
pub(super) fn layer() -> std::io::Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::with_capacity(PROGRAM.len() + 8192));
    let header = |kind, mode, size: usize| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(size as u64);
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        header
    };
    let directory = tar::EntryType::Directory;
    tar.append_data(&mut header(directory, 0o1777, 0), "tmp/", std::io::empty())?;
    tar.append_data(
        &mut header(tar::EntryType::Regular, 0o755, PROGRAM.len()),
        "echo",
        PROGRAM,
    )?;
    tar.into_inner()
}

/// The image's configuration for that layer.
pub(super) fn configuration(layer: &[u8]) -> oci_spec::Result<ImageConfiguration> {
    let config = ConfigBuilder::default()
        .entrypoint(vec!["/echo".to_owned()])
        .env(vec!["PATH=/".to_owned()])
        .exposed_ports(vec!["8080/tcp".to_owned()])
        .build()?;
    let root = RootFsBuilder::default()
        .diff_ids(vec![digest(layer)])
        .build()?;
    ImageConfigurationBuilder::default()
        .config(config)
        .rootfs(root)
        .build()
}
