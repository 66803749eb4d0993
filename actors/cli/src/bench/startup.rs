//! A fresh cluster of Plimsoll, started for the benchmark and stopped after it.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use http::StatusCode;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::fleet;
use crate::client::{Request, Server};

/// A start that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(60);
/// Not the default, so that a cluster that runs already is not in the way. No pod of the benchmark ever runs.
const POD_NETWORK: &str = "10.253.0.0/16";
/// Pause between two attempts to connect to a server that does not listen yet.
const PAUSE: Duration = Duration::from_millis(1);

/// A cluster that runs until this value is dropped.
#[derive(Debug)]
pub struct Started {
    up: Child,
    directory: PathBuf,
    /// From starting the program until `/readyz` answered 200.
    pub readyz: Duration,
    /// Until `up` said that it is ready: every component serves.
    pub ready: Duration,
}

impl Started {
    /// Starts `plimsoll up` in a temporary directory, on a free port.
    ///
    /// # Errors
    /// If it does not become ready.
    pub fn new(single_process: bool) -> anyhow::Result<Self> {
        let directory = std::env::temp_dir().join(format!("plimsoll-bench-{}", std::process::id()));
        let address = TcpListener::bind(("127.0.0.1", 0))
            .and_then(|free| free.local_addr())
            .context("no free port")?;
        let program =
            std::env::current_exe().context("the file of this program cannot be found")?;
        let mut command = Command::new(program);
        command.arg("up").arg("--data-dir").arg(&directory).args([
            "--api-address",
            &address.to_string(),
            "--pod-network-cidr",
            POD_NETWORK,
        ]);
        if single_process {
            command.arg("--single-process");
        }
        let begun = Instant::now();
        let up = command
            .stdout(Stdio::piped())
            .spawn()
            .context("`plimsoll up`")?;
        let mut started = Started {
            up,
            directory,
            readyz: Duration::ZERO,
            ready: Duration::ZERO,
        };
        let said = started
            .up
            .stdout
            .take()
            .context("`plimsoll up` has no standard output")?;
        let listener = std::thread::spawn(move || {
            let line = BufReader::new(said).lines().next();
            (
                line.and_then(Result::ok).unwrap_or_default(),
                begun.elapsed(),
            )
        });
        started.readyz = started.await_readyz(address, begun)?;
        let (line, ready) = listener
            .join()
            .map_err(|_| anyhow::anyhow!("the reader of `plimsoll up` panicked"))?;
        if !line.starts_with("ready in ") {
            bail!("`plimsoll up` did not become ready");
        }
        started.ready = ready;
        Ok(started)
    }

    /// The process id of `up`.
    pub fn process(&self) -> i32 {
        i32::try_from(self.up.id()).unwrap_or(0)
    }

    /// How the cluster is reached.
    pub fn kubeconfig(&self) -> PathBuf {
        self.directory.join("kubeconfig")
    }

    fn await_readyz(&mut self, address: SocketAddr, begun: Instant) -> anyhow::Result<Duration> {
        loop {
            if let Some(status) = self.up.try_wait()? {
                bail!("`plimsoll up` ended: {status}");
            }
            let kubeconfig = self.kubeconfig();
            let asked = fleet::block_on(async {
                std::net::TcpStream::connect(address)?;
                let server = Server::from_kubeconfig(&kubeconfig)?;
                Ok(server
                    .connect()
                    .await?
                    .send(Request::get("/readyz"))
                    .await?
                    .status())
            });
            if matches!(asked, Ok(StatusCode::OK)) {
                return Ok(begun.elapsed());
            }
            if begun.elapsed() > PATIENCE {
                bail!("/readyz did not answer 200 within {} s", PATIENCE.as_secs());
            }
            std::thread::sleep(PAUSE);
        }
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        let _ = kill(Pid::from_raw(self.process()), Signal::SIGTERM);
        let _ = self.up.wait();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}
