//! Servers that are none: absent, mute, closing, talking nonsense. The suite says so and ends; it does not panic and does
//! not wait for ever.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use super::command::{Report, conformance};
use super::liar::Liar;
use super::lies::{Lie, Tell};
use super::proxy::Proxy;
use crate::cluster::{Cluster, PATIENCE, eventually};

const SUITES: [&str; 3] = ["watch", "api", "create-pod"];

/// Whoever connects gets these bytes, after what it has sent first, and is left alone.
fn stranger(answer: &'static str) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    std::thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || {
                let (mut client, mut request) = (client, [0; 4096]);
                while client.read(&mut request).is_ok_and(|read| read > 0) {
                    if answer.is_empty() || client.write_all(answer.as_bytes()).is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

/// Runs a suite that cannot succeed: it ends in time, with 1, and says why in a line.
#[track_caller]
fn fails(server: &str, suite: &str) -> Report {
    let options = [
        "--server",
        server,
        "--suite",
        suite,
        "--duration",
        "1",
        "--clients",
        "2",
    ];
    let mut command = conformance(&options);
    command.args(["--report", "json"]);
    command
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped());
    let mut child = command.spawn().expect("the command runs");
    let ended = eventually(2 * PATIENCE, || child.try_wait().ok().flatten());
    if ended.is_none() {
        let _ = child.kill();
    }
    let report = Report::of(&child.wait_with_output().expect("it is our child"));
    assert!(
        ended.is_some(),
        "{suite} at {server} did not end: {}",
        report.shown()
    );
    assert_eq!(
        report.code,
        Some(1),
        "{suite} at {server}: {}",
        report.shown()
    );
    assert!(
        !report.shown().contains("panicked"),
        "{suite} at {server}: {}",
        report.shown()
    );
    report
}

#[test]
fn who_is_no_api_server_is_told_apart() {
    let free = TcpListener::bind(("127.0.0.1", 0)).and_then(|free| free.local_addr());
    let absent = free.expect("a free port");
    let json = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
    let page = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5\r\n\r\n<html";
    let null = "HTTP/1.1 201 Created\r\nContent-Length: 4\r\n\r\nnull";
    let error = "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n";
    let strangers = [
        "",
        "220 smtp.example.com ready\r\n",
        json,
        page,
        null,
        error,
    ]
    .map(stranger);
    for server in strangers.into_iter().chain([absent]) {
        for suite in SUITES {
            let report = fails(&format!("http://{server}"), suite);
            assert!(report.says("error: "), "{suite}: {}", report.shown());
        }
    }
}

/// A server that is one until it is asked for config maps.
#[test]
#[cfg_attr(not(root), ignore = "needs root")]
fn nonsense_in_the_middle_is_told_apart() {
    let (cluster, server): (Cluster, SocketAddr) = super::cluster();
    for nonsense in [
        "null",
        "[]",
        "{\"items\": 7}",
        "\u{0}",
        "{\"metadata\": {\"resourceVersion\": \"x\"}}\n",
    ] {
        let lie = Lie {
            name: "nonsense",
            breaks: "",
            tell: Tell::Nonsense(nonsense),
        };
        let proxy = Proxy::start(server, Liar::of(Some(lie)), Duration::ZERO);
        for suite in ["watch", "api"] {
            fails(&proxy.url(), suite);
        }
    }
    cluster.stop();
}
