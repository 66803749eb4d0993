//! A pod's life: start, answer, stop, exit codes.

use std::time::{Duration, Instant};

use runtime::Runtime;
use runtime::cri::{ContainerState, SandboxState, reason};

use crate::node::{Node, echo_config, http_get};

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
