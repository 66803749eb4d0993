//! What a store is started with.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use model::machines::store::Limits;
use shell::Tracing;
use transport::pki::Credentials;

use crate::etcd::{AddressError, EtcdAddress};

/// Where a store's keys are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Engine {
    /// In a file of its own.
    #[default]
    Embedded,
    /// In an etcd.
    Etcd(EtcdAddress),
}

/// What is wrong with the name of an engine.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// There is none of that name.
    #[error("{0:?} is no engine: give embedded, or etcd=http://HOST:PORT")]
    Unknown(String),
    /// It is an etcd, at no address.
    #[error(transparent)]
    Address(#[from] AddressError),
}

impl FromStr for Engine {
    type Err = EngineError;

    /// `embedded` or `etcd=URL[,URL…]`.
    fn from_str(text: &str) -> Result<Self, EngineError> {
        match text.split_once('=') {
            None if text == "embedded" => Ok(Engine::Embedded),
            Some(("etcd", urls)) => Ok(Engine::Etcd(urls.parse()?)),
            _ => Err(EngineError::Unknown(text.to_owned())),
        }
    }
}

impl std::fmt::Display for Engine {
    /// As [`from_str`](Self::from_str) takes it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Engine::Embedded => f.write_str("embedded"),
            Engine::Etcd(address) => write!(f, "etcd={address}"),
        }
    }
}

/// What a store is started with.
#[derive(Clone)]
pub struct Config {
    /// Where the API server reaches it.
    pub address: SocketAddr,
    /// Its certificate, of the identity [`store`](transport::Identity::store).
    pub credentials: Credentials,
    /// Where its keys are kept.
    pub engine: Engine,
    /// The directory of the embedded engine's file; made if it is not there.
    pub directory: PathBuf,
    /// How far everything in it can grow.
    pub limits: Limits,
    /// What to record of the machine, and where; `None` for nothing.
    pub trace: Option<Tracing>,
    /// Which start of the store this is, counted from 1 by who starts it.
    pub incarnation: u64,
}
