//! A pod's life: start, answer, stop, exit codes.

use std::time::{Duration, Instant};

use runtime::cri::{ContainerEvent, ContainerState, Mount, SandboxState, reason};
use runtime::{Error, Runtime};

use crate::node::{Node, echo_config, http_get, words};

#[tokio::test]
#[cfg_attr(not(root), ignore = "needs root")]
async fn a_pod_answers_http_on_its_address_and_stops_on_sigterm() {
    let node = Node::open().await;
    let begun = Instant::now();
    let pod = node.pod("web").await;
    let made = begun.elapsed();
    assert_eq!(pod.state, SandboxState::Ready);
    let [address] = pod.ips[..] else {
        panic!("{pod:?}")
    };
    let id = node.echo(&pod.id, "server", &[]).await;
    eprintln!("sandbox {made:?}, with container {:?}", begun.elapsed());
    let answer = http_get(address, 8080, "/hello?x=1").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(
        answer.contains("pod: web\n") && answer.contains("request: GET /hello?x=1\n"),
        "{answer}"
    );

    let status = node.runtime.container_status(&id).await.expect("status");
    assert_eq!(status.state, ContainerState::Running);
    node.runtime
        .stop_container(&id, Duration::from_secs(30))
        .await
        .expect("stop");
    let status = node.runtime.container_status(&id).await.expect("status");
    assert_eq!(
        (status.state, status.exit_code, status.reason.as_str()),
        (ContainerState::Exited, 0, reason::COMPLETED)
    );
    assert!(status.started_at >= status.created_at && status.finished_at >= status.started_at);
    node.close().await;
}

#[tokio::test]
#[cfg_attr(not(root), ignore = "needs root")]
async fn exit_codes_and_reasons_are_told() {
    let node = Node::open().await;
    let pod = node.pod("codes").await;
    for (name, code, why) in [("zero", 0, reason::COMPLETED), ("seven", 7, reason::ERROR)] {
        let (status, _) = node
            .run(&pod.id, &echo_config(name, &["exit", &code.to_string()]))
            .await;
        assert_eq!((status.exit_code, status.reason.as_str()), (code, why));
    }
    node.close().await;
}

#[tokio::test]
#[cfg_attr(not(root), ignore = "needs root")]
async fn one_who_ignores_sigterm_is_killed_after_the_grace_time_and_a_later_call_shortens_it() {
    let node = Node::open().await;
    let pod = node.pod("stubborn").await;
    let id = node.echo(&pod.id, "patient", &["ignore-term"]).await;
    let begun = Instant::now();
    node.runtime
        .stop_container(&id, Duration::from_millis(300))
        .await
        .expect("stop");
    assert!(
        begun.elapsed() >= Duration::from_millis(300),
        "{:?}",
        begun.elapsed()
    );
    let status = node.runtime.container_status(&id).await.expect("status");
    assert_eq!(
        (status.exit_code, status.reason.as_str()),
        (137, reason::ERROR)
    );

    let id = node.echo(&pod.id, "hurried", &["ignore-term"]).await;
    let begun = Instant::now();
    let (long, short) = (Duration::from_secs(3600), Duration::from_millis(50));
    let (first, second) = tokio::join!(
        node.runtime.stop_container(&id, long),
        node.runtime.stop_container(&id, short)
    );
    first.and(second).expect("both end");
    assert!(
        begun.elapsed() < Duration::from_secs(60),
        "{:?}",
        begun.elapsed()
    );
    node.runtime
        .stop_container(&id, long)
        .await
        .expect("stopping what has ended succeeds");
    node.close().await;
}

#[tokio::test]
#[cfg_attr(not(root), ignore = "needs root")]
async fn a_container_that_cannot_start_says_why() {
    let node = Node::open().await;
    let pod = node.pod("broken").await;
    let cases = [
        (vec!["nothing-there"], "executable file not found in $PATH"),
        (vec!["/nothing"], "no such file or directory"),
        (vec!["/tmp"], "permission denied"),
    ];
    for (number, (command, why)) in cases.into_iter().enumerate() {
        let mut config = echo_config(&format!("c{number}"), &[]);
        config.command = words(&command);
        let id = node
            .runtime
            .create_container(&pod.id, &config)
            .await
            .expect("create");
        let refused = node
            .runtime
            .start_container(&id)
            .await
            .expect_err("it cannot start");
        assert_eq!(refused.reason(), "RunContainerError");
        assert!(refused.to_string().contains(why), "{refused}");
        let status = node.runtime.container_status(&id).await.expect("status");
        let found = (status.state, status.exit_code, status.reason.as_str());
        assert_eq!(found, (ContainerState::Exited, 128, reason::START_ERROR));
        assert!(status.message.contains(why), "{status:?}");
    }
    let mut config = echo_config("nowhere", &[]);
    config.working_dir = "/echo/below".to_owned();
    let id = node.runtime.create_container(&pod.id, &config).await;
    let id = id.expect("create");
    let refused = node.runtime.start_container(&id).await;
    let refused = refused.expect_err("it cannot start").to_string();
    let why = "working directory /echo/below: echo: Not a directory";
    assert!(refused.contains(why), "{refused}");
    let mut config = echo_config("relative", &[]);
    config.working_dir = "not/absolute".to_owned();
    let refused = node
        .runtime
        .create_container(&pod.id, &config)
        .await
        .expect_err("a bad directory");
    assert_eq!(refused.reason(), "CreateContainerConfigError");
    node.close().await;
}

#[tokio::test]
#[cfg_attr(not(root), ignore = "needs root")]
async fn a_working_directory_that_is_missing_is_made() {
    let node = Node::open().await;
    let pod = node.pod("works").await;
    let volume = node.directory.path().join("volume");
    std::fs::create_dir(&volume).expect("a volume");
    for (name, working_dir, readonly_rootfs, tty) in [
        ("root", "/new/deep", false, false),
        ("terminal", "/new/deep", false, true),
        ("fixed", "/new/deep", true, false),
        ("volume", "/data/deep", true, false),
    ] {
        let mut config = echo_config(name, &["ls", "/proc/self/cwd"]);
        config.working_dir = working_dir.to_owned();
        config.security.readonly_rootfs = readonly_rootfs;
        config.tty = tty;
        config.security.run_as_user = Some(1000);
        config.mounts = vec![Mount {
            host_path: volume.clone(),
            container_path: "/data".into(),
            readonly: false,
        }];
        let (status, said) = node.run(&pod.id, &config).await;
        assert_eq!((status.exit_code, said.as_str()), (0, ""), "{name}");
    }
    assert!(volume.join("deep").is_dir());
    node.close().await;
}

#[tokio::test]
#[cfg_attr(not(root), ignore = "needs root")]
async fn what_is_absent_is_told_and_removing_it_succeeds() {
    let node = Node::open().await;
    let pod = node.pod("absent").await;
    let id = node.echo(&pod.id, "main", &["exit", "0"]).await;
    node.ended(&id).await;
    for _ in 0..2 {
        node.runtime.remove_container(&id).await.expect("remove");
    }
    let gone = node.runtime.container_status(&id).await;
    assert!(matches!(gone, Err(Error::NotFound { .. })), "{gone:?}");
    for _ in 0..2 {
        node.runtime.stop_pod_sandbox(&pod.id).await.expect("stop");
    }
    assert_eq!(
        node.runtime
            .pod_sandbox_status(&pod.id)
            .await
            .expect("status")
            .state,
        SandboxState::NotReady
    );
    let refused = node
        .runtime
        .create_container(&pod.id, &echo_config("late", &[]))
        .await;
    assert!(
        matches!(refused, Err(Error::CreateContainer { .. })),
        "{refused:?}"
    );
    for _ in 0..2 {
        node.runtime
            .remove_pod_sandbox(&pod.id)
            .await
            .expect("remove");
    }
    let refused = node
        .runtime
        .create_container(&pod.id, &echo_config("late", &[]))
        .await;
    assert!(
        matches!(refused, Err(Error::NotFound { .. })),
        "{refused:?}"
    );
    node.close().await;
}

#[tokio::test]
#[cfg_attr(not(root), ignore = "needs root")]
async fn events_tell_a_containers_life_in_order() {
    let node = Node::open().await;
    let mut events = node.runtime.events();
    let pod = node.pod("events").await;
    let id = node.echo(&pod.id, "main", &[]).await;
    // Before it listens it has no handler, and the first process of a pid namespace ignores SIGTERM then.
    http_get(pod.ips[0], 8080, "/").await;
    node.runtime
        .stop_container(&id, Duration::from_secs(30))
        .await
        .expect("stop");
    node.runtime.remove_container(&id).await.expect("remove");
    node.runtime.stop_pod_sandbox(&pod.id).await.expect("stop");
    let mut seen = Vec::new();
    while seen.len() < 5 {
        seen.push(match events.next().await.expect("an event") {
            ContainerEvent::Created(status) => format!("created {:?}", status.state),
            ContainerEvent::Started(status) => format!("started {:?}", status.state),
            ContainerEvent::Stopped(status) => {
                format!("stopped {:?} {}", status.state, status.exit_code)
            }
            ContainerEvent::Deleted { id: gone, .. } => format!("deleted {}", gone == id),
            ContainerEvent::SandboxStopped(status) => format!("sandbox {:?}", status.state),
        });
    }
    let expected = [
        "created Created",
        "started Running",
        "stopped Exited 0",
        "deleted true",
        "sandbox NotReady",
    ];
    assert_eq!(seen, expected);
    node.close().await;
}

#[tokio::test]
#[cfg_attr(not(root), ignore = "needs root")]
async fn many_pods_start_at_once() {
    const PODS: usize = 20;
    let node = Node::open().await;
    let begun = Instant::now();
    let start = async |number: usize| {
        let pod = node.pod(&format!("many-{number}")).await;
        node.echo(&pod.id, "main", &[]).await;
        pod.ips[0]
    };
    let addresses = futures_util::future::join_all((0..PODS).map(start)).await;
    let took = begun.elapsed();
    let different: std::collections::BTreeSet<_> = addresses.iter().collect();
    assert_eq!(different.len(), PODS);
    eprintln!("{PODS} pods in {took:?}");
    http_get(addresses[PODS - 1], 8080, "/").await;
    node.close().await;
}
