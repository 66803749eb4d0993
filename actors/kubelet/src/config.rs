//! What a kubelet is started with.

use std::ffi::OsString;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use runtime::Subnet;
use shell::Tracing;
use transport::pki::Credentials;

/// What a kubelet is started with.
#[derive(Clone, Debug)]
pub struct Config {
    /// Its own UDP port; port 0 chooses a free one.
    pub address: SocketAddr,
    /// Where the API server is.
    pub apiserver: SocketAddr,
    /// Its certificate, of the identity [`kubelet`](transport::Identity::kubelet) of this node.
    pub credentials: Credentials,
    /// Name of the node.
    pub node_name: String,
    /// Address of the node, told as `InternalIP` and `hostIP`.
    pub node_address: IpAddr,
    /// Directory of this node: its pods' volumes and logs, its runtime's state.
    pub directory: PathBuf,
    /// Directory of images; nodes of one machine may share it.
    pub images: PathBuf,
    /// Addresses for this node's pods; no two nodes may share one.
    pub pod_cidr: Subnet,
    /// Program and first arguments of the runtime's shim; see [`runtime::Options::shim`].
    pub shim: Vec<OsString>,
    /// What the node offers.
    pub capacity: Capacity,
    /// What to record of the machines, and where; `None` for nothing.
    pub trace: Option<Tracing>,
    /// Which start of this kubelet this is, counted from 1 by who starts it.
    pub incarnation: u64,
}

/// What a node offers. What is not given is the machine's own: where several nodes share a machine, who starts them
/// divides it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Processor time in thousandths of a core.
    pub cpu_milli: Option<i64>,
    /// Memory in bytes.
    pub memory_bytes: Option<i64>,
    /// How many pods the node takes.
    pub pods: u32,
}

impl Default for Capacity {
    /// The machine's own, and Kubernetes' 110 pods.
    fn default() -> Self {
        Capacity {
            cpu_milli: None,
            memory_bytes: None,
            pods: 110,
        }
    }
}
