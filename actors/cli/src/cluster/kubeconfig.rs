//! The kubeconfig of a cluster's admin, in the format of `client.authentication` v1 Config.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use transport::pki::Credentials;

use super::data_dir::write_whole;

/// Writes `DIR/kubeconfig` with everything in it, readable by its owner only, and tells its path.
///
/// # Errors
/// If it cannot be written.
pub fn write_kubeconfig(
    data_dir: &Path,
    address: SocketAddr,
    admin: &Credentials,
) -> anyhow::Result<PathBuf> {
    let file = data_dir.join("kubeconfig");
    write_whole(&file, 0o600, &kubeconfig(address, admin))?;
    Ok(file)
}

fn kubeconfig(address: SocketAddr, admin: &Credentials) -> String {
    let encoded = |pem: &str| STANDARD.encode(pem);
    format!(
        "apiVersion: v1
kind: Config
clusters:
- name: plimsoll
  cluster:
    server: https://{server}
    certificate-authority-data: {ca}
users:
- name: kubernetes-admin
  user:
    client-certificate-data: {certificate}
    client-key-data: {key}
contexts:
- name: plimsoll
  context:
    cluster: plimsoll
    user: kubernetes-admin
current-context: plimsoll
",
        server = reachable(address),
        ca = encoded(&admin.pem().ca),
        certificate = encoded(&admin.pem().chain),
        key = encoded(&admin.pem().key),
    )
}

/// The address that a client on this machine connects to: loopback if the server listens everywhere.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address {
        SocketAddr::V4(v4) if v4.ip().is_unspecified() => [127, 0, 0, 1].into(),
        SocketAddr::V6(v6) if v6.ip().is_unspecified() => std::net::Ipv6Addr::LOCALHOST.into(),
        _ => address.ip(),
    };
    SocketAddr::new(ip, address.port())
}
