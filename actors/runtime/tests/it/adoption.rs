//! A pod outlives its kubelet, and its kubelet learns what it missed.

use std::fs;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use runtime::cri::{ContainerEvent, ContainerState, SandboxState, reason};
use runtime::{EmbeddedRuntime, Runtime};

use crate::node::{Node, PATIENCE, echo_config, http_get, processes_of};

#[tokio::test]
#[cfg_attr(not(root), ignore = "needs root")]
async fn a_pod_goes_on_without_its_runtime_and_is_adopted() {
    let node = Node::open().await;
    let pod = node.pod("stays").await;
    let id = node.echo(&pod.id, "main", &[]).await;
    let before = node.runtime.container_status(&id).await.expect("status");
    let shims = processes_of(&node.options().root);
    let node = node.reopen().await;
    let after = node.runtime.container_status(&id).await.expect("status");
    assert_eq!(after, before, "the very same process");
    assert_eq!(processes_of(&node.options().root), shims);
    assert_eq!(
        node.runtime.list_pod_sandboxes().await.expect("list"),
        std::slice::from_ref(&pod)
    );
    http_get(pod.ips[0], 8080, "/").await;
    // It can be worked with as before.
    assert_eq!(node.exec(&id, &["/echo", "exit", "4"]).await.code, 4);
    node.runtime
        .stop_container(&id, Duration::from_secs(30))
        .await
        .expect("stop");
    assert_eq!(
        node.runtime
            .container_status(&id)
            .await
            .expect("status")
            .exit_code,
        0
    );
    node.close().await;
}

#[tokio::test]
#[cfg_attr(not(root), ignore = "needs root")]
async fn an_end_while_the_runtime_is_away_is_known_afterwards() {
    let node = Node::open().await;
    let pod = node.pod("missed").await;
    let mut config = echo_config("main", &["sleep", "1000"]);
    config.log_path = Default::default();
    let id = node.start(&pod.id, &config).await;
    let created = node
        .runtime
        .create_container(&pod.id, &echo_config("later", &["exit", "0"]))
        .await
        .expect("create");
    let running = node.runtime.container_status(&id).await.expect("status");
    let options = node.options();
    let Node {
        directory, runtime, ..
    } = node;
    drop(runtime);
    let pid = Pid::from_raw(i32::try_from(running.pid.expect("a process")).expect("a process id"));
    kill(pid, Signal::SIGKILL).expect("kill");
    let state = options
        .root
        .join(format!("pods/{}/containers/main_0/state.json", pod.id));
    let noted = || {
        fs::read_to_string(&state)
            .expect("state")
            .contains("Exited")
    };
    let asked = std::time::Instant::now();
    while !noted() {
        assert!(
            asked.elapsed() < PATIENCE,
            "the shim writes the end down by itself"
        );
        tokio::task::yield_now().await;
    }
    let runtime = EmbeddedRuntime::open(options).await.expect("open again");
    let status = runtime.container_status(&id).await.expect("status");
    assert_eq!(
        (status.state, status.exit_code, status.reason.as_str()),
        (ContainerState::Exited, 137, reason::ERROR)
    );
    assert_eq!(status.started_at, running.started_at);
    assert_eq!(
        runtime
            .container_status(&created)
            .await
            .expect("status")
            .state,
        ContainerState::Created
    );
    runtime
        .start_container(&created)
        .await
        .expect("a container created before is started after");
    runtime.remove_pod_sandbox(&pod.id).await.expect("remove");
    runtime.close().await.expect("close");
    drop(directory);
}

#[tokio::test]
#[cfg_attr(not(root), ignore = "needs root")]
async fn a_pod_whose_shim_dies_is_taken_down_whole() {
    for away in [false, true] {
        let node = Node::open().await;
        let pod = node.pod("orphan").await;
        let id = node.echo(&pod.id, "main", &[]).await;
        let pid = node
            .runtime
            .container_status(&id)
            .await
            .expect("status")
            .pid
            .expect("a process");
        let mut events = node.runtime.events();
        let shim = processes_of(&node.options().root)
            .first()
            .copied()
            .expect("a shim");
        let shoot = || {
            kill(
                Pid::from_raw(i32::try_from(shim).expect("a process id")),
                Signal::SIGKILL,
            )
            .expect("kill")
        };
        let node = if away {
            shoot();
            node.reopen().await
        } else {
            shoot();
            let told = tokio::time::timeout(PATIENCE, async {
                loop {
                    if let ContainerEvent::SandboxStopped(status) =
                        events.next().await.expect("an event")
                    {
                        return status;
                    }
                }
            });
            assert_eq!(told.await.expect("in time").id, pod.id);
            node
        };
        let status = node
            .runtime
            .pod_sandbox_status(&pod.id)
            .await
            .expect("status");
        assert_eq!(
            (status.state, status.ips.len()),
            (SandboxState::NotReady, 0),
            "away: {away}"
        );
        let status = node.runtime.container_status(&id).await.expect("status");
        assert_eq!(
            (status.state, status.reason.as_str()),
            (ContainerState::Exited, reason::UNKNOWN)
        );
        // A zombie, which init has not taken away yet, has no command line.
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        assert!(
            !line.starts_with(b"/echo"),
            "the container's process is left, away: {away}"
        );
        // Its next attempt is another sandbox.
        let mut config = node.pod_config("orphan");
        config.attempt = 1;
        let next = node
            .runtime
            .run_pod_sandbox(&config)
            .await
            .expect("a sandbox");
        assert_eq!(next.state, SandboxState::Ready);
        node.close().await;
    }
}

#[tokio::test]
#[cfg_attr(not(root), ignore = "needs root")]
async fn half_made_sandboxes_are_cleared_away() {
    let node = Node::open().await;
    let pod = node.pod("half").await;
    node.echo(&pod.id, "main", &[]).await;
    let root = node.options().root;
    let record = root.join(format!("pods/{}/sandbox.json", pod.id));
    let text = fs::read_to_string(&record).expect("the record");
    fs::write(&record, text.replace("\"Ready\"", "\"Preparing\"")).expect("write");
    fs::create_dir_all(root.join("pods/nothing_0")).expect("an empty one");
    fs::write(root.join("network/addresses/10.1.2.3"), "nobody_0").expect("a lost address");
    let node = node.reopen().await;
    assert_eq!(node.runtime.list_pod_sandboxes().await.expect("list"), []);
    node.close().await;
}

#[tokio::test]
#[cfg_attr(not(root), ignore = "needs root")]
async fn a_second_runtime_on_the_same_directory_is_refused() {
    let node = Node::open().await;
    let refused = EmbeddedRuntime::open(node.options())
        .await
        .err()
        .expect("it is in use")
        .to_string();
    assert!(refused.contains("in use by another kubelet"), "{refused}");
    node.close().await;
}
