//! Asks, tells and their answers.

use bytes::Bytes;
use transport::{Error, Identity, Incoming};

use crate::cluster::{Cluster, next_ask};

#[tokio::test]
async fn an_ask_is_answered() {
    let (kubelet, apiserver) = Cluster::new().pair().await;
    assert_eq!(*kubelet.identity(), Identity::apiserver());
    assert_eq!(*apiserver.identity(), Identity::kubelet("node-1").unwrap());
    let asking = kubelet.ask(&("get", 7_u32), Bytes::from_static(b"body"), None);
    let answering = async {
        let (message, responder) = next_ask(&apiserver).await;
        assert_eq!(
            message.decode::<(String, u32)>().unwrap(),
            ("get".to_owned(), 7)
        );
        assert_eq!(&message.body[..], b"body");
        assert_eq!(message.id.origin, apiserver.peer_origin());
        responder
            .answer(&true, Bytes::from_static(b"object"))
            .await
            .unwrap()
    };
    let (reply, answer) = tokio::join!(asking, answering);
    let reply = reply.unwrap();
    assert!(reply.decode::<bool>().unwrap());
    assert_eq!(&reply.body[..], b"object");
    assert_eq!(reply.id, answer);
}

#[tokio::test]
async fn both_sides_ask_over_one_connection() {
    let (kubelet, apiserver) = Cluster::new().pair().await;
    for (asker, asked) in [(&kubelet, &apiserver), (&apiserver, &kubelet)] {
        let answering = async {
            let (_, responder) = next_ask(asked).await;
            responder.answer(&1_u8, Bytes::new()).await.unwrap();
        };
        let (reply, ()) = tokio::join!(asker.ask(&0_u8, Bytes::new(), None), answering);
        assert_eq!(reply.unwrap().decode::<u8>().unwrap(), 1);
    }
}

#[tokio::test]
async fn answers_come_out_of_order() {
    let (kubelet, apiserver) = Cluster::new().pair().await;
    let second_is_back = tokio::sync::Notify::new();
    let answering = async {
        let (first, answer_first) = next_ask(&apiserver).await;
        let (second, answer_second) = next_ask(&apiserver).await;
        assert_eq!(
            (
                first.decode::<u8>().unwrap(),
                second.decode::<u8>().unwrap()
            ),
            (1, 2),
            "asks keep their order"
        );
        answer_second.answer(&2_u8, Bytes::new()).await.unwrap();
        second_is_back.notified().await;
        answer_first.answer(&1_u8, Bytes::new()).await.unwrap();
    };
    let first = kubelet.ask(&1_u8, Bytes::new(), None);
    let second = async {
        let reply = kubelet.ask(&2_u8, Bytes::new(), None).await.unwrap();
        second_is_back.notify_one();
        reply
    };
    let (first, second, ()) = tokio::join!(first, second, answering);
    assert_eq!(first.unwrap().decode::<u8>().unwrap(), 1);
    assert_eq!(second.decode::<u8>().unwrap(), 2);
}

#[tokio::test]
async fn a_dropped_responder_fails_the_ask() {
    let (kubelet, apiserver) = Cluster::new().pair().await;
    let dropping = async { drop(next_ask(&apiserver).await) };
    let (reply, ()) = tokio::join!(kubelet.ask(&0_u8, Bytes::new(), None), dropping);
    let error = reply.unwrap_err();
    assert!(matches!(error, Error::Refused { .. }), "{error}");
    assert!(
        error
            .to_string()
            .contains("dropped the ask without an answer"),
        "{error}"
    );
}

#[tokio::test]
async fn a_cause_travels_with_its_message() {
    let (kubelet, apiserver) = Cluster::new().pair().await;
    let first = kubelet.tell(&1_u8, Bytes::new(), None).await.unwrap();
    let second = kubelet
        .tell(&2_u8, Bytes::new(), Some(first))
        .await
        .unwrap();
    let Incoming::Tell(message) = apiserver.next().await else {
        panic!("a tell")
    };
    assert_eq!((message.id, message.cause), (first, None));
    let Incoming::Tell(message) = apiserver.next().await else {
        panic!("a tell")
    };
    assert_eq!((message.id, message.cause), (second, Some(first)));
}

#[tokio::test]
async fn long_bodies_take_streams_of_their_own() {
    let (kubelet, apiserver) = Cluster::new().pair().await;
    let long: Bytes = (0..5_000_000_u32).map(|index| index as u8).collect();
    let answering = async {
        let (message, responder) = next_ask(&apiserver).await;
        responder.answer(&0_u8, message.body).await.unwrap();
    };
    let (reply, ()) = tokio::join!(kubelet.ask(&0_u8, long.clone(), None), answering);
    assert_eq!(reply.unwrap().body, long);
}

#[tokio::test]
async fn a_close_reaches_the_other_side_with_its_reason() {
    let (kubelet, apiserver) = Cluster::new().pair().await;
    let closing = async {
        let (_, _responder) = next_ask(&apiserver).await;
        apiserver.close("node is deleted");
    };
    let (reply, ()) = tokio::join!(kubelet.ask(&0_u8, Bytes::new(), None), closing);
    let error = reply.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("closed by the peer: node is deleted"),
        "{error}"
    );
    assert!(!error.certainly_not_sent(), "the ask was received");
    let Incoming::Closed(reason) = kubelet.next().await else {
        panic!("the end")
    };
    assert_eq!(reason.to_string(), "closed by the peer: node is deleted");
    let error = kubelet.ask(&0_u8, Bytes::new(), None).await.unwrap_err();
    assert!(error.certainly_not_sent(), "{error}");
}

#[tokio::test]
async fn what_is_queued_arrives_before_an_orderly_end() {
    let (kubelet, apiserver) = Cluster::new().pair().await;
    let asking = tokio::spawn({
        let kubelet = kubelet.clone();
        async move { kubelet.ask(&0_u8, Bytes::new(), None).await }
    });
    let (_, responder) = next_ask(&apiserver).await;
    for number in 0..500_u32 {
        apiserver
            .tell(&number, Bytes::from(vec![0; 1_000]), None)
            .await
            .unwrap();
    }
    responder.answer(&1_u8, Bytes::new()).await.unwrap();
    let (told, ()) = tokio::join!(
        async {
            let mut told = 0;
            loop {
                match kubelet.next().await {
                    Incoming::Tell(message) => {
                        assert_eq!(message.decode::<u32>().unwrap(), told);
                        told += 1;
                    }
                    Incoming::Closed(reason) => break (told, reason.to_string()),
                    other => panic!("{other:?}"),
                }
            }
        },
        apiserver.finish("the API server stops"),
    );
    assert_eq!(
        told,
        (500, "closed by the peer: the API server stops".to_owned())
    );
    assert_eq!(asking.await.unwrap().unwrap().decode::<u8>().unwrap(), 1);
    let error = apiserver.tell(&0_u8, Bytes::new(), None).await.unwrap_err();
    assert!(error.certainly_not_sent(), "{error}");
}

/// A peer that takes nothing does not hold up the end.
#[test]
fn an_orderly_end_has_its_time() {
    crate::cluster::simulate(async {
        let (kubelet, _apiserver) = Cluster::simulated().pair().await;
        for _ in 0..200 {
            kubelet
                .tell(&0_u8, Bytes::from(vec![0; 10_000]), None)
                .await
                .unwrap();
        }
        let start = tokio::time::Instant::now();
        kubelet.finish("the kubelet stops").await;
        assert_eq!(start.elapsed().as_millis(), 500);
    });
}
