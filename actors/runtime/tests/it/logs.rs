//! Log files in CRI's format.

use std::fs;

use runtime::Runtime;

use crate::node::{Node, echo_config, log_text};

#[tokio::test]
#[cfg_attr(not(root), ignore = "needs root")]
async fn both_streams_are_logged_line_by_line_and_long_lines_in_parts() {
    let node = Node::open().await;
    let pod = node.pod("logs").await;
    let (status, text) = node
        .run(&pod.id, &echo_config("out", &["lines", "1000"]))
        .await;
    let expected: String = (1..=1000).map(|n| format!("line {n}\n")).collect();
    assert_eq!(text, expected, "every line is there when the end is told");
    let log = fs::read_to_string(&status.log_path).expect("the log");
    let first: Vec<&str> = log.lines().next().expect("a line").split(' ').collect();
    assert_eq!(first[1..], ["stdout", "F", "line", "1"]);
    assert_eq!(first[0].len(), "2026-01-01T00:00:00.000000000Z".len());

    let (status, _) = node
        .run(&pod.id, &echo_config("err", &["lines", "2", "--stderr"]))
        .await;
    let log = fs::read_to_string(&status.log_path).expect("the log");
    assert!(
        log.lines()
            .all(|line| line.split(' ').nth(1) == Some("stderr")),
        "{log}"
    );

    let (status, _) = node
        .run(
            &pod.id,
            &echo_config("long", &["lines", "1", "--width", "40000"]),
        )
        .await;
    let log = fs::read_to_string(&status.log_path).expect("the log");
    let tags: Vec<&str> = log
        .lines()
        .filter_map(|line| line.split(' ').nth(2))
        .collect();
    assert_eq!(tags, ["P", "P", "F"]);

    // Wider than what a format takes, and wider than what is served.
    let args = ["lines", "2", "--width", "100000"];
    let (status, _) = node.run(&pod.id, &echo_config("wide", &args)).await;
    let log = fs::read_to_string(&status.log_path).expect("the log");
    assert_eq!(log.matches('x').count(), 200_000);
    let args = ["lines", "1", "--width", "18446744073709551615"];
    let (status, said) = node.run(&pod.id, &echo_config("endless", &args)).await;
    assert_eq!(status.exit_code, 2);
    assert_eq!(said, "echo: --width is at most 1048576\n");
    node.close().await;
}

#[tokio::test]
#[cfg_attr(not(root), ignore = "needs root")]
async fn a_log_that_was_moved_away_is_opened_again() {
    let node = Node::open().await;
    let pod = node.pod("rotated").await;
    let id = node.echo(&pod.id, "main", &["repl"]).await;
    let status = node.ended(&id).await;
    assert_eq!(status.exit_code, 0, "without stdin it reads end of file");
    let mut config = echo_config("reads", &["repl"]);
    config.stdin = true;
    let id = node.start(&pod.id, &config).await;
    let status = node.runtime.container_status(&id).await.expect("status");
    let moved = status.log_path.with_extension("moved");
    fs::rename(&status.log_path, &moved).expect("rename");
    node.runtime
        .reopen_container_log(&id)
        .await
        .expect("reopen");
    assert_eq!(log_text(&status.log_path), "");
    node.close().await;
}
