//! A real etcd of a test's own: on free ports, in a temporary directory. It can be killed and started again.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Longest time that its start may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// An etcd, gone when dropped.
pub struct EtcdServer {
    directory: TempDir,
    client: SocketAddr,
    peer: SocketAddr,
    process: Option<Child>,
}

impl EtcdServer {
    /// Starts one and waits until it serves.
    pub fn start() -> Self {
        let free = || {
            let bound = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
            (bound.local_addr().expect("its address"), bound)
        };
        // Both are bound before either is given back, so that they differ.
        let ((client, _one), (peer, _other)) = (free(), free());
        drop((_one, _other));
        let mut server = EtcdServer {
            directory: tempfile::Builder::new()
                .prefix("plimsoll-etcd-")
                .tempdir()
                .expect("a temporary directory"),
            client,
            peer,
            process: None,
        };
        server.start_again();
        server
    }

    /// Where clients reach it.
    pub fn url(&self) -> String {
        format!("http://{}", self.client)
    }

    /// Kills it as the out-of-memory killer would.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().expect("it is our child");
            process.wait().expect("it is our child");
        }
    }

    /// Starts it on what it left, and waits until it serves.
    pub fn start_again(&mut self) {
        let log = self.directory.path().join("log");
        let errors = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .expect("a file");
        let (client, peer) = (self.url(), format!("http://{}", self.peer));
        let process = Command::new("etcd")
            .arg("--data-dir")
            .arg(self.directory.path().join("data"))
            .args(["--name", "alone"])
            .args(["--listen-client-urls", &client])
            .args(["--advertise-client-urls", &client])
            .args(["--listen-peer-urls", &peer])
            .args(["--initial-advertise-peer-urls", &peer])
            .args(["--initial-cluster", &format!("alone={peer}")])
            // Half of the default: a lone member elects itself sooner.
            .args(["--heartbeat-interval", "50", "--election-timeout", "500"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(errors)
            .spawn()
            .expect("etcd is installed (Debian: etcd-server)");
        self.process = Some(process);
        let end = Instant::now() + PATIENCE;
        while !self.is_healthy() {
            let told = || std::fs::read_to_string(&log).unwrap_or_default();
            assert!(Instant::now() < end, "etcd does not serve:\n{}", told());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Whether it has a leader and says that it is well.
    fn is_healthy(&self) -> bool {
        let ask = || -> std::io::Result<String> {
            let mut stream = TcpStream::connect(self.client)?;
            stream.set_read_timeout(Some(Duration::from_secs(2)))?;
            stream.write_all(b"GET /health HTTP/1.0\r\n\r\n")?;
            let mut said = String::new();
            stream.read_to_string(&mut said)?;
            Ok(said)
        };
        ask().is_ok_and(|said| said.contains(r#""health":"true""#))
    }
}

impl Drop for EtcdServer {
    fn drop(&mut self) {
        self.kill();
    }
}
