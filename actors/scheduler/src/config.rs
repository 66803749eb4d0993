//! What a scheduler is started with.

use std::net::SocketAddr;
use std::path::PathBuf;

use transport::pki::Credentials;

/// What a scheduler is started with.
#[derive(Clone, Debug)]
pub struct Config {
    /// Its own UDP port; port 0 chooses a free one.
    pub address: SocketAddr,
    /// Where the API server is.
    pub apiserver: SocketAddr,
    /// Its certificate, of the identity [`scheduler`](transport::Identity::scheduler).
    pub credentials: Credentials,
    /// Where to record what the machines do; `None` for nowhere.
    pub trace: Option<PathBuf>,
    /// Which start of the scheduler this is, counted from 1 by who starts it.
    pub incarnation: u64,
}
