//! A proxy between a client and an API server, transparent unless it is told to lie: HTTP/1.1, bodies as they come,
//! back-pressure from end to end, a broken connection on one side broken on the other.

use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context;
use bytes::{Bytes, BytesMut};
use http::{Request, Response, Uri};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::client::conn::http1::SendRequest;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::sync::{Mutex, mpsc, oneshot};

use super::liar::{Answered, Asked, Liar, Telling};

type Failure = anyhow::Error;
type Body = UnsyncBoxBody<Bytes, Failure>;
type Line = Result<Frame<Bytes>, Failure>;

/// The send buffer towards a client, in bytes: small, so that a client that does not read is soon felt.
const SEND_BUFFER_BYTES: u32 = 16 << 10;

/// How many lines a thinned watch holds for a client that does not read; the next ones are lost.
const THINNED_LINES: usize = 16;

/// A proxy that runs until it is dropped.
pub(super) struct Proxy {
    address: SocketAddr,
    front: Arc<Front>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Proxy {
    /// In front of `server`. Every line of a watch is `late` by that time.
    pub(super) fn start(server: SocketAddr, liar: Liar, late: Duration) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        let (stop, stopped) = oneshot::channel();
        let front = Arc::new(Front {
            server,
            liar,
            late,
            requests: AtomicU64::new(0),
        });
        let served = front.clone();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("an event loop");
            runtime.block_on(async {
                tokio::select! {
                    () = accept(listener, served) => {}
                    _ = stopped => {}
                }
            });
        });
        Proxy {
            address,
            front,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// Where it listens, for `--server`.
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many requests have come.
    pub(super) fn requests(&self) -> u64 {
        self.front.requests.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Front {
    server: SocketAddr,
    liar: Liar,
    late: Duration,
    requests: AtomicU64,
}

async fn accept(listener: TcpListener, front: Arc<Front>) {
    listener.set_nonblocking(true).expect("a socket");
    let listener = tokio::net::TcpListener::from_std(listener).expect("a socket");
    while let Ok((client, _)) = listener.accept().await {
        let _ = client.set_nodelay(true);
        let _ =
            rustix::net::sockopt::set_socket_send_buffer_size(&client, SEND_BUFFER_BYTES as usize);
        let link = Arc::new(Link {
            front: front.clone(),
            server: Mutex::new(None),
        });
        tokio::spawn(async move {
            let service = service_fn(|request| {
                let link = link.clone();
                async move { link.serve(request).await }
            });
            // What breaks on one side is broken on the other; nobody else need know.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(client), service)
                .await;
        });
    }
}

/// One client's connection and the server's that belongs to it.
struct Link {
    front: Arc<Front>,
    server: Mutex<Option<SendRequest<Full<Bytes>>>>,
}

impl Link {
    async fn serve(&self, request: Request<Incoming>) -> Result<Response<Body>, Failure> {
        self.front.requests.fetch_add(1, Ordering::Relaxed);
        let liar = &self.front.liar;
        let mut asked = Asked::of(request.method(), request.uri());
        if let Some(refused) = liar.refuse(&asked) {
            return Ok(refused.map(whole));
        }
        liar.ask(&mut asked);
        let (mut head, body) = request.into_parts();
        head.uri = Uri::try_from(asked.path_and_query())?;
        let body = body.collect().await?.to_bytes();
        let answer = self
            .forward(Request::from_parts(head, Full::new(body)))
            .await?;
        if !answer.status().is_success() || !liar.lies() && self.front.late.is_zero() {
            return Ok(answer.map(|body| body.map_err(Failure::from).boxed_unsync()));
        }
        match asked.answered() {
            Answered::Watch => Ok(answer.map(|body| self.watch(asked, body))),
            Answered::List => {
                let (mut head, body) = answer.into_parts();
                let list = serde_json::from_slice(&body.collect().await?.to_bytes())?;
                let told = liar.list(&asked, list).to_string();
                head.headers.remove(http::header::CONTENT_LENGTH);
                Ok(Response::from_parts(head, whole(told.into())))
            }
            Answered::Other => Ok(answer.map(|body| body.map_err(Failure::from).boxed_unsync())),
        }
    }

    async fn forward(&self, request: Request<Full<Bytes>>) -> Result<Response<Incoming>, Failure> {
        let mut server = self.server.lock().await;
        if server.as_ref().is_none_or(SendRequest::is_closed) {
            let stream = TcpStream::connect(self.front.server).await?;
            stream.set_nodelay(true)?;
            let (sender, connection) =
                hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
            tokio::spawn(connection);
            *server = Some(sender);
        }
        let sender = server.as_mut().context("connected above")?;
        sender.ready().await?;
        Ok(sender.send_request(request).await?)
    }

    /// A watch's lines, retold.
    fn watch(&self, asked: Asked, body: Incoming) -> Body {
        let thinned = self.front.liar.thins();
        let (lines, told) = mpsc::channel(if thinned { THINNED_LINES } else { 1 });
        let front = self.front.clone();
        tokio::spawn(async move {
            let telling = front.liar.telling(asked);
            if let Err(failure) = retell(&front, telling, body, &lines).await {
                let _ = lines.send(Err(failure)).await;
            }
        });
        let told = futures_util::stream::unfold(told, |mut told: mpsc::Receiver<Line>| async {
            told.recv().await.map(|line| (line, told))
        });
        StreamBody::new(told).boxed_unsync()
    }
}

async fn retell(
    front: &Front,
    mut telling: Telling,
    mut body: Incoming,
    lines: &mpsc::Sender<Line>,
) -> Result<(), Failure> {
    let mut buffer = BytesMut::new();
    loop {
        let frame = tokio::select! {
            frame = body.frame() => frame,
            // Who has left is told nothing, and the server need not go on either.
            () = lines.closed() => return Ok(()),
        };
        let Some(frame) = frame else { return Ok(()) };
        if let Some(data) = frame?.data_ref() {
            buffer.extend_from_slice(data);
        }
        while let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
            let line = buffer.split_to(end + 1);
            let event: Value = serde_json::from_slice(&line)?;
            tokio::time::sleep(front.late).await;
            for told in front.liar.event(&mut telling, event) {
                let frame = Frame::data(Bytes::from(format!("{told}\n")));
                if front.liar.thins() {
                    // A full queue loses the line: that is the lie.
                    let _ = lines.try_send(Ok(frame));
                } else if lines.send(Ok(frame)).await.is_err() {
                    return Ok(());
                }
            }
        }
    }
}

fn whole(body: Bytes) -> Body {
    Full::new(body)
        .map_err(|never: Infallible| match never {})
        .boxed_unsync()
}
