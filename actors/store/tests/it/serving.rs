//! The store over QUIC.

use model::messages::store::{
    KeyRange, RangeRequest, StoreError, StoreRequest, StoreResponse, WatchFrame,
};
use transport::{Backoff, CloseReason, Identity, Link};

use crate::client::Client;
use crate::site::Site;

fn on_system(test: impl Future<Output = ()>) {
    shell::run(test).expect("a runtime");
}

#[test]
fn answers_and_keeps_what_it_answered() {
    on_system(async {
        let site = Site::new();
        let running = site.start(site.config()).await;
        let client = site.client().await;
        assert_eq!(client.create("/a", b"one").await.unwrap(), Some(2));
        assert_eq!(client.create("/a", b"two").await.unwrap(), None);
        running.stop().await.unwrap();

        let running = site.start(site.config()).await;
        let client = site.client().await;
        let items = client.all("/").await;
        assert_eq!(items.len(), 1);
        assert_eq!(
            (items[0].mod_revision, items[0].value.as_deref()),
            (2, Some(&b"one"[..]))
        );
        assert_eq!(client.put("/a", b"three").await, 3);
        running.stop().await.unwrap();
    });
}

#[test]
fn many_writers_share_commits_and_each_is_answered() {
    on_system(async {
        let site = Site::new();
        let running = site.start(site.config()).await;
        let client = site.client().await;
        let writers: Vec<_> = (0..64)
            .map(|writer| {
                let client = client.clone();
                tokio::task::spawn_local(async move {
                    let mut revisions = Vec::new();
                    for nth in 0..20 {
                        let key = format!("/w/{writer}/{nth}");
                        revisions.extend(client.create(&key, &[0; 2048]).await.unwrap());
                    }
                    revisions
                })
            })
            .collect();
        let mut revisions = Vec::new();
        for writer in writers {
            revisions.extend(writer.await.unwrap());
        }
        revisions.sort();
        assert_eq!(revisions, (2..2 + 64 * 20).collect::<Vec<u64>>());
        assert_eq!(client.all("/w/").await.len(), 64 * 20);
        running.stop().await.unwrap();
    });
}

#[test]
fn only_the_api_server_is_listened_to() {
    on_system(async {
        let site = Site::new();
        let running = site.start(site.config()).await;
        for identity in [
            Identity::controllers(),
            Identity::scheduler(),
            Identity::admin(),
            Identity::kubelet("node-1").unwrap(),
        ] {
            let link = site.link(&identity);
            let live = link.connection().await.expect("a connection");
            let reason = live.connection.closed().await;
            let CloseReason::Peer(reason) = &reason else {
                panic!("{identity}: {reason:?}");
            };
            assert_eq!(reason, "only the API server talks to the store");
            link.close("done");
        }
        let client = site.client().await;
        assert_eq!(client.put("/a", b"1").await, 2);
        running.stop().await.unwrap();
    });
}

#[test]
fn a_watch_resumes_over_a_restart_and_ends_with_compaction() {
    on_system(async {
        let site = Site::new();
        let running = site.start(site.config()).await;
        let client = site.client().await;
        let mut watch = client.watch(KeyRange::prefix("/p/"), Some(1)).await;
        for nth in 0..5 {
            client.put(&format!("/p/{nth}"), b"x").await;
            client.put(&format!("/q/{nth}"), b"x").await;
        }
        assert_eq!(watch.revisions(3).await, [2, 4, 6]);
        running.stop().await.unwrap();

        let running = site.start(site.config()).await;
        let client = site.client().await;
        let mut watch = client.watch(KeyRange::prefix("/p/"), Some(6)).await;
        assert_eq!(watch.frame().await, Some(WatchFrame::Started { after: 6 }));
        assert_eq!(watch.revisions(2).await, [8, 10]);
        let done = client
            .ask(StoreRequest::Compact { revision: 9 })
            .await
            .unwrap();
        assert_eq!(done, StoreResponse::Done { revision: 11 });
        client.put("/p/0", b"y").await;
        assert_eq!(watch.revisions(1).await, [12]);
        let done = client.ask(StoreRequest::Progress).await.unwrap();
        assert_eq!(done, StoreResponse::Done { revision: 12 });
        running.stop().await.unwrap();

        let running = site.start(site.config()).await;
        let client = site.client().await;
        let mut late = client.watch(KeyRange::prefix("/p/"), Some(8)).await;
        let compacted = StoreError::Compacted { compacted: 9 };
        assert_eq!(
            late.frame().await,
            Some(WatchFrame::Cancelled(compacted.clone()))
        );
        assert_eq!(late.frame().await, None);
        let at = |revision| RangeRequest {
            revision: Some(revision),
            ..RangeRequest::now(KeyRange::prefix("/p/"))
        };
        assert_eq!(client.range(at(8)).await, Err(compacted));
        assert_eq!(client.range(at(9)).await.unwrap().count, 4);
        assert_eq!(client.range(at(12)).await.unwrap().count, 5);
        running.stop().await.unwrap();
    });
}

#[test]
fn a_watcher_that_does_not_read_is_cancelled_and_costs_nobody_else() {
    on_system(async {
        let site = Site::new();
        let mut config = site.config();
        config.limits.history_revisions = 64;
        config.limits.compaction_step = 16;
        let running = site.start(config).await;
        let client = site.client().await;
        let mut idle = client.watch(KeyRange::prefix("/"), Some(1)).await;
        let mut reader = client.watch(KeyRange::prefix("/"), Some(1)).await;
        let mut expected = 2;
        for _ in 0..40 {
            let puts = (0..16).map(|nth| {
                let client = client.clone();
                tokio::task::spawn_local(async move {
                    client.put(&format!("/k{nth}"), &[0; 16 << 10]).await
                })
            });
            for put in puts.collect::<Vec<_>>() {
                put.await.unwrap();
            }
            let revisions = reader.revisions(16).await;
            assert_eq!(revisions, (expected..expected + 16).collect::<Vec<u64>>());
            expected += 16;
        }
        // What was sent before is whole, and then comes the reason.
        let mut last = 1;
        let reason = loop {
            match idle.frame().await {
                Some(WatchFrame::Events { events, .. }) => {
                    for event in events {
                        assert_eq!(event.revision(), last + 1);
                        last += 1;
                    }
                }
                Some(WatchFrame::Cancelled(error)) => break error,
                Some(_) => {}
                None => panic!("no reason"),
            }
        };
        assert!(
            matches!(reason, StoreError::Behind { compacted } if compacted > last),
            "{reason}"
        );
        running.stop().await.unwrap();
    });
}

#[test]
fn bytes_that_are_no_request_are_refused_and_the_connection_goes_on() {
    on_system(async {
        let site = Site::new();
        let running = site.start(site.config()).await;
        let client = site.client().await;
        let refused = client
            .connection
            .ask(&(255u8, u64::MAX), Vec::new().into(), None)
            .await;
        assert!(refused.is_err(), "{refused:?}");
        // A header that announces more than the body holds, and one with a body that it does not announce.
        let huge = model::messages::store::StoreRequest::Transaction(
            model::messages::store::Transaction {
                compares: vec![],
                success: vec![model::messages::store::Operation::Put {
                    key: "/a".into(),
                    value: model::messages::store::Segment { length: u32::MAX },
                    lease: 0,
                }],
                failure: vec![],
            },
        );
        assert!(
            client
                .connection
                .ask(&huge, vec![0; 8].into(), None)
                .await
                .is_err()
        );
        let status = StoreRequest::<model::messages::store::Segment>::Status;
        assert!(
            client
                .connection
                .ask(&status, vec![0; 8].into(), None)
                .await
                .is_err()
        );
        assert_eq!(client.put("/a", b"1").await, 2);
        running.stop().await.unwrap();
    });
}

#[test]
fn a_second_store_on_the_same_directory_is_refused() {
    on_system(async {
        let site = Site::new();
        let running = site.start(site.config()).await;
        let (_trigger, shutdown) = shell::Shutdown::new();
        let second = plimsoll_store::run(
            site.config(),
            shell::Environment::system(),
            shutdown,
            Box::new(|| panic!("a second store is ready")),
        );
        let error = second.await.unwrap_err().to_string();
        assert!(error.contains("in use by another process"), "{error}");
        running.stop().await.unwrap();
    });
}

/// Whoever connects tries twice at a time, and what the store accepts last may be what nobody speaks over.
#[test]
fn a_connection_that_nobody_speaks_over_silences_none() {
    on_system(async {
        let site = Site::new();
        let running = site.start(site.config()).await;
        let endpoint = site.endpoint(&Identity::apiserver());
        let connect = async || {
            let link = Link::new(
                endpoint.clone(),
                site.address,
                Identity::store(),
                Backoff::default(),
            );
            let live = link.connection().await.expect("a connection");
            Client::new(live.connection, link)
        };
        let one = connect().await;
        assert_eq!(one.create("/a", b"one").await.unwrap(), Some(2));
        let other = connect().await;
        assert_eq!(one.create("/b", b"one").await.unwrap(), Some(3));
        // Once it is spoken over, nothing is heard over the one before, and it ends.
        assert_eq!(other.create("/c", b"other").await.unwrap(), Some(4));
        let reason = one.connection.closed().await;
        assert!(
            matches!(&reason, CloseReason::Peer(said) if said.contains("later connection")),
            "{reason}"
        );
        running.stop().await.unwrap();
    });
}
