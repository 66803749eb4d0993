//! A place for a store: certificates, a directory, a port.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use model::machines::store::Limits;
use plimsoll_store::Config;
use shell::{Environment, Shutdown, Trigger, Why};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use transport::pki::{Authority, Credentials, Validity};
use transport::{Backoff, Endpoint, Identity, Link};

use crate::client::Client;

pub struct Site {
    pub directory: TempDir,
    authority: Authority,
    pub address: SocketAddr,
}

impl Site {
    pub fn new() -> Self {
        let environment = transport::Environment::system();
        let validity = Validity::lasting(&environment, Duration::from_secs(3600));
        // The port stays ours in effect: the kernel does not give it out again soon.
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        Site {
            directory: tempfile::tempdir().expect("a directory"),
            authority: Authority::create(&*environment.random, validity).expect("an authority"),
            address: socket.local_addr().expect("its address"),
        }
    }

    pub fn credentials(&self, identity: &Identity) -> Credentials {
        let environment = transport::Environment::system();
        let validity = Validity::lasting(&environment, Duration::from_secs(3600));
        self.authority
            .issue_identity(&*environment.random, identity, validity)
            .expect("a certificate")
    }

    pub fn store_directory(&self) -> PathBuf {
        self.directory.path().join("store")
    }

    pub fn config(&self) -> Config {
        Config {
            address: self.address,
            credentials: self.credentials(&Identity::store()),
            engine: Default::default(),
            directory: self.store_directory(),
            limits: Limits::default(),
            trace: None,
            incarnation: 1,
        }
    }

    /// Starts a store in this process and waits until it is ready.
    pub async fn start(&self, config: Config) -> Running {
        self.port_is_free().await;
        let (trigger, shutdown) = Shutdown::new();
        let (ready, is_ready) = oneshot::channel();
        let store = tokio::task::spawn_local(plimsoll_store::run(
            config,
            Environment::system(),
            shutdown,
            Box::new(|| {
                let _ = ready.send(());
            }),
        ));
        if is_ready.await.is_err() {
            panic!("the store did not start: {:?}", store.await);
        }
        Running { trigger, store }
    }

    /// A store that has ended in this process gives its port back a moment later; nobody tells when.
    async fn port_is_free(&self) {
        let patience = Instant::now() + Duration::from_secs(10);
        while UdpSocket::bind(self.address).is_err() && Instant::now() < patience {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// A link to the store, as the API server has one.
    pub fn link(&self, identity: &Identity) -> Link {
        Link::new(
            self.endpoint(identity),
            self.address,
            Identity::store(),
            Backoff::default(),
        )
    }

    /// What a process of that name connects from.
    pub fn endpoint(&self, identity: &Identity) -> Endpoint {
        let config =
            transport::Config::new((Ipv4Addr::LOCALHOST, 0).into(), self.credentials(identity));
        Endpoint::bind(config).expect("an endpoint")
    }

    pub async fn client(&self) -> Client {
        let link = self.link(&Identity::apiserver());
        let live = link.connection().await.expect("a connection");
        Client::new(live.connection, link)
    }
}

/// A store that runs in this process.
pub struct Running {
    trigger: Trigger,
    store: JoinHandle<anyhow::Result<()>>,
}

impl Running {
    /// Asks it to end, and waits until it has closed its file.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.trigger.ask(Why::Stop);
        self.store.await.expect("the store does not panic")
    }
}
