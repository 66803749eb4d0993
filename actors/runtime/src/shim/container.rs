//! One container as the shim has it: its start, its output, its end.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use libcontainer::container::builder::ContainerBuilder;
use libcontainer::syscall::syscall::SyscallType;
use nix::errno::Errno;
use rustix::fs::OFlags;

use super::client::receive_descriptors;
use super::log::{Lines, LogFile, Stream};
use super::workload::Workload;
use super::{badness, rootfs, signals, working_directory};
use crate::cri::{ContainerState, reason};
use crate::state::{ContainerRecord, Launch, Progress, file};
use crate::{cgroup, durable};

/// Exit code of a container whose program could not be started, as containerd gives.
const START_ERROR_CODE: i32 = 128;

/// How much output is taken at once.
const READ_BYTES: usize = 64 * 1024;

/// A container that was started.
#[derive(Debug)]
pub(super) struct Container {
    directory: PathBuf,
    launch: Launch,
    /// Its life so far, as in its state file.
    pub(super) progress: Progress,
    outputs: Vec<Output>,
    log: Option<LogFile>,
    /// Held so that standard input stays open.
    _stdin: Option<OwnedFd>,
    /// When SIGKILL is due.
    pub(super) kill_at: Option<Instant>,
    /// Who waits for its end: client and request.
    pub(super) waiting: Vec<(u64, u64)>,
}

#[derive(Debug)]
struct Output {
    from: OwnedFd,
    lines: Lines,
}

/// The container's ends of its standard streams, and the shim's.
struct Streams {
    stdin: Option<OwnedFd>,
    stdout: Option<OwnedFd>,
    stderr: Option<OwnedFd>,
    held_stdin: Option<OwnedFd>,
    outputs: Vec<Output>,
}

impl Container {
    /// Starts the container prepared in `directory` of the sandbox in the working directory.
    /// A container that cannot be started has ended with that: its state says why.
    pub(super) fn start(sandbox: &Path, name: &str) -> anyhow::Result<Self> {
        let directory = sandbox.join(file::CONTAINERS).join(name);
        let record: ContainerRecord = durable::read_json(&directory.join(file::CONTAINER))?;
        let launch = record.launch;
        let progress = Progress {
            state: ContainerState::Running,
            pid: None,
            started_at: durable::now(),
            finished_at: 0,
            exit_code: 0,
            reason: String::new(),
            message: String::new(),
        };
        let log = match launch.log_path.as_os_str().is_empty() {
            true => None,
            false => {
                Some(LogFile::open(launch.log_path.clone()).context("cannot open the log file")?)
            }
        };
        let mut container = Self {
            directory,
            launch,
            progress,
            outputs: Vec::new(),
            log,
            _stdin: None,
            kill_at: None,
            waiting: Vec::new(),
        };
        if let Err(error) = container.launch(sandbox, name) {
            let _ = cgroup::kill_all(&container.launch.cgroup);
            container.progress.message = format!("{error:#}");
            container.progress.reason = reason::START_ERROR.to_owned();
            container.settle(START_ERROR_CODE);
        }
        container.save()?;
        Ok(container)
    }

    fn launch(&mut self, sandbox: &Path, name: &str) -> anyhow::Result<()> {
        rootfs::prepare(&self.directory, &self.launch)?;
        let entered = working_directory::prepare(&self.directory);
        let console = match self.launch.tty {
            true => Some(self.console(name)?),
            false => None,
        };
        let (workload, refusals) = Workload::new()?;
        let mut builder = ContainerBuilder::new(name.to_owned(), SyscallType::default())
            .with_root_path(sandbox.join(file::OCI))?
            .with_executor(workload);
        if let Some((_, path)) = &console {
            builder = builder.with_console_socket(Some(path));
        } else {
            let streams = Streams::open(self.launch.stdin)?;
            (builder.stdin, builder.stdout, builder.stderr) =
                (streams.stdin, streams.stdout, streams.stderr);
            (self.outputs, self._stdin) = (streams.outputs, streams.held_stdin);
        }
        let init = builder
            .as_init(&self.directory)
            .with_systemd(false)
            .with_detach(true);
        let mut oci = badness::kept(|| init.build()).map_err(|error| match entered {
            Ok(()) => anyhow::Error::new(error),
            // libcontainer does not say which directory and why.
            Err(why) => why.context(error),
        })?;
        if let Some((listener, path)) = console {
            let terminal = accept_terminal(&listener)?;
            let _ = fs::remove_file(path);
            self.outputs = vec![Output::new(terminal, Stream::Stdout)?];
        }
        oci.start()?;
        refusals.wait().map_err(anyhow::Error::msg)?;
        let pid = oci.pid().context("libcontainer knows no process")?;
        self.progress.pid = Some(u32::try_from(pid.as_raw())?);
        self.progress.started_at = durable::now();
        Ok(())
    }

    /// A socket to receive the terminal on. It is bound relative to the working directory, because a
    /// socket's path has 108 bytes at most.
    fn console(&self, name: &str) -> anyhow::Result<(UnixListener, PathBuf)> {
        let relative = Path::new(file::CONTAINERS).join(name).join("console.sock");
        let _ = fs::remove_file(&relative);
        let listener = UnixListener::bind(&relative).context("cannot listen for the terminal")?;
        Ok((listener, self.directory.join("console.sock")))
    }

    /// Whether its process runs.
    pub(super) fn runs(&self) -> bool {
        self.progress.state == ContainerState::Running
    }

    /// Sends `signal` and sees that SIGKILL follows after `grace`, or earlier if that was asked before.
    pub(super) fn stop(&mut self, signal: i32, grace: Duration) {
        let due = Instant::now() + grace;
        if grace.is_zero() {
            return self.kill();
        }
        match self.kill_at {
            Some(earlier) => self.kill_at = Some(earlier.min(due)),
            None => {
                self.kill_at = Some(due);
                self.signal(signal);
            }
        }
    }

    /// Sends SIGKILL.
    pub(super) fn kill(&mut self) {
        self.kill_at = None;
        self.signal(nix::libc::SIGKILL);
    }

    fn signal(&self, number: i32) {
        if let (true, Some(pid)) = (self.runs(), self.progress.pid)
            && let Err(error) = signals::send(pid, number)
        {
            eprintln!("shim: signal {number} to {pid}: {error}");
        }
    }

    /// Its process has ended and was reaped: takes the rest of its output, kills what it left behind
    /// and keeps the outcome for good.
    pub(super) fn ended(&mut self, exit_code: i32) -> anyhow::Result<()> {
        let _ = cgroup::kill_all(&self.launch.cgroup);
        for at in (0..self.outputs.len()).rev() {
            while self.read(at) {}
        }
        self.settle(exit_code);
        self.save()
    }

    fn settle(&mut self, exit_code: i32) {
        self.finish_output();
        let out_of_memory = exit_code != 0 && cgroup::oom_kills(&self.launch.cgroup) > 0;
        let progress = &mut self.progress;
        progress.state = ContainerState::Exited;
        progress.pid = None;
        progress.finished_at = durable::now();
        progress.exit_code = exit_code;
        if progress.reason.is_empty() {
            let why = match exit_code {
                _ if out_of_memory => reason::OOM_KILLED,
                0 => reason::COMPLETED,
                _ => reason::ERROR,
            };
            progress.reason = why.to_owned();
        }
        self.kill_at = None;
        self._stdin = None;
        rootfs::release(&self.directory);
        if let Err(error) = cgroup::remove(&self.launch.cgroup) {
            eprintln!("shim: {error}");
        }
    }

    fn save(&self) -> anyhow::Result<()> {
        Ok(durable::write_json(
            &self.directory.join(file::STATE),
            &self.progress,
        )?)
    }

    /// Removes what the container left on disk. It must not run.
    pub(super) fn remove(sandbox: &Path, name: &str) -> io::Result<()> {
        let directory = sandbox.join(file::CONTAINERS).join(name);
        rootfs::release(&directory);
        for gone in [sandbox.join(file::OCI).join(name), directory] {
            match fs::remove_dir_all(&gone) {
                Err(e) if e.kind() != ErrorKind::NotFound => return Err(e),
                _ => {}
            }
        }
        Ok(())
    }

    /// Opens its log file again.
    pub(super) fn reopen_log(&mut self) -> io::Result<()> {
        self.log.as_mut().map_or(Ok(()), LogFile::reopen)
    }

    /// The descriptors its output comes from.
    pub(super) fn outputs(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.outputs.iter().map(|output| output.from.as_fd())
    }

    /// Takes what there is on the output of number `at`. False if there is no more for now, or ever.
    pub(super) fn read(&mut self, at: usize) -> bool {
        let Some(output) = self.outputs.get_mut(at) else {
            return false;
        };
        let mut buffer = [0u8; READ_BYTES];
        match nix::unistd::read(&output.from, &mut buffer) {
            Ok(length @ 1..) => {
                if let Some(log) = &mut self.log
                    && let Err(error) = output.lines.push(&buffer[..length], log)
                {
                    // A full disk must not stop the container: its output is lost, as with containerd.
                    eprintln!("shim: log: {error}");
                }
                true
            }
            Err(Errno::EINTR) => true,
            Err(Errno::EAGAIN) => false,
            // A terminal answers EIO when its last user is gone.
            Ok(_) | Err(_) => {
                let mut gone = self.outputs.swap_remove(at);
                if let Some(log) = &mut self.log {
                    let _ = gone.lines.finish(log);
                }
                false
            }
        }
    }

    fn finish_output(&mut self) {
        for mut output in self.outputs.drain(..) {
            if let Some(log) = &mut self.log {
                let _ = output.lines.finish(log);
            }
        }
    }
}

impl Output {
    fn new(from: OwnedFd, stream: Stream) -> io::Result<Self> {
        let flags = rustix::fs::fcntl_getfl(&from)?;
        rustix::fs::fcntl_setfl(&from, flags | OFlags::NONBLOCK)?;
        Ok(Self {
            from,
            lines: Lines::new(stream),
        })
    }
}

impl Streams {
    fn open(with_stdin: bool) -> io::Result<Self> {
        let (out_reader, out_writer) = io::pipe()?;
        let (err_reader, err_writer) = io::pipe()?;
        let stdin = if with_stdin { Some(io::pipe()?) } else { None };
        let (stdin, held_stdin) = stdin.map(|(r, w)| (r.into(), w.into())).unzip();
        Ok(Self {
            stdin,
            stdout: Some(out_writer.into()),
            stderr: Some(err_writer.into()),
            held_stdin,
            outputs: vec![
                Output::new(out_reader.into(), Stream::Stdout)?,
                Output::new(err_reader.into(), Stream::Stderr)?,
            ],
        })
    }
}

/// Takes the terminal that libcontainer has sent; it has done so before it returned.
pub(super) fn accept_terminal(listener: &UnixListener) -> anyhow::Result<OwnedFd> {
    listener.set_nonblocking(true)?;
    let (stream, _) = listener.accept().context("no terminal came")?;
    let mut descriptors = Vec::new();
    receive_descriptors(&stream, &mut [0; 64], &mut descriptors)?;
    descriptors.pop().context("no terminal came")
}
