//! Peers of the cluster that break the protocol: they lose their connection, nobody else anything.

use bytes::Bytes;
use transport::{CloseReason, Connection, Endpoint, FrameError, Identity, Incoming, Limits};

use crate::cluster::{Cluster, next_ask};
use crate::raw::{self, ANSWER, ASK, ITEM, OPEN, TELL, frame};

const REQUESTS: u8 = 2;
const ANSWERS: u8 = 3;
const LONG: u8 = 4;

/// A server with an honest client and a raw one: (raw, its connection as the server sees it, honest
/// client, its connection).
struct Scene {
    wire: quinn::Connection,
    seen: Connection,
    honest: Connection,
    honest_seen: Connection,
    _raw: quinn::Endpoint,
    _endpoints: [Endpoint; 2],
}

async fn scene(limits: Limits) -> Scene {
    let cluster = Cluster {
        limits,
        ..Cluster::new()
    };
    let server = cluster.endpoint(&Identity::apiserver());
    let address = server.address().unwrap();
    let client = cluster.endpoint(&Identity::scheduler());
    let expected = Identity::apiserver();
    let (honest, honest_seen) = tokio::join!(client.connect(address, &expected), server.accept());
    let peer = raw::bind(
        &cluster.credentials(&Identity::kubelet("evil").unwrap()),
        raw::SAME,
    );
    let connecting = async {
        let wire = peer
            .connect(address, "apiserver.plimsoll.internal")
            .unwrap()
            .await
            .unwrap();
        raw::welcome(&wire).await;
        wire
    };
    let (wire, seen) = tokio::join!(connecting, server.accept());
    Scene {
        wire,
        seen: seen.unwrap().unwrap(),
        honest: honest.unwrap(),
        honest_seen: honest_seen.unwrap().unwrap(),
        _raw: peer,
        _endpoints: [server, client],
    }
}

impl Scene {
    /// The raw peer has lost its connection for that reason, and has been told; the honest one asks on.
    async fn ends_with(&self, reason: CloseReason) {
        let arrived = loop {
            match self.seen.next().await {
                Incoming::Closed(reason) => break reason,
                Incoming::Ask(_, responder) => std::mem::forget(responder),
                Incoming::Tell(_) | Incoming::Open(..) => {}
            }
        };
        assert_eq!(arrived, reason);
        let quinn::ConnectionError::ApplicationClosed(close) = self.wire.closed().await else {
            panic!("not closed")
        };
        assert_eq!(String::from_utf8_lossy(&close.reason), reason.to_string());
        let answering = async {
            next_ask(&self.honest_seen)
                .await
                .1
                .answer(&(), Bytes::new())
                .await
                .unwrap()
        };
        let (reply, _) = tokio::join!(self.honest.ask(&(), Bytes::new(), None), answering);
        reply.unwrap();
    }
}

/// Sends `bytes` on a stream for `purpose` and expects the connection's end.
async fn check(purpose: u8, bytes: &[u8], expect: FrameError) {
    let scene = scene(Limits::default()).await;
    let mut stream = raw::open(&scene.wire, purpose).await;
    stream.write_all(bytes).await.unwrap();
    // Whoever is not refused yet has ended within a frame.
    let _ = stream.finish();
    scene.ends_with(CloseReason::Malformed(expect)).await;
}

#[tokio::test]
async fn broken_frames() {
    let tell = frame(TELL, 1);
    let with = |change: fn(&mut raw::Raw)| {
        let mut raw = frame(TELL, 1);
        change(&mut raw);
        raw.bytes()
    };
    check(
        REQUESTS,
        &with(|raw| raw.version = 2),
        FrameError::Version(2),
    )
    .await;
    check(REQUESTS, &with(|raw| raw.kind = 0), FrameError::Kind(0)).await;
    check(REQUESTS, &with(|raw| raw.kind = 8), FrameError::Kind(8)).await;
    check(REQUESTS, &with(|raw| raw.id = (0, 1)), FrameError::NoId).await;
    check(REQUESTS, &with(|raw| raw.id = (1, 0)), FrameError::NoId).await;
    check(
        REQUESTS,
        &tell.bytes_claiming(37, 0),
        FrameError::Lengths {
            length: 37,
            header: 0,
        },
    )
    .await;
    check(
        REQUESTS,
        &tell.bytes_claiming(40, 3),
        FrameError::Lengths {
            length: 40,
            header: 3,
        },
    )
    .await;
    check(
        REQUESTS,
        &tell.bytes_claiming(0, 0),
        FrameError::Lengths {
            length: 0,
            header: 0,
        },
    )
    .await;
    check(
        REQUESTS,
        &tell.bytes()[..41],
        FrameError::Cut { missing: 1 },
    )
    .await;
    check(
        REQUESTS,
        &tell.bytes_claiming(48, 10),
        FrameError::Cut { missing: 10 },
    )
    .await;
    check(200, &tell.bytes(), FrameError::Purpose(200)).await;
}

#[tokio::test]
async fn oversized_frames() {
    let limits = Limits::default();
    let tell = frame(TELL, 1);
    let all = u32::MAX as usize;
    let length = |length, name, limit| FrameError::Length {
        length,
        name,
        limit,
    };
    let inline = limits.inline_bytes_max;
    check(
        REQUESTS,
        &tell.bytes_claiming(all, 0),
        length(all - 38, "inline_bytes_max", inline),
    )
    .await;
    check(
        REQUESTS,
        &tell.bytes_claiming(38 + inline + 1, 0),
        length(inline + 1, "inline_bytes_max", inline),
    )
    .await;
    let own = limits.header_bytes_max + limits.body_bytes_max;
    check(
        LONG,
        &tell.bytes_claiming(all, 0),
        length(all - 38, "header_bytes_max + body_bytes_max", own),
    )
    .await;
    let (header, limit) = (limits.header_bytes_max + 1, limits.header_bytes_max);
    check(
        LONG,
        &tell.bytes_claiming(38 + header, header),
        FrameError::Header {
            length: header,
            limit,
        },
    )
    .await;
}

#[tokio::test]
async fn frames_where_they_do_not_belong() {
    let misplaced = |kind, stream| FrameError::Misplaced { kind, stream };
    use transport::frame::Kind;
    check(
        REQUESTS,
        &frame(ITEM, 1).bytes(),
        misplaced(Kind::Item, "requests"),
    )
    .await;
    check(
        ANSWERS,
        &frame(ASK, 1).bytes(),
        misplaced(Kind::Ask, "answers"),
    )
    .await;
    check(
        LONG,
        &frame(OPEN, 1).bytes(),
        misplaced(Kind::Open, "one long message"),
    )
    .await;
    check(ANSWERS, &frame(ANSWER, 1).bytes(), FrameError::NoCause).await;
    let mut answer = frame(ANSWER, 1);
    answer.cause = (5, 6);
    check(
        ANSWERS,
        &answer.bytes(),
        FrameError::NotAsked("0000000000000005-6".to_owned()),
    )
    .await;
    check(
        LONG,
        &answer.bytes(),
        FrameError::NotAsked("0000000000000005-6".to_owned()),
    )
    .await;
}

#[tokio::test]
async fn a_stream_that_does_not_begin_with_an_opening() {
    let scene = scene(Limits::default()).await;
    let (mut send, _receive) = scene.wire.open_bi().await.unwrap();
    send.write_all(&frame(TELL, 1).bytes()).await.unwrap();
    let kind = transport::frame::Kind::Tell;
    scene
        .ends_with(CloseReason::Malformed(FrameError::Misplaced {
            kind,
            stream: "an opening",
        }))
        .await;
}

#[tokio::test]
async fn garbage_on_an_open_stream() {
    let scene = scene(Limits::default()).await;
    let (mut send, _receive) = scene.wire.open_bi().await.unwrap();
    send.write_all(&frame(OPEN, 1).bytes()).await.unwrap();
    let Incoming::Open(_, mut stream) = scene.seen.next().await else {
        panic!("a stream")
    };
    send.write_all(&[0xff; 100]).await.unwrap();
    let error = stream.recv().await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("the peer sent what no peer may: frame version 255"),
        "{error}"
    );
    scene
        .ends_with(CloseReason::Malformed(FrameError::Version(255)))
        .await;
}

#[tokio::test]
async fn more_asks_than_may_be_in_flight() {
    let scene = scene(Limits {
        asks_in_flight_max: 3,
        ..Limits::default()
    })
    .await;
    let mut stream = raw::open(&scene.wire, REQUESTS).await;
    for sequence in 1..=4 {
        stream
            .write_all(&frame(ASK, sequence).bytes())
            .await
            .unwrap();
    }
    scene
        .ends_with(CloseReason::Limit {
            name: "asks_in_flight_max",
            limit: 3,
        })
        .await;
}

#[tokio::test]
async fn two_messages_where_one_may_be() {
    let two = [frame(TELL, 1).bytes(), frame(TELL, 2).bytes()].concat();
    check(LONG, &two, FrameError::Trailing(42)).await;
}

#[tokio::test]
async fn a_long_message_cut_short() {
    let scene = scene(Limits::default()).await;
    let mut stream = raw::open(&scene.wire, LONG).await;
    stream
        .write_all(&frame(TELL, 1).bytes_claiming(1_000_000, 0))
        .await
        .unwrap();
    stream.reset(0_u32.into()).unwrap();
    scene
        .ends_with(CloseReason::Malformed(FrameError::Cut { missing: 1 }))
        .await;
}

/// A header that is no header concerns the two who agreed on it, not the connection.
#[tokio::test]
async fn a_header_of_another_type() {
    let scene = scene(Limits::default()).await;
    let mut stream = raw::open(&scene.wire, REQUESTS).await;
    let mut ask = frame(ASK, 1);
    // A vector of 2^64 - 1 elements.
    ask.header = vec![0xfd, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
    stream.write_all(&ask.bytes()).await.unwrap();
    let (message, responder) = next_ask(&scene.seen).await;
    let error = message.decode::<Vec<u64>>().unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("the header is not a alloc::vec::Vec<u64>: LimitExceeded"),
        "{error}"
    );
    responder.refuse("the header is no request");
    assert_eq!(scene.seen.close_reason(), None);
}
