//! Which versions of etcd are taken: asked of a server that has no more of etcd than the word for its version.

use std::convert::Infallible;

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::StreamBody;
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use plimsoll_store::etcd::{Etcd, EtcdError};
use plimsoll_store::{Config, Engine};
use shell::{Environment, Shutdown};
use tokio::net::TcpListener;

use super::on_system;
use crate::site::Site;

/// Something that answers `Maintenance/Status` as an etcd of a version does, and nothing else; its URL. It ends with the
/// test's event loop.
async fn an_etcd_of(version: &'static str) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await;
    let listener = listener.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("its address"));
    tokio::task::spawn_local(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let answers =
                service_fn(async move |request| Ok::<_, Infallible>(answer(&request, version)));
            let serving = http2::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), answers);
            tokio::task::spawn_local(async move {
                // A client that leaves ends its connection.
                let _ = serving.await;
            });
        }
    });
    url
}

type Body =
    StreamBody<futures_util::stream::Iter<std::vec::IntoIter<Result<Frame<Bytes>, Infallible>>>>;

/// A message behind gRPC's five bytes, and the status behind it.
fn answer(request: &Request<Incoming>, version: &str) -> Response<Body> {
    let mut frames = Vec::new();
    let mut status = HeaderMap::new();
    if request.uri().path() == "/etcdserverpb.Maintenance/Status" {
        let length = u8::try_from(version.len()).expect("a version is short");
        let mut message = BytesMut::new();
        message.put_u8(0);
        message.put_u32(u32::from(length) + 2);
        // Field 2 of `StatusResponse`, by its length.
        message.put_slice(&[2 << 3 | 2, length]);
        message.put_slice(version.as_bytes());
        frames.push(Ok(Frame::data(message.freeze())));
        status.insert("grpc-status", HeaderValue::from_static("0"));
    } else {
        status.insert("grpc-status", HeaderValue::from_static("12"));
    }
    frames.push(Ok(Frame::trailers(status)));
    let mut response = Response::new(StreamBody::new(futures_util::stream::iter(frames)));
    let grpc = HeaderValue::from_static("application/grpc");
    response.headers_mut().insert("content-type", grpc);
    response
}

#[test]
fn an_etcd_before_3_4_is_refused() {
    on_system(async {
        for (version, taken) in [
            ("2.3.8", false),
            ("3.3.27", false),
            ("3", false),
            ("three", false),
            ("", false),
            ("3.4.0", true),
            ("3.10.1", true),
            ("3.7.0-alpha.1", true),
            ("4.0.0", true),
        ] {
            let url = an_etcd_of(version).await;
            let Ok(Engine::Etcd(address)) = format!("etcd={url}").parse() else {
                panic!("an engine")
            };
            let etcd = Etcd::new(&address, Default::default()).expect("a client");
            let refused = EtcdError::Version {
                member: url,
                version: version.to_owned(),
            };
            assert_eq!(
                etcd.check().await,
                if taken { Ok(()) } else { Err(refused) }
            );
        }
    });
}

#[test]
fn a_store_over_an_old_etcd_does_not_start_and_says_why() {
    on_system(async {
        let site = Site::new();
        let url = an_etcd_of("3.3.27").await;
        let config = Config {
            engine: format!("etcd={url}").parse().expect("an engine"),
            ..site.config()
        };
        let (_trigger, shutdown) = Shutdown::new();
        let ended = plimsoll_store::run(
            config,
            Environment::system(),
            shutdown,
            Box::new(|| panic!("it says that it is ready")),
        );
        let error = ended.await.expect_err("it does not start");
        assert_eq!(
            format!("{error:#}"),
            format!("etcd at {url} has version 3.3.27: 3.4 or later is needed")
        );
    });
}
