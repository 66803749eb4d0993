//! A peer made of quinn alone, which says what it likes. Its frames are written here by hand, from the
//! layout in the README.

use std::sync::Arc;
use std::time::Duration;

use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{ClientConfig, Endpoint, RecvStream, SendStream, ServerConfig};
use rustls::RootCertStore;
use rustls::server::WebPkiClientVerifier;
use transport::pki::Credentials;

use crate::cluster::loopback;

/// The protocols of a peer of the same version.
pub const SAME: &[&str] = &["plimsoll/1", "plimsoll"];

pub fn bind(credentials: &Credentials, protocols: &[&str]) -> Endpoint {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(credentials.ca().clone()).unwrap();
    let roots = Arc::new(roots);
    let alpn: Vec<Vec<u8>> = protocols
        .iter()
        .map(|protocol| protocol.as_bytes().to_vec())
        .collect();

    let verifier = WebPkiClientVerifier::builder_with_provider(roots.clone(), provider.clone())
        .build()
        .unwrap();
    let mut server = rustls::ServerConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(credentials.chain().to_vec(), credentials.key().clone_key())
        .unwrap();
    server.alpn_protocols = alpn.clone();
    let server = ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(server).unwrap()));

    let mut client = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_client_auth_cert(credentials.chain().to_vec(), credentials.key().clone_key())
        .unwrap();
    client.alpn_protocols = alpn;
    let mut endpoint = Endpoint::server(server, loopback()).unwrap();
    let mut client = ClientConfig::new(Arc::new(QuicClientConfig::try_from(client).unwrap()));
    let mut transport = quinn::TransportConfig::default();
    transport.keep_alive_interval(Some(Duration::from_millis(200)));
    client.transport_config(Arc::new(transport));
    endpoint.set_default_client_config(client);
    endpoint
}

/// What a frame begins with.
#[derive(Debug)]
pub struct Raw {
    pub version: u8,
    pub kind: u8,
    pub id: (u64, u64),
    pub cause: (u64, u64),
    pub header: Vec<u8>,
    pub body: Vec<u8>,
}

pub const ASK: u8 = 1;
pub const TELL: u8 = 2;
pub const ANSWER: u8 = 3;
pub const OPEN: u8 = 5;
pub const ITEM: u8 = 6;

pub fn frame(kind: u8, sequence: u64) -> Raw {
    Raw {
        version: 1,
        kind,
        id: (99, sequence),
        cause: (0, 0),
        header: Vec::new(),
        body: Vec::new(),
    }
}

impl Raw {
    pub fn bytes(&self) -> Vec<u8> {
        self.bytes_claiming(38 + self.header.len() + self.body.len(), self.header.len())
    }

    /// The frame with lengths that need not be true.
    pub fn bytes_claiming(&self, length: usize, header: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend((length as u32).to_be_bytes());
        bytes.extend([self.version, self.kind]);
        for number in [self.id.0, self.id.1, self.cause.0, self.cause.1] {
            bytes.extend(number.to_be_bytes());
        }
        bytes.extend((header as u32).to_be_bytes());
        bytes.extend(&self.header);
        bytes.extend(&self.body);
        bytes
    }
}

/// Exchanges welcomes; the raw peer's origin is 99.
pub async fn welcome(connection: &quinn::Connection) -> Vec<u8> {
    let mut stream = connection.open_uni().await.unwrap();
    stream
        .write_all(&[1, 0, 0, 0, 0, 0, 0, 0, 99])
        .await
        .unwrap();
    stream.finish().unwrap();
    connection
        .accept_uni()
        .await
        .unwrap()
        .read_to_end(100)
        .await
        .unwrap()
}

/// Opens a unidirectional stream for a purpose.
pub async fn open(connection: &quinn::Connection, purpose: u8) -> SendStream {
    let mut stream = connection.open_uni().await.unwrap();
    stream.write_all(&[purpose]).await.unwrap();
    stream
}

/// Reads the bytes of one frame, lengths and all.
pub async fn read_frame(stream: &mut RecvStream) -> Vec<u8> {
    let mut bytes = vec![0; 4];
    stream.read_exact(&mut bytes).await.unwrap();
    let length = u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) as usize;
    bytes.resize(4 + length, 0);
    stream.read_exact(&mut bytes[4..]).await.unwrap();
    bytes
}
