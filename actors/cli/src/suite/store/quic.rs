//! A store of this project, started in this process and reached as the API server reaches it.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::Context;
use model::machines::relay::CallError;
use model::machines::store::Limits;
use model::messages::store::{
    KeyRange, Segment, StoreError, StoreRequest, StoreResponse, WatchFrame, WatchRequest, Wire,
};
use model::objects::bytes::Bytes;
use shell::{Environment, Shutdown, Trigger, Why};
use store::{Config, Engine};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use transport::pki::{Authority, Validity};
use transport::{Backoff, Connection, Endpoint, Identity, Link, Stream};

use super::client::{Brought, Client, Ended, Watching};
use crate::cluster::free_udp;

const CERTIFICATES_LIFETIME: Duration = Duration::from_secs(7 * 86_400);

/// A store that runs, and the link to it.
pub(super) struct Running {
    trigger: Trigger,
    store: JoinHandle<anyhow::Result<()>>,
    link: Link,
    connection: Connection,
    _directory: TempDir,
}

impl Running {
    pub(super) async fn start(engine: Engine) -> anyhow::Result<Self> {
        let environment = Environment::system();
        let random = environment.transport.random.clone();
        let validity = Validity::lasting(&environment.transport, CERTIFICATES_LIFETIME);
        let authority = Authority::create(&*random, validity)?;
        let credentials =
            |identity: &Identity| authority.issue_identity(&*random, identity, validity);
        let address = free_udp(1)?.first().copied().context("no free UDP port")?;
        let directory = tempfile::tempdir().context("no temporary directory")?;
        let config = Config {
            address,
            credentials: credentials(&Identity::store())?,
            engine,
            directory: directory.path().to_owned(),
            limits: limits(),
            trace: None,
            incarnation: 1,
        };
        let (trigger, shutdown) = Shutdown::new();
        let (ready, is_ready) = oneshot::channel();
        let run = store::run(
            config,
            environment,
            shutdown,
            Box::new(|| {
                // Nobody waits any longer if the session has been given up.
                let _ = ready.send(());
            }),
        );
        let store = tokio::task::spawn_local(run);
        if is_ready.await.is_err() {
            store.await.context("the store broke")??;
            anyhow::bail!("the store ended before it served");
        }
        let own = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let endpoint = Endpoint::bind(transport::Config::new(
            own,
            credentials(&Identity::apiserver())?,
        ))?;
        let link = Link::new(endpoint, address, Identity::store(), Backoff::default());
        let live = link
            .connection()
            .await
            .context("the store is not reached")?;
        Ok(Running {
            trigger,
            store,
            link,
            connection: live.connection,
            _directory: directory,
        })
    }

    pub(super) fn client(&self) -> Quic {
        Quic(self.connection.clone())
    }

    pub(super) async fn stop(self) -> anyhow::Result<()> {
        self.link.close("the session is over");
        self.trigger.ask(Why::Stop);
        self.store.await.context("the store broke")?
    }
}

/// The session decides what is compacted: nothing of itself.
fn limits() -> Limits {
    Limits {
        history_revisions: 1 << 40,
        history_bytes: 1 << 30,
        ..Limits::default()
    }
}

/// A connection to the store.
#[derive(Clone)]
pub(super) struct Quic(Connection);

impl Client for Quic {
    type Watch = QuicWatch;

    async fn ask(&self, request: StoreRequest<Bytes>) -> Result<StoreResponse<Bytes>, CallError> {
        let lost = |reason: String| CallError::Lost { reason };
        let (header, body) = request.split().map_err(|error| lost(error.to_string()))?;
        let reply = self.0.ask(&header, body.into(), None).await;
        let reply = reply.map_err(|error| lost(error.to_string()))?;
        let header = reply
            .decode::<StoreResponse<Segment>>()
            .map_err(|error| lost(error.to_string()))?;
        StoreResponse::join(header, &reply.body).map_err(|error| lost(error.to_string()))
    }

    async fn watch(&self, range: KeyRange, after: u64, previous: bool) -> Result<QuicWatch, Ended> {
        let request = WatchRequest {
            range,
            after: Some(after),
            previous,
        };
        let opened = self.0.open(&request, Default::default(), None).await;
        opened
            .map(QuicWatch)
            .map_err(|error| Ended::Broken(error.to_string()))
    }
}

pub(super) struct QuicWatch(Stream);

impl Watching for QuicWatch {
    async fn next(&mut self) -> Result<Brought, Ended> {
        let broken = |reason: String| Ended::Broken(reason);
        loop {
            let received = self.0.recv().await;
            let message = received
                .map_err(|error| broken(error.to_string()))?
                .ok_or_else(|| broken("the stream ended".to_owned()))?;
            let header = message
                .decode::<WatchFrame<Segment>>()
                .map_err(|error| broken(error.to_string()))?;
            let frame = WatchFrame::join(header, &message.body)
                .map_err(|error| broken(error.to_string()))?;
            match frame {
                WatchFrame::Started { .. } => {}
                WatchFrame::Events { revision, events } => return Ok(Brought { revision, events }),
                WatchFrame::Progress { revision } => {
                    let events = Vec::new();
                    return Ok(Brought { revision, events });
                }
                WatchFrame::Cancelled(StoreError::Compacted { .. } | StoreError::Behind { .. }) => {
                    return Err(Ended::Compacted);
                }
                WatchFrame::Cancelled(error) => return Err(broken(error.to_string())),
            }
        }
    }
}
