//! Connections: TLS with a client certificate where there is one, HTTP/1.1 and HTTP/2.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use hyper::body::Incoming;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use model::rules::authorization::{Identity, MASTERS};
use nix::sys::socket::{setsockopt, sockopt};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::Limits;
use super::service::Front;
use crate::certificates;

/// How long a client may take for its TLS handshake.
const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(10);
/// How often an HTTP/2 peer is asked whether it is still there, and how long it may take to say so.
const PING: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(20));
/// The pause after the system has refused a connection: it is out of file descriptors, mostly.
const REFUSED_PAUSE: Duration = Duration::from_millis(50);

/// Who the clients of a listener are.
#[derive(Clone)]
pub enum Entrance {
    /// Whoever their certificate says.
    Tls(TlsAcceptor),
    /// Administrators, all of them: who reaches the address may do everything.
    Insecure,
}

/// Serves a listener until `shutdown`, then lets requests under way end.
pub async fn serve(
    listener: TcpListener,
    entrance: Entrance,
    front: Front,
    shutdown: shell::Shutdown,
) {
    let limits = front.limits;
    let room = Arc::new(Semaphore::new(limits.connections_max));
    let mut open = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            biased;
            _ = shutdown.requested() => break,
            Some(_) = open.join_next() => continue,
            accepted = accept(&listener, &room, limits.unread_time_max) => accepted,
        };
        match accepted {
            Ok((socket, peer, permit)) => {
                let (entrance, front, shutdown) =
                    (entrance.clone(), front.clone(), shutdown.clone());
                open.spawn_local(async move {
                    let held = front.api.metrics.connection().with(Some(permit));
                    connection(socket, peer, entrance, front, shutdown).await;
                    drop(held);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(REFUSED_PAUSE).await;
            }
        }
    }
    drop(listener);
    let all = async { while open.join_next().await.is_some() {} };
    if tokio::time::timeout(limits.goodbye_time_max, all)
        .await
        .is_err()
    {
        tracing::info!("connections that did not end in time are cut");
    }
}

/// The next connection, once there is room for it. The system breaks it when its peer leaves what was sent to it
/// unread or unacknowledged for `unread_time_max`: a stream that is ended for that reason leaves no connection behind
/// that waits for its last bytes to go.
async fn accept(
    listener: &TcpListener,
    room: &Arc<Semaphore>,
    unread_time_max: Duration,
) -> io::Result<(
    tokio::net::TcpStream,
    SocketAddr,
    tokio::sync::OwnedSemaphorePermit,
)> {
    // The semaphore is never closed.
    let permit = room
        .clone()
        .acquire_owned()
        .await
        .map_err(io::Error::other)?;
    let (socket, peer) = listener.accept().await?;
    socket.set_nodelay(true)?;
    let unread_ms = u32::try_from(unread_time_max.as_millis()).unwrap_or(u32::MAX);
    setsockopt(&socket, sockopt::TcpUserTimeout, &unread_ms)?;
    Ok((socket, peer, permit))
}

async fn connection(
    socket: tokio::net::TcpStream,
    peer: SocketAddr,
    entrance: Entrance,
    front: Front,
    shutdown: shell::Shutdown,
) {
    match entrance {
        Entrance::Insecure => {
            let admin = Some(Identity::new("system:unsecured", &[MASTERS]));
            http(socket, false, admin, front, shutdown).await;
        }
        Entrance::Tls(acceptor) => {
            let accepted = tokio::time::timeout(HANDSHAKE_TIME_MAX, acceptor.accept(socket)).await;
            let stream = match accepted {
                Ok(Ok(stream)) => stream,
                Ok(Err(error)) => return tracing::debug!(%peer, %error, "a TLS handshake failed"),
                Err(_) => return tracing::debug!(%peer, "a TLS handshake took too long"),
            };
            let (_, session) = stream.get_ref();
            let http2 = session.alpn_protocol() == Some(b"h2");
            let certificate = session.peer_certificates().and_then(|chain| chain.first());
            let identity = match certificate.map(certificates::identity) {
                None => None,
                Some(Ok(identity)) => Some(identity),
                Some(Err(error)) => {
                    return tracing::info!(%peer, %error, "a client certificate is refused");
                }
            };
            http(stream, http2, identity, front, shutdown).await;
        }
    }
}

/// Spawns the tasks of HTTP/2 streams on this thread.
#[derive(Clone, Copy)]
struct Here;

impl<F: Future<Output = ()> + 'static> hyper::rt::Executor<F> for Here {
    fn execute(&self, future: F) {
        tokio::task::spawn_local(future);
    }
}

async fn http<S>(
    stream: S,
    http2: bool,
    who: Option<Identity>,
    front: Front,
    shutdown: shell::Shutdown,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let builder = builder(&front.limits, http2);
    let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
        if let Some(who) = &who {
            request.extensions_mut().insert(who.clone());
        }
        let front = front.clone();
        async move { Ok::<_, std::convert::Infallible>(front.answer(request).await) }
    });
    let connection = builder.serve_connection_with_upgrades(TokioIo::new(stream), service);
    tokio::pin!(connection);
    let result = tokio::select! {
        biased;
        result = connection.as_mut() => result,
        _ = shutdown.requested() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "a connection broke");
    }
}

/// The protocol is known from TLS, so that nobody waits for its first bytes without a limit.
fn builder(limits: &Limits, http2: bool) -> auto::Builder<Here> {
    let mut builder = auto::Builder::new(Here);
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head_time_max)
        .max_headers(limits.head_fields_max)
        .max_buf_size(limits.head_bytes_max);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams_per_connection_max)
        .max_header_list_size(u32::try_from(limits.head_bytes_max).unwrap_or(u32::MAX))
        .keep_alive_interval(PING.0)
        .keep_alive_timeout(PING.1);
    if http2 {
        builder.http2_only()
    } else {
        builder.http1_only()
    }
}
