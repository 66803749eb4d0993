//! The shim's socket meets those who do not speak its language.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use runtime::Runtime;

use crate::node::{Node, PATIENCE};

/// Sends bytes and returns what comes until the other side closes; `None` if it does not.
fn converse(socket: &Path, bytes: &[u8]) -> Option<Vec<u8>> {
    let mut stream = UnixStream::connect(socket).expect("connect");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream.write_all(bytes).expect("write");
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Ok(_) => Some(answer),
        // Closed with bytes of ours unread.
        Err(e) if e.kind() == ErrorKind::ConnectionReset => Some(answer),
        Err(_) => None,
    }
}

#[tokio::test]
#[cfg_attr(not(root), ignore = "needs root")]
async fn nonsense_closes_its_own_connection_and_harms_nobody() {
    let node = Node::open().await;
    let pod = node.pod("socket").await;
    let id = node.echo(&pod.id, "main", &[]).await;
    let socket = node
        .options()
        .root
        .join(format!("pods/{}/shim.sock", pod.id));
    let cases: [(&str, Vec<u8>); 4] = [
        ("too large", vec![0xff; 8]),
        (
            "no request",
            [&4u32.to_le_bytes()[..], &[1, 99, 0, 0]].concat(),
        ),
        ("a list of 2^60 words", {
            // Request 1, Exec, container of 2^60 bytes.
            let mut body = vec![1, 5, 253];
            body.extend((1u64 << 60).to_le_bytes());
            [&(body.len() as u32).to_le_bytes()[..], &body].concat()
        }),
        (
            "more than the message",
            [&9u32.to_le_bytes()[..], &[1, 7, 0, 0, 0, 0, 0, 0, 0]].concat(),
        ),
    ];
    for (what, bytes) in cases {
        assert_eq!(converse(&socket, &bytes), Some(Vec::new()), "{what}");
    }
    // Half a frame and many idle connections keep nobody else waiting.
    let mut idle = Vec::new();
    for _ in 0..300 {
        let mut stream = UnixStream::connect(&socket).expect("connect");
        let _ = stream.write_all(&[200, 0, 0, 0, 1]);
        idle.push(stream);
    }
    let status = node.runtime.container_status(&id).await.expect("status");
    node.runtime
        .reopen_container_log(&id)
        .await
        .expect("the runtime's own connection works");
    drop(idle);
    assert_eq!(node.exec(&id, &["/echo", "exit", "5"]).await.code, 5);
    assert_eq!(
        node.runtime.container_status(&id).await.expect("status"),
        status
    );
    node.close().await;
}

#[tokio::test]
#[cfg_attr(not(root), ignore = "needs root")]
async fn a_client_of_another_version_is_told_both() {
    let node = Node::open().await;
    let pod = node.pod("version").await;
    let socket = node
        .options()
        .root
        .join(format!("pods/{}/shim.sock", pod.id));
    // Request 1, Hello, version 99; then a request before a greeting that was understood; then nonsense,
    // so that the connection ends.
    let frames: [&[u8]; 3] = [&[1, 0, 99], &[2, 7], &[0xff]];
    let bytes: Vec<u8> = frames
        .iter()
        .flat_map(|body| [&(body.len() as u32).to_le_bytes()[..], body].concat())
        .collect();
    let answer = converse(&socket, &bytes).expect("it closes");
    let text = String::from_utf8_lossy(&answer);
    assert!(
        text.contains("speaks version 1 of its protocol, not 99"),
        "{text}"
    );
    assert!(text.contains("say Hello first"), "{text}");
    assert_eq!(
        node.runtime.list_pod_sandboxes().await.expect("list"),
        [pod],
        "it was not shut down"
    );
    node.close().await;
}
