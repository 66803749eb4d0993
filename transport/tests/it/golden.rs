//! The bytes on the wire, as a peer made of quinn alone reads them.

use std::fmt::Write;

use bytes::Bytes;
use transport::{Config, Endpoint, Identity, Incoming, MessageId};

use crate::cluster::{Cluster, loopback, next_ask};
use crate::raw::{self, ASK, frame};

/// A frame in the words of its layout: one field a line.
fn fields(bytes: &[u8]) -> String {
    let header = 42 + u32::from_be_bytes(bytes[38..42].try_into().unwrap()) as usize;
    let parts = [
        ("length", 0..4),
        ("version", 4..5),
        ("kind", 5..6),
        ("origin", 6..14),
        ("sequence", 14..22),
        ("cause origin", 22..30),
        ("cause sequence", 30..38),
        ("header length", 38..42),
        ("header", 42..header),
        ("body", header..bytes.len()),
    ];
    parts
        .into_iter()
        .fold(String::new(), |mut text, (name, range)| {
            let hex: String = bytes[range]
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            writeln!(text, "{name:<15}{hex}").unwrap();
            text
        })
}

#[tokio::test]
async fn every_kind_of_frame() {
    let cluster = Cluster::new();
    let mut config = Config::new(
        loopback(),
        cluster.credentials(&Identity::kubelet("node-1").unwrap()),
    );
    config.origin = Some(0x0102_0304_0506_0708);
    let kubelet = Endpoint::bind(config).unwrap();
    let peer = raw::bind(&cluster.credentials(&Identity::apiserver()), raw::SAME);
    let address = peer.local_addr().unwrap();
    let accepting = async {
        let connection = peer.accept().await.unwrap().await.unwrap();
        let welcome = raw::welcome(&connection).await;
        (connection, welcome)
    };
    let expected = Identity::apiserver();
    let (connection, (wire, welcome)) =
        tokio::join!(kubelet.connect(address, &expected), accepting);
    let connection = connection.unwrap();
    assert_eq!(connection.peer_origin(), 99);
    insta::assert_snapshot!("welcome", format!("{welcome:02x?}"));

    let cause = MessageId {
        origin: 0xaa,
        sequence: 0xbb,
    };
    connection
        .tell(&("pod", 7_u32), Bytes::from_static(b"{}"), Some(cause))
        .await
        .unwrap();
    let mut requests = wire.accept_uni().await.unwrap();
    let mut purpose = [0];
    requests.read_exact(&mut purpose).await.unwrap();
    assert_eq!(purpose, [2], "requests");
    insta::assert_snapshot!("tell", fields(&raw::read_frame(&mut requests).await));
    let asking = tokio::spawn({
        let connection = connection.clone();
        async move { connection.ask(&true, Bytes::new(), None).await }
    });
    insta::assert_snapshot!("ask", fields(&raw::read_frame(&mut requests).await));

    let mut asks = raw::open(&wire, 2).await;
    for sequence in [1, 2] {
        asks.write_all(&frame(ASK, sequence).bytes()).await.unwrap();
    }
    let (_, responder) = next_ask(&connection).await;
    responder
        .answer(&"found", Bytes::from_static(b"object"))
        .await
        .unwrap();
    let (_, responder) = next_ask(&connection).await;
    responder.refuse("not my node");
    let mut answers = wire.accept_uni().await.unwrap();
    answers.read_exact(&mut purpose).await.unwrap();
    assert_eq!(purpose, [3], "answers");
    insta::assert_snapshot!("answer", fields(&raw::read_frame(&mut answers).await));
    insta::assert_snapshot!("refusal", fields(&raw::read_frame(&mut answers).await));

    let mut stream = connection.open(&"watch", Bytes::new(), None).await.unwrap();
    stream
        .send(&1_u8, Bytes::from_static(b"event"), Some(stream.id()))
        .await
        .unwrap();
    let (_, mut items) = wire.accept_bi().await.unwrap();
    insta::assert_snapshot!("open", fields(&raw::read_frame(&mut items).await));
    insta::assert_snapshot!("item", fields(&raw::read_frame(&mut items).await));
    stream.close("too slow");
    insta::assert_snapshot!("abort", fields(&raw::read_frame(&mut answers).await));

    connection.close("done");
    let Incoming::Closed(_) = connection.next().await else {
        panic!("the end")
    };
    asking.await.unwrap().unwrap_err();
}
