//! Every limit, and the error that names it.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;
use transport::{Connection, Error, Incoming, Limits};

use crate::cluster::{Cluster, next_ask, simulate};

/// Both ends of a connection with these limits, on a paused clock.
fn with_limits(limits: Limits, test: impl AsyncFnOnce(Connection, Connection)) {
    simulate(async {
        let cluster = Cluster {
            limits,
            ..Cluster::simulated()
        };
        let (kubelet, apiserver) = cluster.pair().await;
        test(kubelet, apiserver).await;
    });
}

#[track_caller]
fn says(error: &Error, parts: &[&str]) {
    let text = error.to_string();
    for part in parts {
        assert!(text.contains(part), "{text:?} does not say {part:?}");
    }
}

#[test]
fn long_headers_and_bodies() {
    let limits = Limits {
        header_bytes_max: 10,
        body_bytes_max: 1_000_000,
        ..Limits::default()
    };
    with_limits(limits, async |kubelet, apiserver| {
        let error = kubelet
            .tell(&"0123456789", Bytes::new(), None)
            .await
            .unwrap_err();
        says(
            &error,
            &[
                "header_bytes_max, 10 bytes",
                "move what is large into the body",
            ],
        );
        let error = kubelet
            .ask(&(), Bytes::from(vec![0; 1_000_001]), None)
            .await
            .unwrap_err();
        says(
            &error,
            &[
                "a body of 1000001 bytes is longer than body_bytes_max, 1000000",
                "in parts on a stream",
            ],
        );
        assert!(error.certainly_not_sent());

        kubelet
            .tell(&"012345678", Bytes::from(vec![0; 1_000_000]), None)
            .await
            .unwrap();
        let Incoming::Tell(message) = apiserver.next().await else {
            panic!("a tell")
        };
        assert_eq!(message.body.len(), 1_000_000);
    });
}

#[test]
fn an_answer_that_is_too_long_fails_its_ask() {
    let limits = Limits {
        body_bytes_max: 1_000,
        ..Limits::default()
    };
    with_limits(limits, async |kubelet, apiserver| {
        let answering = async {
            let (_, responder) = next_ask(&apiserver).await;
            responder
                .answer(&(), Bytes::from(vec![0; 1_001]))
                .await
                .unwrap_err()
        };
        let (reply, error) = tokio::join!(kubelet.ask(&(), Bytes::new(), None), answering);
        says(&error, &["body_bytes_max, 1000"]);
        assert!(matches!(reply, Err(Error::Refused { .. })), "{reply:?}");
    });
}

#[test]
fn long_openings() {
    with_limits(
        Limits {
            inline_bytes_max: 1_000,
            ..Limits::default()
        },
        async |kubelet, apiserver| {
            let error = kubelet
                .open(&1_u8, Bytes::from(vec![0; 1_000]), None)
                .await
                .unwrap_err();
            says(
                &error,
                &[
                    "an opening of 1001 bytes is longer than inline_bytes_max, 1000",
                    "next message",
                ],
            );
            let mut stream = kubelet
                .open(&1_u8, Bytes::from(vec![0; 999]), None)
                .await
                .unwrap();
            let Incoming::Open(_, mut accepted) = apiserver.next().await else {
                panic!("a stream")
            };
            stream
                .send(&2_u8, Bytes::from(vec![0; 100_000]), None)
                .await
                .unwrap();
            let message = accepted.recv().await.unwrap().unwrap();
            assert_eq!(message.body.len(), 100_000);
        },
    );
}

#[test]
fn asks_in_flight() {
    let limits = Limits {
        asks_in_flight_max: 2,
        room_wait_max: Duration::from_secs(7),
        ..Limits::default()
    };
    with_limits(limits, async |kubelet, apiserver| {
        let ask = |number: u8| {
            let kubelet = kubelet.clone();
            tokio::spawn(async move { kubelet.ask(&number, Bytes::new(), None).await })
        };
        let (first, given_up) = (ask(1), ask(2));
        let (_, answer_first) = next_ask(&apiserver).await;
        let (_, answer_given_up) = next_ask(&apiserver).await;
        given_up.abort();
        given_up.await.unwrap_err();

        let start = Instant::now();
        let error = kubelet.ask(&3_u8, Bytes::new(), None).await.unwrap_err();
        assert_eq!(
            start.elapsed().as_secs(),
            7,
            "an ask that was given up keeps its place: the peer still works on it"
        );
        says(
            &error,
            &[
                "apiserver (127.0.0.1:",
                "has left 2 asks (asks_in_flight_max) unanswered for 7s",
                "not sent",
            ],
        );
        assert!(error.certainly_not_sent());

        let waiting = ask(4);
        answer_given_up.answer(&(), Bytes::new()).await.unwrap();
        let (message, answer_waiting) = next_ask(&apiserver).await;
        assert_eq!(message.decode::<u8>().unwrap(), 4);
        answer_waiting.answer(&(), Bytes::new()).await.unwrap();
        answer_first.answer(&(), Bytes::new()).await.unwrap();
        waiting.await.unwrap().unwrap();
        first.await.unwrap().unwrap();
    });
}

/// Tells until there is no room, and returns how many bytes of bodies that took and the error.
async fn tell_until_full(connection: &Connection) -> (usize, Error) {
    let body = Bytes::from(vec![0; 10_000]);
    let mut told = 0;
    loop {
        match connection.tell(&(), body.clone(), None).await {
            Ok(_) => told += body.len(),
            Err(error) => return (told, error),
        }
    }
}

#[test]
fn bytes_queued_for_a_peer_that_takes_nothing() {
    let limits = Limits::default();
    let bound =
        limits.queued_bytes_max + limits.arrived_bytes_max + limits.stream_window_bytes as usize;
    with_limits(limits, async |kubelet, apiserver| {
        let (told, error) = tell_until_full(&kubelet).await;
        says(
            &error,
            &[
                "has not read the 1048576 bytes (queued_bytes_max)",
                "not sent, send it again when it reads",
            ],
        );
        // A message on each side may be half way.
        assert!(
            told <= bound + 2 * 10_042,
            "{told} bytes were taken, with bounds of {bound} in all"
        );
        assert!(
            told >= bound / 2,
            "{told} bytes were taken, with bounds of {bound} in all"
        );

        // The other direction has a queue of its own, and answers pass.
        let answering = async {
            next_ask(&kubelet)
                .await
                .1
                .answer(&(), Bytes::new())
                .await
                .unwrap()
        };
        let (reply, _) = tokio::join!(apiserver.ask(&(), Bytes::new(), None), answering);
        reply.unwrap();

        let mut taken = 0;
        while taken < told {
            let Incoming::Tell(message) = apiserver.next().await else {
                panic!("a tell")
            };
            taken += message.body.len();
        }
        kubelet.tell(&(), Bytes::new(), None).await.unwrap();
    });
}

#[test]
fn long_messages_under_way() {
    let limits = Limits {
        long_messages_max: 1,
        arrived_bytes_max: 1_000,
        ..Limits::default()
    };
    with_limits(limits, async |kubelet, apiserver| {
        // As much has arrived as may wait, so the long ones stay with their sender.
        kubelet
            .tell(&0_u8, Bytes::from(vec![0; 900]), None)
            .await
            .unwrap();
        let long = Bytes::from(vec![0; 600_000]);
        let tell = |number: u8| {
            let (kubelet, long) = (kubelet.clone(), long.clone());
            tokio::spawn(async move { kubelet.tell(&number, long, None).await })
        };
        let first = tell(1);
        tokio::task::yield_now().await;
        let error = kubelet.tell(&2_u8, long.clone(), None).await.unwrap_err();
        says(
            &error,
            &[
                "1 long messages (long_messages_max) to apiserver",
                "not sent",
            ],
        );
        assert!(error.certainly_not_sent());
        assert!(!first.is_finished(), "nobody has taken it");
        for expected in [0, 1] {
            let Incoming::Tell(message) = apiserver.next().await else {
                panic!("a tell")
            };
            assert_eq!(message.decode::<u8>().unwrap(), expected);
        }
        first.await.unwrap().unwrap();
        tell(3).await.unwrap().unwrap();
    });
}

#[test]
fn a_broken_connection_tells_what_became_of_the_message() {
    let limits = Limits {
        asks_in_flight_max: 1,
        ..Limits::default()
    };
    with_limits(limits, async |kubelet, apiserver| {
        let ask = |number: u8| {
            let kubelet = kubelet.clone();
            tokio::spawn(async move { kubelet.ask(&number, Bytes::new(), None).await.unwrap_err() })
        };
        let sent = ask(1);
        let (_, _responder) = next_ask(&apiserver).await;
        let waiting = ask(2);
        tokio::task::yield_now().await;
        apiserver.close("the API server stops");
        says(
            &sent.await.unwrap(),
            &["the API server stops", "the message may have been received"],
        );
        says(
            &waiting.await.unwrap(),
            &["the API server stops", "the message was not sent"],
        );
    });
}
