//! A kubelet under test.

use std::cell::RefCell;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::atomic::{AtomicU32, Ordering};

use kubelet::{Capacity, Config};
use shell::{Environment, Shutdown, Trigger, Why};
use tempfile::TempDir;
use tokio::task::JoinHandle;

use crate::api::Api;

static NEXT: AtomicU32 = AtomicU32::new(0);

pub struct Node {
    pub directory: Rc<TempDir>,
    config: Config,
    trigger: Trigger,
    task: JoinHandle<anyhow::Result<()>>,
}

impl Node {
    pub async fn start(api: &Api) -> Self {
        let directory = Rc::new(tempfile::tempdir().expect("a directory"));
        let number = std::process::id()
            .wrapping_mul(37)
            .wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let cidr = format!("10.{}.{}.0/24", 241 + number / 256 % 10, number % 256);
        let config = Config {
            address: "127.0.0.1:0".parse().expect("an address"),
            apiserver: api.address,
            credentials: api.credentials("node-1"),
            node_name: "node-1".to_owned(),
            node_address: IpAddr::from([127, 0, 0, 1]),
            directory: directory.path().join("node"),
            images: directory.path().join("images"),
            pod_cidr: cidr.parse().expect("a subnet"),
            shim: vec![shim().into_os_string()],
            capacity: Capacity {
                cpu_milli: Some(4000),
                ..Capacity::default()
            },
            trace: Some(shell::Tracing {
                directory: directory.path().join("trace"),
                inputs: true,
            }),
            incarnation: 1,
        };
        Self::launch(directory, config).await
    }

    async fn launch(directory: Rc<TempDir>, config: Config) -> Self {
        let (trigger, shutdown) = Shutdown::new();
        let (ready, is_ready) = tokio::sync::oneshot::channel();
        let mut task = tokio::task::spawn_local(kubelet::run(
            config.clone(),
            Environment::system(),
            shutdown,
            Box::new(|| {
                // Nobody waits any more if the test has failed meanwhile.
                let _ = ready.send(());
            }),
        ));
        tokio::select! {
            ready = is_ready => ready.expect("it becomes ready"),
            ended = &mut task => panic!("the kubelet ended: {ended:?}"),
        }
        Node {
            directory,
            config,
            trigger,
            task,
        }
    }

    /// Ends this kubelet as a crash does, its pods running, and starts another on the same directory.
    pub async fn restart(self) -> Self {
        self.trigger.ask(Why::Restart);
        self.task.await.expect("no panic").expect("a clean end");
        let config = Config {
            incarnation: self.config.incarnation + 1,
            ..self.config
        };
        Self::launch(self.directory, config).await
    }

    /// Stops everything; what is left of it is a failure.
    pub async fn stop(self) {
        self.trigger.ask(Why::Stop);
        self.task.await.expect("no panic").expect("a clean end");
        let root = self.config.directory.clone();
        assert_eq!(left_over(&root), Vec::<String>::new());
    }

    pub fn root(&self) -> &Path {
        &self.config.directory
    }
}

/// Processes and mounts that name the node's directory.
pub fn left_over(root: &Path) -> Vec<String> {
    let name = root.display().to_string();
    let mut left: Vec<String> = std::fs::read_to_string("/proc/self/mountinfo")
        .expect("mounts")
        .lines()
        .filter(|line| line.contains(&name))
        .map(str::to_owned)
        .collect();
    for entry in std::fs::read_dir("/proc").expect("processes").flatten() {
        let command = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command).into_owned();
        if command.contains(&name) {
            left.push(command);
        }
    }
    left
}

fn shim() -> PathBuf {
    let test = std::env::current_exe().expect("this program");
    let target = test
        .parent()
        .and_then(Path::parent)
        .expect("the target directory");
    target.join("examples/pod_shim")
}

/// Runs a test on one thread, as the kubelet's process does.
pub fn run(test: impl Future<Output = ()> + 'static) {
    let done = Rc::new(RefCell::new(false));
    let flag = done.clone();
    shell::run(async move {
        test.await;
        *flag.borrow_mut() = true;
    })
    .expect("a system");
    assert!(*done.borrow(), "the test did not reach its end");
}
