//! The API server and a node's kubelet.

use bincode::config;
use model::messages::node::{ExecRequest, FromNode, LogsRequest, NodeRequest, ToNode};
use proptest::prelude::*;

use super::api::status;
use super::*;

fn requests() -> Vec<NodeRequest> {
    vec![
        NodeRequest::Logs(LogsRequest {
            namespace: "default".to_owned(),
            pod: "a".to_owned(),
            uid: "u".to_owned(),
            container: "c".to_owned(),
            follow: true,
            previous: false,
            timestamps: true,
            tail_lines: Some(10),
            since_seconds: Some(60),
            since_time: Some("2026-11-22T00:00:00Z".to_owned()),
            limit_bytes: Some(1000),
        }),
        NodeRequest::Exec(ExecRequest {
            namespace: "default".to_owned(),
            pod: "a".to_owned(),
            uid: "u".to_owned(),
            container: "c".to_owned(),
            command: vec!["/echo".to_owned(), "env".to_owned()],
            stdin: true,
            stdout: false,
            stderr: true,
            tty: false,
        }),
    ]
}

#[test]
fn golden_bytes() {
    let mut golden = Golden::default();
    golden.every("NodeRequest", &requests());
    golden.every(
        "ToNode",
        &[
            ToNode::Stdin,
            ToNode::StdinClosed,
            ToNode::Resize {
                width: 80,
                height: 24,
            },
        ],
    );
    golden.every(
        "FromNode",
        &[
            FromNode::Started,
            FromNode::Stdout,
            FromNode::Stderr,
            FromNode::Finished { exit_code: -1 },
            FromNode::Failed(status()),
        ],
    );
    insta::assert_snapshot!("node_wire", golden.text);
}

proptest! {
    /// Whatever arrives is read or refused.
    #[test]
    fn no_bytes_harm(header in prop::collection::vec(any::<u8>(), 0..200)) {
        let limited = config::standard().with_limit::<65536>();
        let _ = bincode::decode_from_slice::<NodeRequest, _>(&header, limited);
        let _ = bincode::decode_from_slice::<ToNode, _>(&header, limited);
        let _ = bincode::decode_from_slice::<FromNode, _>(&header, limited);
    }
}
