//! Commands in running containers.

use std::time::Duration;

use runtime::cri::{ExecConfig, TerminalSize};
use runtime::{Error, Runtime};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};

use crate::node::{Node, PATIENCE, echo_config, words};

#[tokio::test]
#[cfg_attr(not(root), ignore = "needs root")]
async fn a_command_has_its_streams_and_its_exit_code() {
    let node = Node::open().await;
    let pod = node.pod("exec").await;
    let id = node.echo(&pod.id, "main", &[]).await;
    let output = node.exec(&id, &["/echo", "exit", "3"]).await;
    assert_eq!(output.code, 3);
    let output = node.exec(&id, &["/echo", "cat", "/nothing"]).await;
    assert_eq!((output.stdout.as_str(), output.code), ("", 2));
    assert!(output.stderr.contains("/nothing"), "{output:?}");
    // It is in the container: same namespaces, found by the container's PATH.
    let inside = node.exec(&id, &["echo", "namespaces"]).await.stdout;
    let main = node.exec(&id, &["/echo", "ls", "/proc"]).await.stdout;
    assert!(main.lines().any(|name| name == "1"), "{main}");
    assert!(inside.contains("pid:["), "{inside}");
    node.close().await;
}

#[tokio::test]
#[cfg_attr(not(root), ignore = "needs root")]
async fn standard_input_arrives_and_ends() {
    let node = Node::open().await;
    let pod = node.pod("stdin").await;
    let id = node.echo(&pod.id, "main", &[]).await;
    let config = ExecConfig {
        command: words(&["/echo", "repl"]),
        tty: false,
        stdin: true,
    };
    let mut session = node.runtime.exec(&id, &config).await.expect("exec");
    let mut stdin = session.stdin.take().expect("standard input");
    // More than a pipe holds: both directions flow at once.
    let line = format!("{}\n", "x".repeat(999));
    let text = line.repeat(500);
    let writing = tokio::spawn(async move {
        stdin.write_all(text.as_bytes()).await.expect("write");
    });
    let mut output = String::new();
    session
        .stdout
        .read_to_string(&mut output)
        .await
        .expect("read");
    writing.await.expect("written");
    assert_eq!(output.lines().count(), 500);
    assert_eq!(session.exit.await.expect("an exit code"), 0);
    node.close().await;
}

#[tokio::test]
#[cfg_attr(not(root), ignore = "needs root")]
async fn a_terminal_is_interactive() {
    let node = Node::open().await;
    let pod = node.pod("tty").await;
    let id = node.echo(&pod.id, "main", &[]).await;
    let config = ExecConfig {
        command: words(&["/echo", "tty"]),
        tty: true,
        stdin: true,
    };
    let mut session = node.runtime.exec(&id, &config).await.expect("exec");
    let mut output = String::new();
    session
        .stdout
        .read_to_string(&mut output)
        .await
        .expect("read");
    assert_eq!(output, "stdin is a terminal\r\n");
    assert_eq!(session.exit.await.expect("an exit code"), 0);

    let config = ExecConfig {
        command: words(&["/echo", "env"]),
        tty: true,
        stdin: false,
    };
    let mut session = node.runtime.exec(&id, &config).await.expect("exec");
    let mut output = String::new();
    let reading = session.stdout.read_to_string(&mut output);
    reading.await.expect("read");
    // The image has no passwd that would tell a home.
    for line in ["TERM=xterm", "HOME=/"] {
        assert!(output.lines().any(|said| said == line), "{line}: {output}");
    }
    let plain = node.exec(&id, &["/echo", "env"]).await.stdout;
    assert!(!plain.contains("TERM="), "{plain}");

    let config = ExecConfig {
        command: words(&["/echo", "repl"]),
        tty: true,
        stdin: true,
    };
    let session = node.runtime.exec(&id, &config).await.expect("exec");
    let resize = session.resize.expect("a terminal");
    resize
        .send(TerminalSize {
            width: 132,
            height: 43,
        })
        .await
        .expect("resize");
    let mut stdin = session.stdin.expect("standard input");
    let mut lines = BufReader::new(session.stdout).lines();
    stdin.write_all(b"hello\n").await.expect("write");
    // The terminal echoes what is typed, then the program answers.
    let typed = tokio::time::timeout(PATIENCE, lines.next_line())
        .await
        .expect("in time")
        .expect("read");
    assert_eq!(typed.as_deref(), Some("hello"));
    let answer = lines.next_line().await.expect("read");
    assert_eq!(answer.as_deref(), Some("you said: hello"));
    stdin.write_all(b"exit 9\n").await.expect("write");
    assert_eq!(session.exit.await.expect("an exit code"), 9);
    node.close().await;
}

#[tokio::test]
#[cfg_attr(not(root), ignore = "needs root")]
async fn what_cannot_be_run_is_refused_with_the_reason() {
    let node = Node::open().await;
    let pod = node.pod("refused").await;
    let id = node.echo(&pod.id, "main", &[]).await;
    let exec = async |command: &[&str], tty| {
        let config = ExecConfig {
            command: words(command),
            tty,
            stdin: false,
        };
        node.runtime.exec(&id, &config).await.map(drop)
    };
    for tty in [false, true] {
        let refused = exec(&["nothing-there"], tty)
            .await
            .expect_err("no such program")
            .to_string();
        assert!(
            refused.contains("executable file not found in $PATH"),
            "{refused}"
        );
    }
    assert!(exec(&[], false).await.is_err());
    node.runtime
        .stop_container(&id, Duration::from_secs(30))
        .await
        .expect("stop");
    let refused = exec(&["/echo", "env"], false).await;
    assert!(matches!(refused, Err(Error::Exec { .. })), "{refused:?}");
    node.close().await;
}

#[tokio::test]
#[cfg_attr(not(root), ignore = "needs root")]
async fn a_command_ends_with_its_container() {
    let node = Node::open().await;
    let pod = node.pod("ends").await;
    let id = node.echo(&pod.id, "main", &[]).await;
    let config = ExecConfig {
        command: words(&["/echo", "sleep", "1000"]),
        tty: false,
        stdin: false,
    };
    let session = node.runtime.exec(&id, &config).await.expect("exec");
    node.runtime
        .stop_container(&id, Duration::from_secs(30))
        .await
        .expect("stop");
    assert_eq!(session.exit.await.expect("an exit code"), 137);
    let (status, _) = node
        .run(&pod.id, &echo_config("after", &["exit", "0"]))
        .await;
    assert_eq!(status.exit_code, 0);
    node.close().await;
}
