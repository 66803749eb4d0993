//! The store over a real etcd, from outside: the same messages, the same answers.

mod requests;
mod versions;

use std::rc::Rc;
use std::time::Duration;

use model::messages::store::{
    Compare, KeyRange, Operand, RangeRequest, Relation, StoreError, StoreRequest, StoreResponse,
    Transaction, WatchFrame,
};
use model::objects::bytes::Bytes;
use plimsoll_store::etcd::{Etcd, WatchEnd};
use plimsoll_store::{Config, Engine};
use tokio::sync::watch;

use crate::client::{Client, Watch, put};
use crate::etcd_server::EtcdServer;
use crate::site::Site;
use requests::{requests, without_revisions};

fn on_system(test: impl Future<Output = ()>) {
    shell::run(test).expect("a runtime");
}

fn over(site: &Site, etcd: &EtcdServer) -> Config {
    Config {
        engine: format!("etcd={}", etcd.url()).parse().expect("an engine"),
        ..site.config()
    }
}

/// A client of the same etcd that is no store.
fn direct(etcd: &EtcdServer, prefix: &str) -> Etcd {
    let Ok(Engine::Etcd(address)) = format!("etcd={}{prefix}", etcd.url()).parse() else {
        panic!("an engine")
    };
    Etcd::new(&address, Default::default()).expect("a client")
}

fn write(key: &str, value: &[u8]) -> StoreRequest<Bytes> {
    StoreRequest::Transaction(Transaction {
        compares: vec![],
        success: vec![put(key, value)],
        failure: vec![],
    })
}

/// The keys and revisions of so many events, and the revisions of the frames they came in.
async fn events(watch: &mut Watch, count: usize) -> Vec<(String, u64)> {
    let mut events = Vec::new();
    while events.len() < count {
        match watch.frame().await.expect("a watch that goes on") {
            WatchFrame::Events { events: some, .. } => events.extend(
                some.iter()
                    .map(|event| (event.key().to_string(), event.revision())),
            ),
            WatchFrame::Started { .. } | WatchFrame::Progress { .. } => {}
            WatchFrame::Cancelled(error) => panic!("{error}"),
        }
    }
    events
}

#[test]
#[cfg_attr(not(etcd), ignore = "needs etcd")]
fn requests_mean_what_they_mean_to_the_embedded_engine() {
    let etcd = EtcdServer::start();
    on_system(async {
        let (site, other) = (Site::new(), Site::new());
        let over_etcd = site.start(over(&site, &etcd)).await;
        let embedded = other.start(other.config()).await;
        let (one, two) = (site.client().await, other.client().await);
        for request in requests() {
            let told = |answer| format!("{:?}", without_revisions(answer));
            let ours = told(two.ask(request.clone()).await.expect("an answer"));
            let theirs = told(one.ask(request.clone()).await.expect("an answer"));
            assert_eq!(theirs, ours, "{request:?}");
        }
        over_etcd.stop().await.expect("it ends well");
        embedded.stop().await.expect("it ends well");
    });
}

#[test]
#[cfg_attr(not(etcd), ignore = "needs etcd")]
fn a_shared_etcd_is_not_disturbed_and_does_not_disturb() {
    let etcd = EtcdServer::start();
    on_system(async {
        let site = Site::new();
        let running = site.start(over(&site, &etcd)).await;
        let client = site.client().await;
        let neighbour = direct(&etcd, "/neighbour");
        let first = client.put("/p/0", b"x").await;
        let mut watch = client.watch(KeyRange::prefix("/p/"), Some(first)).await;
        for _ in 0..5 {
            let theirs = neighbour.ask(&write("/p/0", b"theirs")).await;
            assert!(
                matches!(theirs, Ok(StoreResponse::Transaction { .. })),
                "{theirs:?}"
            );
        }
        let second = client.put("/p/1", b"x").await;
        assert_eq!(second, first + 6);
        assert_eq!(events(&mut watch, 1).await, [("/p/1".to_owned(), second)]);
        assert_eq!(client.all("/").await.len(), 2);

        // The newest revision is the neighbour's: no event of ours tells that it was reached, so a mark does.
        let theirs = neighbour
            .ask(&write("/p/2", b"theirs"))
            .await
            .expect("an answer");
        let newest = theirs.revision().expect("a revision");
        let asked = client.ask(StoreRequest::Progress).await.expect("an answer");
        assert_eq!(asked, StoreResponse::Done { revision: newest });
        loop {
            match watch.frame().await.expect("a watch that goes on") {
                WatchFrame::Progress { revision } if revision >= newest => break,
                WatchFrame::Progress { .. } => {}
                other => panic!("{other:?}"),
            }
        }
        running.stop().await.expect("it ends well");
        let theirs = neighbour
            .ask(&StoreRequest::Range(RangeRequest::now(KeyRange::prefix(
                "",
            ))))
            .await;
        let Ok(StoreResponse::Range(theirs)) = theirs else {
            panic!("{theirs:?}")
        };
        assert_eq!(theirs.count, 2);
    });
}

#[test]
#[cfg_attr(not(etcd), ignore = "needs etcd")]
fn watches_resume_over_a_restart_and_end_with_compaction() {
    let etcd = EtcdServer::start();
    on_system(async {
        let site = Site::new();
        let running = site.start(over(&site, &etcd)).await;
        let client = site.client().await;
        let mut revisions = Vec::new();
        for n in 0..6 {
            revisions.push(client.put(&format!("/p/{}", n % 2), b"x").await);
        }
        running.stop().await.expect("it ends well");

        let running = site.start(over(&site, &etcd)).await;
        let client = site.client().await;
        let mut watch = client
            .watch(KeyRange::prefix("/p/"), Some(revisions[2]))
            .await;
        let rest: Vec<u64> = events(&mut watch, 3)
            .await
            .into_iter()
            .map(|(_, at)| at)
            .collect();
        assert_eq!(rest, revisions[3..]);
        let ahead = client
            .watch(KeyRange::prefix("/p/"), Some(1 << 40))
            .await
            .frame()
            .await;
        assert!(
            matches!(
                ahead,
                Some(WatchFrame::Cancelled(StoreError::FutureRevision { .. }))
            ),
            "{ahead:?}"
        );
        let done = client
            .ask(StoreRequest::Compact {
                revision: revisions[4],
            })
            .await;
        assert!(matches!(done, Ok(StoreResponse::Done { .. })), "{done:?}");
        let old = client
            .range(RangeRequest {
                revision: Some(revisions[1]),
                ..RangeRequest::now(KeyRange::prefix("/"))
            })
            .await;
        assert!(matches!(old, Err(StoreError::Compacted { .. })), "{old:?}");
        running.stop().await.expect("it ends well");

        let running = site.start(over(&site, &etcd)).await;
        let client = site.client().await;
        let refused = client
            .watch(KeyRange::prefix("/p/"), Some(revisions[2]))
            .await
            .frame()
            .await;
        assert_eq!(
            refused,
            Some(WatchFrame::Cancelled(StoreError::Compacted {
                compacted: revisions[4]
            }))
        );
        let mut late = client
            .watch(KeyRange::prefix("/p/"), Some(revisions[4]))
            .await;
        assert_eq!(
            events(&mut late, 1).await,
            [("/p/1".to_owned(), revisions[5])]
        );
        running.stop().await.expect("it ends well");
    });
}

#[test]
#[cfg_attr(not(etcd), ignore = "needs etcd")]
fn an_etcd_that_goes_away_is_told_of_and_gone_on_with() {
    let mut etcd = EtcdServer::start();
    on_system(async {
        let site = Site::new();
        let running = site.start(over(&site, &etcd)).await;
        let client = site.client().await;
        let first = client.put("/p/0", b"x").await;
        let mut watch = client.watch(KeyRange::prefix("/p/"), Some(first)).await;
        assert!(matches!(
            watch.frame().await,
            Some(WatchFrame::Started { .. })
        ));
        etcd.kill();
        let told = watch.frame().await;
        let Some(WatchFrame::Cancelled(StoreError::Unavailable { reason })) = &told else {
            panic!("{told:?}")
        };
        assert!(reason.contains(&etcd.url()), "{reason}");
        // What is asked now waits until it is back.
        let mut waiting = tokio::task::spawn_local({
            let client = client.clone();
            async move { client.create("/p/1", b"y").await }
        });
        tokio::time::timeout(Duration::from_millis(300), &mut waiting)
            .await
            .expect_err("it waits");
        etcd.start_again();
        let second = waiting
            .await
            .expect("no panic")
            .expect("an answer")
            .expect("created");
        let mut watch = client.watch(KeyRange::prefix("/p/"), Some(first)).await;
        assert_eq!(events(&mut watch, 1).await, [("/p/1".to_owned(), second)]);

        // Away for good: refused with the reason, not left to wait.
        etcd.kill();
        let refused = loop {
            match client.range(RangeRequest::now(KeyRange::prefix("/"))).await {
                Err(error) => break error,
                Ok(_) => continue,
            }
        };
        let StoreError::Unavailable { reason } = &refused else {
            panic!("{refused:?}")
        };
        assert!(!reason.is_empty());
        running.stop().await.expect("it ends well");
    });
}

/// Many writers compare and swap one counter while etcd is killed again and again: an answer of success is one step of
/// the counter, an unknown outcome none or one, a refusal none.
#[test]
#[cfg_attr(not(etcd), ignore = "needs etcd")]
fn an_outcome_that_nobody_knows_is_never_called_refused() {
    let mut etcd = EtcdServer::start();
    on_system(async {
        let site = Site::new();
        let running = site.start(over(&site, &etcd)).await;
        let client = site.client().await;
        client.put("/counter", b"0").await;
        let (steps, mut counting) = watch::channel(0);
        let steps = Rc::new(steps);
        let writers: Vec<_> = (0..8)
            .map(|_| tokio::task::spawn_local(count(client.clone(), steps.clone())))
            .collect();
        for kill in 1..=3 {
            let some = |steps: &u64| *steps >= 30 * kill;
            counting.wait_for(some).await.expect("writers count");
            etcd.kill();
            etcd.start_again();
        }
        let (mut done, mut unknown) = (0, 0);
        for writer in writers {
            let (its_done, its_unknown) = writer.await.expect("no panic");
            (done, unknown) = (done + its_done, unknown + its_unknown);
        }
        let counted = loop {
            let range = RangeRequest::now(KeyRange::one("/counter"));
            if let Ok(found) = client.range(range).await {
                break number(found.items[0].value.as_deref());
            }
        };
        assert!(done > 20, "only {done} steps");
        assert!(
            (done..=done + unknown).contains(&counted),
            "{counted} steps, {done} acknowledged, {unknown} unknown"
        );
        running.stop().await.expect("it ends well");
    });
}

fn number(value: Option<&[u8]>) -> u64 {
    let text = value.and_then(|value| std::str::from_utf8(value).ok());
    text.and_then(|text| text.parse().ok()).expect("a number")
}

/// Counts 25 times, and tells each; how often it did, and how often nobody knows.
async fn count(client: Client, steps: Rc<watch::Sender<u64>>) -> (u64, u64) {
    let (mut done, mut unknown) = (0, 0);
    while done + unknown < 25 {
        let range = RangeRequest::now(KeyRange::one("/counter"));
        let Ok(found) = client.range(range).await else {
            continue;
        };
        let at = &found.items[0];
        let next = number(at.value.as_deref()) + 1;
        let swap = StoreRequest::Transaction(Transaction {
            compares: vec![Compare {
                key: "/counter".into(),
                operand: Operand::ModRevision(at.mod_revision),
                relation: Relation::Equal,
            }],
            success: vec![put("/counter", next.to_string().as_bytes())],
            failure: vec![],
        });
        match client.ask(swap).await.expect("an answer") {
            StoreResponse::Transaction { succeeded, .. } => {
                done += u64::from(succeeded);
                steps.send_modify(|steps| *steps += u64::from(succeeded));
            }
            StoreResponse::Failed(StoreError::Unknown { .. }) => unknown += 1,
            StoreResponse::Failed(StoreError::Unavailable { .. }) => {}
            other => panic!("{other:?}"),
        }
    }
    (done, unknown)
}

#[test]
#[cfg_attr(not(etcd), ignore = "needs etcd")]
fn etcd_s_own_watches_come_in_whole_revisions() {
    let etcd = EtcdServer::start();
    on_system(async {
        let client = direct(&etcd, "/own");
        let large = vec![7; 600 << 10];
        let transaction = |n: usize| {
            StoreRequest::Transaction(Transaction {
                compares: vec![],
                success: vec![
                    put("/a", &large),
                    put(&format!("/{n}"), b"small"),
                    put("/b", &large),
                ],
                failure: vec![],
            })
        };
        for n in 0..8 {
            let answer = client.ask(&transaction(n)).await.expect("an answer");
            assert!(
                matches!(answer, StoreResponse::Transaction { .. }),
                "{answer:?}"
            );
        }
        // Fragments split these revisions on the wire; here they are whole.
        let mut watch = client
            .watch(&KeyRange::prefix("/"), 1, true)
            .await
            .expect("a watch");
        let mut revisions = Vec::new();
        while revisions.len() < 24 {
            let batch = watch.next().await.expect("events");
            let ones: Vec<u64> = batch.events.iter().map(|event| event.revision()).collect();
            assert_eq!(ones.last(), Some(&batch.revision));
            assert_eq!(ones.len() % 3, 0, "{ones:?}");
            revisions.extend(ones);
        }
        let expected: Vec<u64> = (0..24).map(|n| revisions[0] + n / 3).collect();
        assert_eq!(revisions, expected);
        let compacted = StoreRequest::Compact {
            revision: revisions[12],
        };
        client.ask(&compacted).await.expect("an answer");
        let mut late = client
            .watch(&KeyRange::prefix("/"), 1, true)
            .await
            .expect("a watch");
        assert_eq!(
            late.next().await,
            Err(WatchEnd::Compacted {
                compacted: revisions[12]
            })
        );
    });
}

#[test]
fn an_address_says_what_is_wrong_with_it() {
    let check = |text: &str, words: &str| {
        let error = text.parse::<Engine>().expect_err(text).to_string();
        assert!(error.contains(words), "{text}: {error}");
    };
    check("redis", "embedded");
    check("etcd=https://127.0.0.1:2379", "TLS");
    check("etcd=http://user:word@127.0.0.1:2379", "users");
    check("etcd=127.0.0.1:2379", "not a URL");
    check("etcd=http://one:2379/a,http://two:2379/b", "one prefix");
    for text in [
        "embedded",
        "etcd=http://127.0.0.1:2379",
        "etcd=http://one:2379/mine,http://two:2379/mine",
    ] {
        let engine: Engine = text.parse().expect("an engine");
        assert_eq!(engine.to_string(), text);
    }
}

#[test]
fn a_store_without_its_etcd_does_not_start_and_says_why() {
    on_system(async {
        let site = Site::new();
        let nobody = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let url = format!("http://{}", nobody.local_addr().expect("its address"));
        drop(nobody);
        let config = Config {
            engine: format!("etcd={url}").parse().expect("an engine"),
            ..site.config()
        };
        let (_trigger, shutdown) = shell::Shutdown::new();
        let run = plimsoll_store::run(
            config,
            shell::Environment::system(),
            shutdown,
            Box::new(|| panic!("a store without keys is ready")),
        );
        let error = run.await.expect_err("no etcd").to_string();
        assert!(error.contains(&url), "{error}");
        assert!(error.contains("refused"), "{error}");
    });
}
