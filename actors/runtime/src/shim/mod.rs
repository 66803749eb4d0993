//! The shim: one small process per pod that holds the pod.
//!
//! It is the pod's pause process (its network, uts, ipc and mount namespaces are the pod's), the
//! parent of the pod's containers and the writer of their logs, and it survives its kubelet. It has
//! a single thread because libcontainer forks with a raw clone and changes the working directory.

mod badness;
mod client;
mod container;
mod exec;
mod log;
pub(crate) mod protocol;
mod rootfs;
mod server;
mod signals;
mod working_directory;
mod workload;

pub(crate) use client::{receive_descriptors, send_descriptors};

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

use crate::process::ProcessIdentity;
use crate::state::{SandboxRecord, file};
use crate::{cgroup, durable};

/// What the shim says on its standard output once it can be spoken to. Anything else is an error.
pub(crate) const READY: &str = "ready";

/// Size of a pod's `/dev/shm`, as containerd gives.
const SHM_OPTIONS: &str = "mode=1777,size=65536k";

/// The program `shim STATE_DIRECTORY`: holds one pod until it is told to shut down.
///
/// Must be called while the process has a single thread, so before any tokio runtime exists.
/// Standard output is a pipe to the runtime, which takes one line, `ready` or an error.
pub fn shim_main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let ended = prepare(args).and_then(|server| {
        announce(READY)?;
        detach_output()?;
        server.run()
    });
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("shim: {error:#}");
            let _ = announce(&format!("{error:#}").replace('\n', " "));
            ExitCode::FAILURE
        }
    }
}

fn announce(line: &str) -> anyhow::Result<()> {
    let mut out = io::stdout();
    writeln!(out, "{line}")
        .and_then(|()| out.flush())
        .context("the runtime is gone")
}

/// The runtime waits for the end of the pipe; it must not stay open in the shim or in containers.
fn detach_output() -> anyhow::Result<()> {
    let null = fs::OpenOptions::new().write(true).open("/dev/null")?;
    nix::unistd::dup2_stdout(&null)?;
    Ok(())
}

fn prepare(args: impl IntoIterator<Item = OsString>) -> anyhow::Result<server::Server> {
    let mut args = args.into_iter();
    let (Some(directory), None) = (args.next(), args.next()) else {
        bail!("the shim takes one argument, its state directory; the kubelet starts it");
    };
    let directory = PathBuf::from(directory);
    nix::unistd::setsid().context("cannot leave the runtime's session")?;
    std::env::set_current_dir(&directory).with_context(|| format!("{}", directory.display()))?;
    let record: SandboxRecord = durable::read_json(Path::new(file::SANDBOX))?;

    cgroup::join_apart(&record.cgroup.join("shim")).context("cannot join a cgroup of its own")?;
    nix::sys::prctl::set_child_subreaper(true)?;
    nix::sys::prctl::set_name(c"plimsoll-shim")?;
    let signals = signals::Signals::take()?;
    enter_namespaces(&record)?;

    let _ = fs::remove_file(file::SOCKET);
    let listener =
        UnixListener::bind(file::SOCKET).context("cannot listen on the shim's socket")?;
    listener.set_nonblocking(true)?;
    durable::write_json(
        Path::new(file::SHIM),
        &ProcessIdentity::of(std::process::id())?,
    )?;
    Ok(server::Server::new(directory, listener, signals))
}

/// Makes the pod's namespaces around this process; containers inherit them. Mounts made from here on
/// are seen by nobody else and vanish with the last process of the pod.
fn enter_namespaces(record: &SandboxRecord) -> anyhow::Result<()> {
    let mut flags = CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWUTS;
    if !record.config.host_network {
        flags |= CloneFlags::CLONE_NEWNET;
    }
    if !record.config.host_ipc {
        flags |= CloneFlags::CLONE_NEWIPC;
    }
    unshare(flags).context("cannot make the pod's namespaces (root is needed)")?;
    let none: Option<&str> = None;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_SLAVE, none)
        .context("cannot take mounts apart")?;
    rustix::system::sethostname(record.config.hostname.as_bytes())
        .context("cannot set the host name")?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(
        Some("shm"),
        file::SHM,
        Some("tmpfs"),
        flags,
        Some(SHM_OPTIONS),
    )
    .context("cannot mount /dev/shm")?;
    Ok(())
}
