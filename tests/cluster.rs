//! A cluster as a user has it: the built command, started, used and stopped; and that nothing is left of it.

mod engine;
mod leftovers;
mod lifecycle;
mod network;
mod processes;

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use engine::Engine;
use leftovers::Footprint;
use network::PodNetwork;

/// Longest time that anything here may take; a debug build on a busy machine is slow.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The command, built beside the tests by `cargo test --workspace`.
pub(crate) fn plimsoll() -> PathBuf {
    let own = std::env::current_exe().expect("a test has a file");
    let built = own
        .parent()
        .and_then(Path::parent)
        .expect("TARGET/PROFILE/deps/TEST")
        .join("plimsoll");
    assert!(
        built.is_file(),
        "{} is missing: build it with `cargo build -p plimsoll-cli`",
        built.display()
    );
    built
}

/// A data directory with what belongs to it, over several runs of `up`.
pub(crate) struct Home {
    folder: tempfile::TempDir,
    api: SocketAddr,
    network: PodNetwork,
    engine: Engine,
}

impl Home {
    /// A new one.
    pub(crate) fn new() -> Self {
        let free = TcpListener::bind(("127.0.0.1", 0)).and_then(|free| free.local_addr());
        Home {
            folder: tempfile::Builder::new()
                .prefix("plimsoll-test-")
                .tempdir()
                .expect("a temporary directory"),
            api: free.expect("a free port"),
            network: PodNetwork::take(),
            engine: Engine::chosen(),
        }
    }

    /// The data directory.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// `plimsoll up` with what every test needs.
    pub(crate) fn up(&self, options: &[&str]) -> Command {
        let mut up = Command::new(plimsoll());
        up.arg("up").arg("--data-dir").arg(self.path());
        up.args([
            "--api-address",
            &self.api.to_string(),
            "--pod-network-cidr",
            &self.network.cidr(),
        ]);
        // A test of an engine brings its own.
        if !options.contains(&"--store") {
            up.args(self.engine.options(self.path()));
        }
        up.args(options);
        up
    }
}

impl Drop for Home {
    /// A test that fails may leave pods that outlived their `up`. They would only use the machine up.
    fn drop(&mut self) {
        if std::thread::panicking() {
            for (pid, _) in processes::of(self.path()) {
                let _ = kill(pid, Signal::SIGKILL);
            }
        }
    }
}

/// A cluster that is ready. Stopped when dropped; [`stop`](Cluster::stop) also checks what is left.
pub(crate) struct Cluster {
    up: Child,
    home: Option<Home>,
}

impl Cluster {
    /// Starts a cluster in a directory of its own and waits until it is ready.
    pub(crate) fn start(options: &[&str]) -> Self {
        Self::start_in(Home::new(), options)
    }

    /// The same in a directory that may have been used before.
    pub(crate) fn start_in(home: Home, options: &[&str]) -> Self {
        let (cluster, line) = Self::begin_in(home, options);
        match line.recv_timeout(PATIENCE) {
            Ok(line) if line.starts_with("ready in ") => cluster,
            other => panic!("{other:?} instead of `ready in …`:\n{}", cluster.told()),
        }
    }

    /// The same without waiting until it is ready, with the lines that it will say.
    pub(crate) fn begin_in(home: Home, options: &[&str]) -> (Self, mpsc::Receiver<String>) {
        let errors = home.path().join("up.stderr");
        let file = File::create(&errors).expect("a file");
        let mut up = home
            .up(options)
            .stdout(Stdio::piped())
            .stderr(file)
            .spawn()
            .expect("the command runs");
        let said = BufReader::new(up.stdout.take().expect("a pipe"));
        let (sender, line) = mpsc::channel();
        std::thread::spawn(move || {
            for line in said.lines().map_while(Result::ok) {
                // Nobody listens after the first line; reading on keeps the pipe empty.
                let _ = sender.send(line);
            }
        });
        let cluster = Cluster {
            up,
            home: Some(home),
        };
        (cluster, line)
    }

    fn home(&self) -> &Home {
        self.home.as_ref().expect("only stop takes it")
    }

    /// The data directory.
    pub(crate) fn path(&self) -> &Path {
        self.home().path()
    }

    /// How clients reach it.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.path().join("kubeconfig")
    }

    /// Where its HTTPS API is.
    pub(crate) fn api(&self) -> SocketAddr {
        self.home().api
    }

    /// The first two bytes of its pods' addresses, as in `10.100.`.
    pub(crate) fn pod_prefix(&self) -> String {
        self.home().network.prefix()
    }

    /// The process of `up`.
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.up.id()).expect("a process id"))
    }

    /// The process of a component, by its name (`store`, `node-1.kubelet`), if it runs.
    pub(crate) fn component(&self, name: &str) -> Option<Pid> {
        processes::component(self.pid(), name)
    }

    /// What `up` wrote to standard error, and the ends of the logs.
    pub(crate) fn told(&self) -> String {
        let read = |path: PathBuf| std::fs::read_to_string(path).unwrap_or_default();
        let mut text = read(self.path().join("up.stderr"));
        for log in std::fs::read_dir(self.path().join("log"))
            .into_iter()
            .flatten()
            .flatten()
        {
            let lines = read(log.path());
            let from = lines.lines().count().saturating_sub(15);
            let last: Vec<&str> = lines.lines().skip(from).collect();
            text.push_str(&format!(
                "--- {}\n{}\n",
                log.file_name().to_string_lossy(),
                last.join("\n")
            ));
        }
        text
    }

    /// Runs the command as a client of the cluster.
    pub(crate) fn plimsoll(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(plimsoll());
        command
            .args(arguments)
            .env("KUBECONFIG", self.kubeconfig())
            .output()
            .expect("the command runs")
    }

    /// kubectl as a client of the cluster, to be run. Its cache of discovery lies in the data directory.
    pub(crate) fn kubectl_command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("kubectl");
        command
            .args(arguments)
            .env("KUBECONFIG", self.kubeconfig())
            .env("KUBECACHEDIR", self.path().join("cache"));
        command.stdin(Stdio::null());
        command
    }

    /// Stops the cluster as Ctrl-C does, and checks that it ends well and leaves nothing behind. Gives back the
    /// directory.
    #[track_caller]
    pub(crate) fn stop(mut self) -> Home {
        let footprint = Footprint::of(self.path());
        kill(self.pid(), Signal::SIGTERM).expect("up runs");
        let status = wait(&mut self.up);
        assert_eq!(status, Some(0), "how `up` ended:\n{}", self.told());
        let home = self.home.take().expect("only stop takes it");
        footprint.assert_gone(&home.network.prefix());
        home
    }

    /// Kills `up` as the out-of-memory killer would. Its components go with it; pods stay. Gives back the directory.
    pub(crate) fn kill(mut self) -> Home {
        kill(self.pid(), Signal::SIGKILL).expect("up runs");
        self.up.wait().expect("it is our child");
        self.home.take().expect("only stop takes it")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if self.home.is_some() {
            let _ = kill(self.pid(), Signal::SIGTERM);
            wait(&mut self.up);
        }
    }
}

/// Waits for a process; its exit code, or `None` after [`PATIENCE`] (it is killed then) or for a signal.
fn wait(child: &mut Child) -> Option<i32> {
    let ended = eventually(PATIENCE, || child.try_wait().ok().flatten());
    if ended.is_none() {
        let _ = child.kill();
        let _ = child.wait();
    }
    ended.and_then(|status| status.code())
}

/// Asks again and again until there is an answer, or the time is over. For what only the outside of a process
/// shows and nobody tells.
pub(crate) fn eventually<T>(patience: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + patience;
    loop {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        if Instant::now() > end {
            return None;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The processes of the cluster's pods: shims and what runs in them.
pub(crate) fn containers(cluster: &Cluster) -> Vec<(Pid, String)> {
    let mut found = processes::of(cluster.path());
    found.retain(|(pid, line)| *pid != cluster.pid() && !line.contains(" run --supervised-by "));
    found
}
