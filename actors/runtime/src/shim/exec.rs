//! Commands run in a container that runs already.

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::Path;

use anyhow::{Context, bail};
use libcontainer::container::builder::ContainerBuilder;
use libcontainer::oci_spec::runtime::Spec;
use libcontainer::syscall::syscall::SyscallType;

use super::badness;
use super::container::accept_terminal;
use super::workload::Workload;
use crate::cri::ExecConfig;
use crate::state::file;

/// A command that runs.
pub(super) struct Started {
    /// Process id on the host; a child of the shim.
    pub(super) pid: i32,
    /// The other end of its terminal, if it has one.
    pub(super) terminal: Option<OwnedFd>,
}

/// Runs a command in container `name`, with the container's environment, user and rights.
/// `descriptors` are standard input, output and error as far as `config` connects them.
pub(super) fn start(
    sandbox: &Path,
    name: &str,
    config: &ExecConfig,
    descriptors: Vec<OwnedFd>,
) -> anyhow::Result<Started> {
    let directory = sandbox.join(file::CONTAINERS).join(name);
    let process = directory.join("exec.json");
    fs::write(&process, process_json(&directory, config)?)?;
    let mut descriptors = descriptors.into_iter();
    let expected = if config.tty {
        0
    } else {
        2 + usize::from(config.stdin)
    };
    if descriptors.len() != expected {
        bail!(
            "{} descriptors came, {expected} are needed",
            descriptors.len()
        );
    }

    let (workload, refusals) = Workload::new()?;
    let mut builder = ContainerBuilder::new(name.to_owned(), SyscallType::default())
        .with_root_path(sandbox.join(file::OCI))?
        .with_executor(workload);
    let console = match config.tty {
        true => Some(listen(name)?),
        false => None,
    };
    if console.is_some() {
        builder = builder.with_console_socket(Some(directory.join("exec.sock")));
    } else {
        builder.stdin = if config.stdin {
            descriptors.next()
        } else {
            None
        };
        builder.stdout = descriptors.next();
        builder.stderr = descriptors.next();
    }
    let tenant = builder
        .as_tenant()
        .with_process(Some(&process))
        .with_detach(true);
    let started = badness::kept(|| tenant.build());
    refusals.wait().map_err(anyhow::Error::msg)?;
    let pid = started?.as_raw();
    let terminal = console.as_ref().map(accept_terminal).transpose()?;
    let _ = fs::remove_file(directory.join("exec.sock"));
    Ok(Started { pid, terminal })
}

fn listen(name: &str) -> anyhow::Result<UnixListener> {
    let relative = Path::new(file::CONTAINERS).join(name).join("exec.sock");
    let _ = fs::remove_file(&relative);
    UnixListener::bind(relative).context("cannot listen for the terminal")
}

/// The container's own process with another command.
fn process_json(directory: &Path, config: &ExecConfig) -> anyhow::Result<Vec<u8>> {
    let spec = Spec::load(directory.join(file::CONFIG))?;
    let mut process = spec
        .process()
        .clone()
        .context("the container has no process")?;
    process.set_args(Some(config.command.clone()));
    process.set_terminal(Some(config.tty));
    if config.tty {
        // As containerd does (`internal/cri/server/container_execsync.go`), whatever the container has.
        let mut env = process.env().clone().unwrap_or_default();
        env.retain(|line| !line.starts_with("TERM="));
        env.push("TERM=xterm".to_owned());
        process.set_env(Some(env));
    }
    Ok(serde_json::to_vec(&process)?)
}
