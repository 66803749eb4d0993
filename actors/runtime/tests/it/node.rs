//! A node to run pods on: its own directory, its own pod network, nothing left behind.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use runtime::cri::{
    ContainerConfig, ContainerEvent, ContainerId, ContainerState, ContainerStatus, ExecConfig,
    PodSandboxConfig, PodSandboxStatus, SandboxId,
};
use runtime::{EmbeddedRuntime, Options, Runtime};
use tempfile::TempDir;
use tokio::io::AsyncReadExt;

/// Longest wait for anything: the machine may be busy with other tests.
pub const PATIENCE: Duration = Duration::from_secs(60);

static NEXT: AtomicU32 = AtomicU32::new(0);

pub struct Node {
    pub directory: TempDir,
    pub runtime: EmbeddedRuntime,
    options: Options,
    leftovers: Leftovers,
}

/// The outcome of a command in a container.
#[derive(Debug)]
pub struct Output {
    pub stdout: String,
    pub stderr: String,
    pub code: i32,
}

impl Node {
    pub async fn open() -> Self {
        Self::open_in("node").await
    }

    /// A node whose directory has a certain name.
    pub async fn open_in(name: &str) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mut options = Options {
            root: directory.path().join(name),
            images: directory.path().join("images"),
            node_name: "node-1".to_owned(),
            pod_cidr: "10.201.0.0/24".parse().expect("a subnet"),
            shim: vec![shim_program().into_os_string()],
        };
        // Other tests of this machine have their nodes too: take a network that is free.
        loop {
            let number = std::process::id()
                .wrapping_mul(31)
                .wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
            let cidr = format!("10.{}.{}.0/24", 201 + number / 256 % 40, number % 256);
            options.pod_cidr = cidr.parse().expect("a subnet");
            match EmbeddedRuntime::open(options.clone()).await {
                Ok(runtime) => {
                    let leftovers = Leftovers(options.root.clone());
                    return Self {
                        directory,
                        runtime,
                        options,
                        leftovers,
                    };
                }
                Err(error) if error.to_string().contains("is taken") => {}
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Drops the runtime and opens another one on the same directory, as after a kubelet's death.
    pub async fn reopen(self) -> Self {
        let Self {
            directory,
            runtime,
            options,
            leftovers,
        } = self;
        drop(runtime);
        let runtime = EmbeddedRuntime::open(options.clone())
            .await
            .expect("open again");
        Self {
            directory,
            runtime,
            options,
            leftovers,
        }
    }

    pub fn options(&self) -> Options {
        self.options.clone()
    }

    pub fn pod_config(&self, name: &str) -> PodSandboxConfig {
        PodSandboxConfig {
            uid: format!("uid-{name}"),
            namespace: "default".to_owned(),
            name: name.to_owned(),
            hostname: name.to_owned(),
            log_directory: self.directory.path().join("logs").join(name),
            ..Default::default()
        }
    }

    pub async fn pod(&self, name: &str) -> PodSandboxStatus {
        self.runtime
            .run_pod_sandbox(&self.pod_config(name))
            .await
            .expect("a sandbox")
    }

    /// Starts a container of `plimsoll/echo` with arguments.
    pub async fn echo(&self, pod: &SandboxId, name: &str, args: &[&str]) -> ContainerId {
        self.start(pod, &echo_config(name, args)).await
    }

    pub async fn start(&self, pod: &SandboxId, config: &ContainerConfig) -> ContainerId {
        let id = self
            .runtime
            .create_container(pod, config)
            .await
            .expect("create");
        self.runtime.start_container(&id).await.expect("start");
        id
    }

    /// Waits for a container's end.
    pub async fn ended(&self, id: &ContainerId) -> ContainerStatus {
        let mut events = self.runtime.events();
        let status = self.runtime.container_status(id).await.expect("status");
        if status.state == ContainerState::Exited {
            return status;
        }
        let waited = tokio::time::timeout(PATIENCE, async {
            loop {
                if let ContainerEvent::Stopped(status) = events.next().await.expect("an event")
                    && status.id == *id
                {
                    return status;
                }
            }
        });
        waited.await.expect("the container ends in time")
    }

    /// Runs a container to its end and returns what it wrote, as its log has it.
    pub async fn run(
        &self,
        pod: &SandboxId,
        config: &ContainerConfig,
    ) -> (ContainerStatus, String) {
        let id = self.start(pod, config).await;
        let status = self.ended(&id).await;
        let log = log_text(&status.log_path);
        (status, log)
    }

    /// Runs a command in a container.
    pub async fn exec(&self, id: &ContainerId, command: &[&str]) -> Output {
        let config = ExecConfig {
            command: words(command),
            tty: false,
            stdin: false,
        };
        let mut session = self.runtime.exec(id, &config).await.expect("exec");
        let (mut stdout, mut stderr) = (String::new(), String::new());
        session
            .stdout
            .read_to_string(&mut stdout)
            .await
            .expect("stdout");
        let mut errors = session
            .stderr
            .take()
            .expect("standard error without a terminal");
        errors.read_to_string(&mut stderr).await.expect("stderr");
        let code = session.exit.await.expect("an exit code");
        Output {
            stdout,
            stderr,
            code,
        }
    }

    /// Removes every pod, closes the runtime, and checks that nothing is left on the machine.
    pub async fn close(self) {
        let groups = cgroups_of(&self.options.root);
        for pod in self.runtime.list_pod_sandboxes().await.expect("list") {
            self.runtime
                .remove_pod_sandbox(&pod.id)
                .await
                .expect("remove");
        }
        let root = fs::canonicalize(&self.options.root).expect("root");
        self.runtime.close().await.expect("close");
        let subnet = self.options.pod_cidr;
        assert_eq!(processes_of(&root), BTreeSet::new(), "processes are left");
        for group in groups {
            assert!(!group.exists(), "cgroup {} is left", group.display());
        }
        let mounts = fs::read_to_string("/proc/self/mounts").expect("mounts");
        assert!(
            !mounts.contains(&*root.to_string_lossy()),
            "mounts are left: {mounts}"
        );
        let routes = fs::read_to_string("/proc/net/fib_trie").expect("addresses");
        assert!(
            !routes.contains(&subnet.gateway().to_string()),
            "the gateway's address is left"
        );
        let left: Vec<_> = fs::read_dir(root.join("pods")).expect("pods").collect();
        assert!(left.is_empty(), "{left:?}");
        let left: Vec<_> = fs::read_dir(root.join("network/addresses"))
            .expect("addresses")
            .flatten()
            .collect();
        assert!(
            left.iter().all(|entry| entry.file_name() == "last"),
            "{left:?}"
        );
    }
}

/// A test that failed leaves its pods; their processes at least must not outlive it.
struct Leftovers(PathBuf);

impl Drop for Leftovers {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        for shim in processes_of(&self.0) {
            let children = fs::read_to_string(format!("/proc/{shim}/task/{shim}/children"))
                .unwrap_or_default();
            let children = children
                .split_whitespace()
                .filter_map(|pid| pid.parse().ok());
            for pid in children.chain(i32::try_from(shim)) {
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
        }
    }
}

/// Shims of the node at `root`: they name its directory on their command line.
pub fn processes_of(root: &Path) -> BTreeSet<u32> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir("/proc").expect("/proc").flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<u32>().ok())
        else {
            continue;
        };
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        if String::from_utf8_lossy(&line).contains(&*root.join("pods").to_string_lossy()) {
            found.insert(pid);
        }
    }
    found
}

/// The node's cgroup in every hierarchy, as its shims tell it.
fn cgroups_of(root: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for shim in processes_of(root) {
        let groups = fs::read_to_string(format!("/proc/{shim}/cgroup")).unwrap_or_default();
        let own = groups
            .lines()
            .find_map(|line| line.split("/plimsoll/").nth(1)?.split('/').next());
        let Some(own) = own else { continue };
        for hierarchy in fs::read_dir("/sys/fs/cgroup").expect("cgroups").flatten() {
            found.insert(hierarchy.path().join("plimsoll").join(own));
        }
        found.insert(Path::new("/sys/fs/cgroup/plimsoll").join(own));
    }
    found
}

pub fn echo_config(name: &str, args: &[&str]) -> ContainerConfig {
    ContainerConfig {
        name: name.to_owned(),
        image: "plimsoll/echo".to_owned(),
        args: words(args),
        log_path: PathBuf::from(format!("{name}/0.log")),
        ..Default::default()
    }
}

pub fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

/// What a container wrote: its log without times and tags.
pub fn log_text(path: &Path) -> String {
    let log = fs::read_to_string(path).expect("the log");
    let line = |line: &str| line.splitn(4, ' ').nth(3).map(|text| format!("{text}\n"));
    log.lines()
        .map(|text| line(text).expect("a line in CRI's format"))
        .collect()
}

/// The answer to an HTTP request, once the server listens.
pub async fn http_get(address: std::net::IpAddr, port: u16, path: &str) -> String {
    let (path, asked) = (path.to_owned(), std::time::Instant::now());
    let answer = tokio::task::spawn_blocking(move || {
        loop {
            match TcpStream::connect_timeout(&(address, port).into(), PATIENCE) {
                Ok(mut connection) => {
                    let request =
                        format!("GET {path} HTTP/1.1\r\nHost: pod\r\nConnection: close\r\n\r\n");
                    connection.write_all(request.as_bytes()).expect("write");
                    let mut answer = String::new();
                    connection.read_to_string(&mut answer).expect("read");
                    return answer;
                }
                // The container runs, but its server may not listen yet; there is no event for that.
                Err(e) if asked.elapsed() < PATIENCE => {
                    assert_eq!(e.kind(), std::io::ErrorKind::ConnectionRefused, "{e}");
                    std::thread::yield_now();
                }
                Err(e) => panic!("{address}:{port}: {e}"),
            }
        }
    });
    answer.await.expect("an answer")
}

fn shim_program() -> PathBuf {
    let test = std::env::current_exe().expect("this program");
    let target = test
        .parent()
        .and_then(Path::parent)
        .expect("the target directory");
    target.join("examples/shim")
}
