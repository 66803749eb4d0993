//! Streams of messages: their ends, their back-pressure.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::timeout;
use transport::{Connection, Error, Incoming, Limits, Stream};

use crate::cluster::{Cluster, next_ask, simulate};

/// A stream between the two, opened by the first.
async fn stream(opener: &Connection, acceptor: &Connection) -> (Stream, Stream) {
    let opened = opener.open(&"watch", Bytes::new(), None).await.unwrap();
    let Incoming::Open(message, accepted) = acceptor.next().await else {
        panic!("a stream")
    };
    assert_eq!(message.decode::<String>().unwrap(), "watch");
    assert_eq!(message.id, opened.id());
    assert_eq!(message.id, accepted.id());
    (opened, accepted)
}

#[tokio::test]
async fn messages_keep_their_order_until_the_end() {
    let (kubelet, apiserver) = Cluster::new().pair().await;
    let (mut watcher, mut watched) = stream(&kubelet, &apiserver).await;
    let sending = async {
        for number in 0..1_000_u32 {
            watched
                .send(&number, Bytes::from(vec![1; number as usize]), None)
                .await
                .unwrap();
        }
        watched.finish().await.unwrap();
        assert!(matches!(
            watched.send(&0_u32, Bytes::new(), None).await,
            Err(Error::Finished)
        ));
    };
    let receiving = async {
        let mut expected = 0;
        while let Some(message) = watcher.recv().await.unwrap() {
            assert_eq!(message.decode::<u32>().unwrap(), expected);
            assert_eq!(message.body.len(), expected as usize);
            expected += 1;
        }
        assert_eq!(expected, 1_000);
        assert!(watcher.recv().await.unwrap().is_none(), "the end stays");
    };
    tokio::join!(sending, receiving);
}

#[tokio::test]
async fn both_directions_are_independent() {
    let (kubelet, apiserver) = Cluster::new().pair().await;
    let (client, mut server) = stream(&apiserver, &kubelet).await;
    let (mut input, mut output) = client.split();
    let typing = async {
        for line in ["ls", "exit"] {
            input.send(&line, Bytes::new(), None).await.unwrap();
        }
        input.finish().await.unwrap();
    };
    let echoing = async {
        while let Some(message) = server.recv().await.unwrap() {
            server
                .send(
                    &message.decode::<String>().unwrap(),
                    Bytes::new(),
                    Some(message.id),
                )
                .await
                .unwrap();
        }
        server.finish().await.unwrap();
    };
    let reading = async {
        let mut lines = Vec::new();
        while let Some(message) = output.recv().await.unwrap() {
            lines.push(message.decode::<String>().unwrap());
        }
        lines
    };
    let ((), (), lines) = tokio::join!(typing, echoing, reading);
    assert_eq!(lines, ["ls", "exit"]);
}

/// Sends until the receiver's window is full, and returns how many bytes that took.
async fn fill(stream: &mut Stream) -> usize {
    let body = Bytes::from(vec![0; 1_000]);
    let mut sent = 0;
    while timeout(
        Duration::from_millis(200),
        stream.send(&(), body.clone(), None),
    )
    .await
    .is_ok_and(|sent| sent.is_ok())
    {
        sent += body.len();
    }
    sent
}

#[test]
fn a_reader_that_does_not_read_stops_its_writer_and_nobody_else() {
    simulate(async {
        let (kubelet, apiserver) = Cluster::simulated().pair().await;
        let mut stuck = Vec::new();
        for _ in 0..20 {
            let (watcher, mut watched) = stream(&kubelet, &apiserver).await;
            let sent = fill(&mut watched).await;
            let window = Limits::default().stream_window_bytes as usize;
            assert!(
                (window / 2..=window).contains(&sent),
                "{sent} bytes were taken for a reader that does not read"
            );
            stuck.push((watcher, watched));
        }
        let (mut watcher, mut watched) = stream(&kubelet, &apiserver).await;
        watched.send(&1_u8, Bytes::new(), None).await.unwrap();
        assert!(
            watcher.recv().await.unwrap().is_some(),
            "another stream goes on"
        );
        let answering = async {
            next_ask(&apiserver)
                .await
                .1
                .answer(&(), Bytes::new())
                .await
                .unwrap()
        };
        let (reply, _) = tokio::join!(kubelet.ask(&(), Bytes::new(), None), answering);
        reply.unwrap();

        let (watcher, mut watched) = stuck.remove(0);
        drop(watcher);
        let error = loop {
            match watched.send(&(), Bytes::from(vec![0; 1_000]), None).await {
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        assert!(
            error
                .to_string()
                .contains("dropped its end without finishing"),
            "{error}"
        );
    });
}

#[test]
fn a_stream_that_is_full_is_still_closed_with_its_reason() {
    simulate(async {
        let (kubelet, apiserver) = Cluster::simulated().pair().await;
        let (mut watcher, mut watched) = stream(&kubelet, &apiserver).await;
        fill(&mut watched).await;
        watched.close("a watcher that stays behind is closed");
        let error = loop {
            match watcher.recv().await {
                Ok(Some(_)) => {}
                Ok(None) => panic!("an abort is no orderly end"),
                Err(error) => break error,
            }
        };
        let Error::Aborted { reason, .. } = &error else {
            panic!("{error}")
        };
        assert_eq!(reason, "a watcher that stays behind is closed");
    });
}

#[tokio::test]
async fn a_writer_is_told_why_its_reader_ended() {
    let (kubelet, apiserver) = Cluster::new().pair().await;
    let (watcher, mut watched) = stream(&kubelet, &apiserver).await;
    watcher.close("the subscriber is done");
    let error = loop {
        if let Err(error) = watched.send(&(), Bytes::from_static(b"event"), None).await {
            break error;
        }
    };
    assert!(
        error
            .to_string()
            .ends_with("ended the stream: the subscriber is done"),
        "{error}"
    );
}

#[tokio::test]
async fn a_dropped_stream_is_no_orderly_end() {
    let (kubelet, apiserver) = Cluster::new().pair().await;
    let (mut watcher, mut watched) = stream(&kubelet, &apiserver).await;
    watched.send(&1_u8, Bytes::new(), None).await.unwrap();
    assert!(watcher.recv().await.unwrap().is_some());
    drop(watched);
    let error = watcher.recv().await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("dropped its end without finishing"),
        "{error}"
    );
}

#[tokio::test]
async fn a_dropped_receive_loses_nothing() {
    let (kubelet, apiserver) = Cluster::new().pair().await;
    let (mut watcher, mut watched) = stream(&kubelet, &apiserver).await;
    let sending = async {
        for number in 0..50_u32 {
            // Long enough to arrive in several pieces.
            watched
                .send(&number, Bytes::from(vec![0; 20_000]), None)
                .await
                .unwrap();
        }
        watched.finish().await.unwrap();
    };
    let receiving = async {
        let (mut received, mut dropped) = (Vec::new(), 0);
        loop {
            match tokio::select! { biased; message = watcher.recv() => Some(message), () = tokio::task::yield_now() => None }
            {
                Some(Ok(Some(message))) => received.push(message.decode::<u32>().unwrap()),
                Some(Ok(None)) => break,
                Some(Err(error)) => panic!("{error}"),
                None => dropped += 1,
            }
        }
        assert!(dropped > 0, "no receive was dropped");
        assert_eq!(received, (0..50).collect::<Vec<_>>());
    };
    tokio::join!(sending, receiving);
}

#[tokio::test]
async fn streams_end_with_their_connection() {
    let (kubelet, apiserver) = Cluster::new().pair().await;
    let (mut watcher, mut watched) = stream(&kubelet, &apiserver).await;
    apiserver.close("the API server stops");
    let error = watcher.recv().await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("closed by the peer: the API server stops"),
        "{error}"
    );
    let error = watched.send(&(), Bytes::new(), None).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("closed here: the API server stops"),
        "{error}"
    );
}

#[tokio::test]
async fn one_stream_too_many() {
    let limits = Limits {
        streams_max: 2,
        ..Limits::default()
    };
    let cluster = Cluster {
        limits,
        ..Cluster::new()
    };
    let (kubelet, apiserver) = cluster.pair().await;
    let (first, second) = (
        stream(&kubelet, &apiserver).await,
        stream(&kubelet, &apiserver).await,
    );
    let error = kubelet
        .open(&"watch", Bytes::new(), None)
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("2 streams (streams_max) with apiserver"),
        "{error}"
    );
    drop(first);
    // The other side's limit is its own.
    let _backward = stream(&apiserver, &kubelet).await;
    let _again = stream(&kubelet, &apiserver).await;
    drop(second);
}
