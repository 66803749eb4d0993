//! One connection to an API server, with one request under way at a time.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use http::Method;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use http_body_util::Full;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{DigitallySignedStruct, SignatureScheme};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;

use super::{Reply, Server};

/// How long an answer may take to begin. A server gives up on an ordinary request after as long; a watch begins at once.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(60);

/// A connection that is kept alive between requests.
pub struct Connection {
    sender: SendRequest<Full<Bytes>>,
    host: HeaderValue,
    authorization: Option<HeaderValue>,
}

/// What is asked of an API server.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// `GET`, `POST`, ….
    pub method: Method,
    /// Path and query.
    pub path: &'a str,
    /// `Accept`.
    pub accept: &'a str,
    /// `Content-Type` and body.
    pub body: Option<(&'a str, Bytes)>,
}

impl<'a> Request<'a> {
    /// A request without a body that accepts JSON.
    pub fn new(method: Method, path: &'a str) -> Self {
        Request {
            method,
            path,
            accept: "application/json",
            body: None,
        }
    }

    /// A GET that accepts JSON.
    pub fn get(path: &'a str) -> Self {
        Request::new(Method::GET, path)
    }

    /// A POST of JSON.
    pub fn post(path: &'a str, body: Bytes) -> Self {
        Request {
            body: Some(("application/json", body)),
            ..Request::new(Method::POST, path)
        }
    }
}

impl Server {
    /// Opens a connection.
    ///
    /// # Errors
    /// If nobody listens there, or the two do not trust each other.
    pub async fn connect(&self) -> anyhow::Result<Connection> {
        self.connect_with(None).await
    }

    /// Opens a connection whose receive buffer has a size, in bytes; `None` leaves it to the system. With a small one
    /// the server notices early that its answer is not read.
    ///
    /// # Errors
    /// As of [`connect`](Server::connect).
    pub async fn connect_with(&self, receive_bytes: Option<u32>) -> anyhow::Result<Connection> {
        let (host, port) = (&self.host, self.port);
        let unreachable =
            || format!("the API server {host}:{port} cannot be reached; is it running?");
        let tcp = tcp(host, port, receive_bytes)
            .await
            .with_context(unreachable)?;
        tcp.set_nodelay(true).with_context(unreachable)?;
        let sender = match &self.tls {
            None => http(tcp).await,
            Some((config, name)) => {
                let connected = TlsConnector::from(config.clone())
                    .connect(name.clone(), tcp)
                    .await;
                http(
                    connected
                        .with_context(|| format!("no TLS with the API server {host}:{port}"))?,
                )
                .await
            }
        };
        let authorization = self
            .token
            .as_ref()
            .map(|token| HeaderValue::try_from(format!("Bearer {token}")));
        Ok(Connection {
            sender: sender.with_context(unreachable)?,
            host: HeaderValue::try_from(format!("{host}:{port}")).with_context(unreachable)?,
            authorization: authorization
                .transpose()
                .context("the token holds a character that no header may")?,
        })
    }
}

async fn tcp(host: &str, port: u16, receive_bytes: Option<u32>) -> std::io::Result<TcpStream> {
    let Some(receive_bytes) = receive_bytes else {
        return TcpStream::connect((host, port)).await;
    };
    let mut refused = std::io::ErrorKind::AddrNotAvailable.into();
    for address in tokio::net::lookup_host((host, port)).await? {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4()?,
            SocketAddr::V6(_) => TcpSocket::new_v6()?,
        };
        socket.set_recv_buffer_size(receive_bytes)?;
        match socket.connect(address).await {
            Ok(stream) => return Ok(stream),
            Err(error) => refused = error,
        }
    }
    Err(refused)
}

async fn http(
    io: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
) -> hyper::Result<SendRequest<Full<Bytes>>> {
    let (sender, connection) = handshake(TokioIo::new(io)).await?;
    // Its end shows in the next request.
    tokio::spawn(async move {
        let _ = connection.await;
    });
    Ok(sender)
}

impl Connection {
    /// Sends a request and waits for the head of the answer.
    ///
    /// # Errors
    /// If the connection breaks or no answer begins within a minute. An answer that says no is a [`Reply`].
    pub async fn send(&mut self, request: Request<'_>) -> anyhow::Result<Reply> {
        let named = format!("{} {}", request.method, request.path);
        let mut builder = http::Request::builder()
            .method(request.method)
            .uri(request.path)
            .header(HOST, self.host.clone())
            .header(ACCEPT, request.accept);
        if let Some(authorization) = &self.authorization {
            builder = builder.header(AUTHORIZATION, authorization.clone());
        }
        let body = match request.body {
            Some((content_type, body)) => {
                builder = builder.header(CONTENT_TYPE, content_type);
                body
            }
            None => Bytes::new(),
        };
        let built = builder
            .body(Full::new(body))
            .with_context(|| named.clone())?;
        self.sender.ready().await.with_context(|| named.clone())?;
        let response = tokio::time::timeout(ANSWER_TIME_MAX, self.sender.send_request(built))
            .await
            .with_context(|| format!("{named}: no answer in {} s", ANSWER_TIME_MAX.as_secs()))?
            .with_context(|| named.clone())?;
        Ok(Reply::new(named, response))
    }
}

/// For `insecure-skip-tls-verify`: whoever answers is believed, though the handshake's signatures must be right.
#[derive(Debug)]
pub(super) struct Unverified(CryptoProvider);

impl Unverified {
    pub(super) fn new() -> Self {
        Unverified(rustls::crypto::ring::default_provider())
    }
}

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            certificate,
            signed,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            certificate,
            signed,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
