//! Commands of kubectl that go on: `get -w` and `wait --for=delete`.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use crate::cluster::{Cluster, PATIENCE};

/// A command whose lines are read as they come.
struct Following {
    child: Child,
    lines: Receiver<String>,
}

impl Following {
    fn start(mut command: Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .spawn()
            .expect("kubectl runs");
        let said = BufReader::new(child.stdout.take().expect("a pipe"));
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in said.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Following { child, lines }
    }

    /// The lines up to and with the first that holds these words.
    #[track_caller]
    fn until(&self, words: &[&str]) -> Vec<String> {
        let mut lines = Vec::new();
        loop {
            match self.lines.recv_timeout(PATIENCE) {
                Ok(line) => lines.push(line),
                Err(_) => panic!("no line with {words:?} in {lines:#?}"),
            }
            let last = &lines[lines.len() - 1];
            if words.iter().all(|word| last.contains(word)) {
                return lines;
            }
        }
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a command to its end; its standard output.
#[track_caller]
fn run(cluster: &Cluster, arguments: &[&str]) -> String {
    let output = cluster
        .kubectl_command(arguments)
        .output()
        .expect("kubectl runs");
    assert!(
        output.status.success(),
        "{arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
#[cfg_attr(not(all(root, kubectl)), ignore = "needs root and kubectl")]
fn what_goes_on_is_followed() {
    let cluster = Cluster::start(&[]);
    // Its line says that kubectl has listed: what comes later is watched from there on.
    let nobody = r#"--overrides={"spec":{"schedulerName":"nobody"}}"#;
    let image = "--image=plimsoll/echo";
    let followed = "--labels=is=followed";
    run(&cluster, &["run", "waits", image, followed, nobody]);
    let pods =
        Following::start(cluster.kubectl_command(&["get", "pods", "-w", "-l", "is=followed"]));
    let listed = pods.until(&["waits"]);
    run(
        &cluster,
        &["run", "shown", image, followed, "--", "ignore-term"],
    );
    let lines = pods.until(&["shown", "1/1", "Running"]);
    let words = |line: &str| -> Vec<String> {
        line.split_whitespace().take(3).map(str::to_owned).collect()
    };
    assert_eq!(words(&listed[0]), ["NAME", "READY", "STATUS"]);
    assert_eq!(words(&listed[1]), ["waits", "0/1", "Pending"]);
    assert_eq!(words(&lines[0]), ["shown", "0/1", "Pending"]);
    assert!(
        lines.iter().any(|line| line.contains("ContainerCreating")),
        "{lines:#?}"
    );

    // It is waited for before it is deleted, so that the wait sees it go.
    let gone = Following::start(cluster.kubectl_command(&[
        "wait",
        "--for=delete",
        "pod/shown",
        "--timeout=60s",
    ]));
    let deleted = run(
        &cluster,
        &["delete", "pod", "shown", "--grace-period=1", "--wait=false"],
    );
    assert!(deleted.contains("pod \"shown\" deleted"), "{deleted}");
    pods.until(&["shown", "Terminating"]);
    gone.until(&["pod/shown condition met"]);
    let mut gone = gone;
    assert_eq!(gone.child.wait().expect("it ends").code(), Some(0));

    // What never goes is not waited for longer than was said.
    run(&cluster, &["create", "configmap", "stays"]);
    let output = cluster
        .kubectl_command(&["wait", "--for=delete", "configmap/stays", "--timeout=1s"])
        .output()
        .expect("kubectl runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("timed out waiting"), "{said}");
    cluster.stop();
}
