//! Pods from their binding to their end.

use std::time::{Duration, Instant};

use model::messages::node::{ExecRequest, FromNode, LogsRequest, NodeRequest, ToNode};
use model::objects::kinds;
use serde_json::{Value, json};

use crate::api::Api;
use crate::node::{Node, run};

fn phase(pod: Option<&Value>) -> &str {
    pod.and_then(|pod| pod["status"]["phase"].as_str())
        .unwrap_or("")
}

fn echo(args: &[&str]) -> Value {
    json!({"name": "web", "image": "plimsoll/echo", "imagePullPolicy": "Always", "args": args})
}

/// Reads a stream to its end: what came on standard output, how it ended.
async fn output(mut stream: transport::Stream) -> (String, FromNode) {
    let mut text = String::new();
    while let Some(message) = stream.recv().await.expect("a stream") {
        match message.decode::<FromNode>().expect("a frame") {
            FromNode::Started => {}
            FromNode::Stdout | FromNode::Stderr => text += &String::from_utf8_lossy(&message.body),
            end => return (text, end),
        }
    }
    panic!("the stream has no end; it said {text}");
}

#[test]
#[cfg_attr(not(root), ignore = "needs root")]
fn a_pod_runs_is_read_entered_adopted_and_deleted() {
    run(async {
        let api = Api::start();
        let node = Node::start(&api).await;
        let registered = api
            .becomes("/registry/core/nodes/node-1", |node| node.is_some())
            .await;
        assert_eq!(registered["status"]["capacity"]["cpu"], "4");
        let lease = "/registry/coordination.k8s.io/leases/kube-node-lease/node-1";
        api.becomes(lease, |lease| lease.is_some()).await;

        // Running within a second of its binding.
        let bound = Instant::now();
        let uid = api.bind_pod("node-1", "hello", json!({"containers": [echo(&[])]}));
        let pod = api
            .pod_becomes("hello", |pod| phase(pod) == "Running")
            .await;
        assert!(
            bound.elapsed() < Duration::from_secs(1),
            "{:?}",
            bound.elapsed()
        );
        let status = &pod["status"];
        assert_eq!(status["containerStatuses"][0]["ready"], true);
        assert!(
            status["podIP"]
                .as_str()
                .is_some_and(|ip| ip.starts_with("10."))
        );
        let id = status["containerStatuses"][0]["containerID"].clone();
        assert!(id.as_str().is_some_and(|id| id.contains("://")));

        // Logs and exec over the kubelet's connection.
        let exec = |command: &[&str], stdin: bool| {
            NodeRequest::Exec(ExecRequest {
                namespace: "default".to_owned(),
                pod: "hello".to_owned(),
                uid: uid.clone(),
                container: "web".to_owned(),
                command: command.iter().map(|word| (*word).to_owned()).collect(),
                stdin,
                stdout: true,
                stderr: true,
                tty: false,
            })
        };
        let (text, end) = output(api.open(&exec(&["/echo", "env"], false)).await).await;
        assert!(text.contains("HOSTNAME=hello"), "{text}");
        assert_eq!(end, FromNode::Finished { exit_code: 0 });
        let (_, end) = output(api.open(&exec(&["/echo", "exit", "7"], false)).await).await;
        assert_eq!(end, FromNode::Finished { exit_code: 7 });
        let (_, end) = output(api.open(&exec(&["/none"], false)).await).await;
        assert!(
            !matches!(end, FromNode::Finished { exit_code: 0 }),
            "{end:?}"
        );

        // Another kubelet takes the running container over as it is.
        let node = node.restart().await;
        let pod = api.pod("hello").expect("the pod");
        assert_eq!(pod["status"]["containerStatuses"][0]["containerID"], id);
        assert_eq!(pod["status"]["containerStatuses"][0]["restartCount"], 0);

        api.delete_pod("hello", 5);
        api.pod_becomes("hello", |pod| pod.is_none()).await;
        assert!(!node.root().join("pods").join(&uid).exists());
        node.stop().await;
    });
}

#[test]
#[cfg_attr(not(root), ignore = "needs root")]
fn environment_volumes_and_logs() {
    run(async {
        let api = Api::start();
        let node = Node::start(&api).await;
        let map = json!({"metadata": {"name": "settings"}, "data": {"colour": "blue"}});
        let spec = json!({
            "restartPolicy": "Never",
            "containers": [{
                "name": "web", "image": "plimsoll/echo", "imagePullPolicy": "IfNotPresent",
                "args": ["env"],
                "env": [
                    {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                    {"name": "COLOUR", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "colour"}}},
                    {"name": "BOTH", "value": "$(POD) is $(COLOUR)"},
                ],
                "volumeMounts": [{"name": "files", "mountPath": "/files"}],
            }],
            "volumes": [{"name": "files", "configMap": {"name": "settings"}}],
        });
        let uid = api.bind_pod("node-1", "once", spec);
        // Nothing starts before its config map is there.
        let waits = |pod: Option<&Value>| phase(pod) == "Pending";
        api.pod_becomes("once", waits).await;
        api.put(kinds::configmaps(), "default", map);
        let pod = api
            .pod_becomes("once", |pod| phase(pod) == "Succeeded")
            .await;
        let ended = &pod["status"]["containerStatuses"][0]["state"]["terminated"];
        assert_eq!(
            (&ended["exitCode"], &ended["reason"]),
            (&json!(0), &json!("Completed"))
        );
        let logs = NodeRequest::Logs(LogsRequest {
            namespace: "default".to_owned(),
            pod: "once".to_owned(),
            uid,
            container: "web".to_owned(),
            follow: true,
            ..LogsRequest::default()
        });
        let (text, end) = output(api.open(&logs).await).await;
        assert!(text.contains("BOTH=once is blue\n"), "{text}");
        assert_eq!(end, FromNode::Finished { exit_code: 0 });
        api.delete_pod("once", 1);
        api.pod_becomes("once", |pod| pod.is_none()).await;
        node.stop().await;
    });
}

/// What a command in the container `web` of a pod says.
async fn said(api: &Api, pod: &str, uid: &str, command: &[&str]) -> String {
    let request = NodeRequest::Exec(ExecRequest {
        namespace: "default".to_owned(),
        pod: pod.to_owned(),
        uid: uid.to_owned(),
        container: "web".to_owned(),
        command: command.iter().map(|word| (*word).to_owned()).collect(),
        stdin: false,
        stdout: true,
        stderr: true,
        tty: false,
    });
    output(api.open(&request).await).await.0
}

#[test]
#[cfg_attr(not(root), ignore = "needs root")]
fn volumes_in_memory_and_files_that_follow_their_objects() {
    run(async {
        let api = Api::start();
        let node = Node::start(&api).await;
        let map = json!({"metadata": {"name": "settings"}, "data": {"colour": "blue"}});
        api.put(kinds::configmaps(), "default", map);
        let spec = json!({
            "containers": [{
                "name": "web", "image": "plimsoll/echo", "imagePullPolicy": "IfNotPresent",
                "volumeMounts": [
                    {"name": "files", "mountPath": "/files"},
                    {"name": "files", "mountPath": "/fixed", "subPath": "colour"},
                    {"name": "memory", "mountPath": "/memory"},
                ],
            }],
            "volumes": [
                {"name": "files", "configMap": {"name": "settings"}},
                {"name": "memory", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
            ],
        });
        let uid = api.bind_pod("node-1", "holds", spec);
        api.pod_becomes("holds", |pod| phase(pod) == "Running")
            .await;

        let mounts = said(&api, "holds", &uid, &["/echo", "cat", "/proc/mounts"]).await;
        let memory = mounts.lines().find(|line| line.contains(" /memory "));
        let memory = memory.expect("the volume is mounted");
        assert!(
            memory.contains(" tmpfs ") && memory.contains("size=1024k"),
            "{memory}"
        );
        said(
            &api,
            "holds",
            &uid,
            &["/echo", "write", "/memory/kept", "here"],
        )
        .await;

        // The files follow the object; the subPath keeps the file that it was given.
        let colour = ["/echo", "cat", "/files/colour"];
        assert_eq!(said(&api, "holds", &uid, &colour).await.trim(), "blue");
        api.set_data("settings", json!({"colour": "green"}));
        let changed = Instant::now();
        while said(&api, "holds", &uid, &colour).await.trim() != "green" {
            assert!(
                changed.elapsed() < Duration::from_secs(10),
                "the file does not follow"
            );
        }
        let fixed = said(&api, "holds", &uid, &["/echo", "cat", "/fixed"]).await;
        assert_eq!(fixed.trim(), "blue");

        // Another kubelet leaves the memory as it is, and goes on following.
        let node = node.restart().await;
        let kept = said(&api, "holds", &uid, &["/echo", "cat", "/memory/kept"]).await;
        assert_eq!(kept.trim(), "here");
        api.set_data("settings", json!({"colour": "red"}));
        let changed = Instant::now();
        while said(&api, "holds", &uid, &colour).await.trim() != "red" {
            assert!(
                changed.elapsed() < Duration::from_secs(10),
                "the file does not follow"
            );
        }
        node.stop().await;
    });
}

#[test]
#[cfg_attr(not(root), ignore = "needs root")]
fn a_large_log_is_put_aside_and_followed() {
    run(async {
        let api = Api::start();
        let node = Node::start(&api).await;
        // More than 10 MiB at a third of its time, so that one of the looks, every 10 s, finds it large and alive.
        let many = echo(&["lines", "2000", "--width", "15000", "--interval", "8"]);
        let spec = json!({"restartPolicy": "Never", "containers": [many]});
        let uid = api.bind_pod("node-1", "talks", spec);
        api.pod_becomes("talks", |pod| phase(pod) == "Running")
            .await;
        let logs = NodeRequest::Logs(LogsRequest {
            namespace: "default".to_owned(),
            pod: "talks".to_owned(),
            uid: uid.clone(),
            container: "web".to_owned(),
            follow: true,
            ..LogsRequest::default()
        });
        let (text, _) = output(api.open(&logs).await).await;
        let numbers: Vec<&str> = text
            .lines()
            .filter_map(|line| line.split_once('x'))
            .map(|(number, _)| number)
            .collect();
        let expected: Vec<String> = (1..=2000).map(|number| format!("line {number}")).collect();
        assert_eq!(numbers, expected, "no line is lost or doubled");
        let directory = node.root().join(format!("logs/default_talks_{uid}/web"));
        let files = || {
            let files = std::fs::read_dir(&directory)
                .into_iter()
                .flatten()
                .flatten();
            files
                .map(|file| file.file_name().into_string().unwrap_or_default())
                .collect::<Vec<_>>()
        };
        assert!(
            files().iter().any(|name| name.starts_with("0.log.")),
            "{:?}",
            files()
        );
        api.delete_pod("talks", 1);
        api.pod_becomes("talks", |pod| pod.is_none()).await;
        assert_eq!(files(), Vec::<String>::new());
        node.stop().await;
    });
}

#[test]
#[cfg_attr(not(root), ignore = "needs root")]
fn crashes_restart_and_a_whole_stop_leaves_nothing() {
    run(async {
        let api = Api::start();
        let node = Node::start(&api).await;
        api.bind_pod(
            "node-1",
            "crash",
            json!({"containers": [echo(&["exit", "3"])]}),
        );
        api.bind_pod("node-1", "stays", json!({"containers": [echo(&[])]}));
        let none = json!({"name": "web", "image": "example.org/none:1", "imagePullPolicy": "IfNotPresent"});
        let missing = api.bind_pod("node-1", "missing", json!({"containers": [none]}));
        let reason = |pod: Option<&Value>| {
            let waiting = pod.map(|pod| &pod["status"]["containerStatuses"][0]["state"]["waiting"]);
            waiting
                .and_then(|waiting| waiting["reason"].as_str())
                .unwrap_or("")
                .to_owned()
        };
        let crash = api
            .pod_becomes("crash", |pod| reason(pod) == "CrashLoopBackOff")
            .await;
        let status = &crash["status"]["containerStatuses"][0];
        assert_eq!(status["restartCount"], 1);
        assert_eq!(status["lastState"]["terminated"]["exitCode"], 3);
        api.pod_becomes("missing", |pod| reason(pod) == "ImagePullBackOff")
            .await;
        let logs = NodeRequest::Logs(LogsRequest {
            namespace: "default".to_owned(),
            pod: "missing".to_owned(),
            uid: missing,
            container: "web".to_owned(),
            ..LogsRequest::default()
        });
        let (_, end) = output(api.open(&logs).await).await;
        let FromNode::Failed(refused) = end else {
            panic!("{end:?}")
        };
        // The status may say either: pulls go on.
        let words = [
            "waiting to start: trying and failing to pull image",
            "waiting to start: image can't be pulled",
        ];
        assert!(
            words.iter().any(|words| refused.message.ends_with(words)),
            "{refused:?}"
        );
        api.pod_becomes("stays", |pod| phase(pod) == "Running")
            .await;
        node.stop().await;
        assert_eq!(
            phase(api.pod("stays").as_ref()),
            "Running",
            "the objects stay as they were"
        );
    });
}

#[test]
#[cfg_attr(not(root), ignore = "needs root")]
fn a_name_runs_once_at_a_time() {
    run(async {
        let api = Api::start();
        let node = Node::start(&api).await;
        api.bind_pod(
            "node-1",
            "one",
            json!({"containers": [echo(&[])], "terminationGracePeriodSeconds": 2}),
        );
        let first = api.pod_becomes("one", |pod| phase(pod) == "Running").await;
        api.delete_pod("one", 0);
        let uid = api.bind_pod("node-1", "one", json!({"containers": [echo(&[])]}));
        let second = api.pod_becomes("one", |pod| phase(pod) == "Running").await;
        assert_eq!(second["metadata"]["uid"], json!(uid));
        assert_ne!(first["metadata"]["uid"], second["metadata"]["uid"]);
        let running = &second["status"]["containerStatuses"][0]["containerID"];
        assert!(running.as_str().is_some_and(|id| id.contains(&uid)));
        node.stop().await;
    });
}

#[test]
#[cfg_attr(not(root), ignore = "needs root")]
fn input_reaches_a_command() {
    run(async {
        let api = Api::start();
        let node = Node::start(&api).await;
        let uid = api.bind_pod("node-1", "repl", json!({"containers": [echo(&[])]}));
        api.pod_becomes("repl", |pod| phase(pod) == "Running").await;
        let mut stream = api
            .open(&NodeRequest::Exec(ExecRequest {
                namespace: "default".to_owned(),
                pod: "repl".to_owned(),
                uid,
                container: "web".to_owned(),
                command: vec!["/echo".to_owned(), "repl".to_owned()],
                stdin: true,
                stdout: true,
                stderr: true,
                tty: false,
            }))
            .await;
        let text = bytes::Bytes::from_static(b"ahoy\n");
        stream.send(&ToNode::Stdin, text, None).await.expect("sent");
        stream
            .send(&ToNode::StdinClosed, bytes::Bytes::new(), None)
            .await
            .expect("sent");
        let (text, end) = output(stream).await;
        assert!(text.contains("ahoy\n"), "{text}");
        assert_eq!(end, FromNode::Finished { exit_code: 0 });
        node.stop().await;
    });
}
