//! The shim's loop: its socket, its children, their output, its clock.

use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};

use super::client::Client;
use super::container::Container;
use super::exec;
use super::protocol::{Answer, Call, Message, Refusal, Request, VERSION};
use super::signals::Signals;
use crate::cri::ExecConfig;

/// Connections at a time; further ones wait to be accepted.
const CLIENTS_MAX: usize = 256;

/// Longest grace time that is kept, so that a deadline can always be reckoned.
const GRACE_MAX: Duration = Duration::from_secs(365 * 86_400);

/// Everything the shim has.
pub(super) struct Server {
    directory: PathBuf,
    listener: UnixListener,
    signals: Signals,
    clients: BTreeMap<u64, Client>,
    client_next: u64,
    containers: BTreeMap<String, Container>,
    /// Commands run in containers: process id and the client to tell.
    execs: BTreeMap<i32, u64>,
    /// Removals that wait for the container's end: container, client, request.
    removals: Vec<(String, u64, u64)>,
    /// Who asked the shim to end.
    shutdown: Option<(u64, u64)>,
}

/// What a polled descriptor belongs to.
enum Source {
    Signals,
    Listener,
    Client(u64),
    Output(String, usize),
}

impl Server {
    pub(super) fn new(directory: PathBuf, listener: UnixListener, signals: Signals) -> Self {
        Self {
            directory,
            listener,
            signals,
            clients: BTreeMap::new(),
            client_next: 0,
            containers: BTreeMap::new(),
            execs: BTreeMap::new(),
            removals: Vec::new(),
            shutdown: None,
        }
    }

    /// Serves until it is told to shut down.
    pub(super) fn run(mut self) -> anyhow::Result<()> {
        loop {
            for source in self.wait()? {
                match source {
                    Source::Signals => self.signals.clear(),
                    Source::Listener => self.accept(),
                    Source::Client(id) => self.serve(id),
                    Source::Output(name, at) => {
                        if let Some(container) = self.containers.get_mut(&name) {
                            container.read(at);
                        }
                    }
                }
            }
            self.reap();
            let now = Instant::now();
            for container in self.containers.values_mut() {
                if container.kill_at.is_some_and(|due| due <= now) {
                    container.kill();
                }
            }
            if let Some((client, id)) = self.shutdown
                && !self.containers.values().any(Container::runs)
            {
                self.answer(client, id, Ok(Answer::Done));
                return Ok(());
            }
        }
    }

    /// Waits for something to do. Outputs of one container are told from the last to the first: reading
    /// one may remove it, which moves only those after it.
    fn wait(&self) -> anyhow::Result<Vec<Source>> {
        let mut sources = vec![Source::Signals];
        let mut polled = vec![PollFd::new(self.signals.as_fd(), PollFlags::POLLIN)];
        if self.clients.len() < CLIENTS_MAX {
            polled.push(PollFd::new(self.listener.as_fd(), PollFlags::POLLIN));
            sources.push(Source::Listener);
        }
        for (id, client) in &self.clients {
            let write = if client.is_behind() {
                PollFlags::POLLOUT
            } else {
                PollFlags::empty()
            };
            polled.push(PollFd::new(client.as_fd(), PollFlags::POLLIN | write));
            sources.push(Source::Client(*id));
        }
        for (name, container) in &self.containers {
            let outputs: Vec<_> = container.outputs().enumerate().collect();
            for (at, output) in outputs.into_iter().rev() {
                polled.push(PollFd::new(output, PollFlags::POLLIN));
                sources.push(Source::Output(name.clone(), at));
            }
        }
        match poll(&mut polled, self.timeout()) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        let ready = polled
            .iter()
            .map(|fd| fd.any().unwrap_or(true))
            .collect::<Vec<_>>();
        Ok(sources
            .into_iter()
            .zip(ready)
            .filter_map(|(source, ready)| ready.then_some(source))
            .collect())
    }

    /// Until the next SIGKILL is due, rounded up, so that it is due when the wait is over.
    fn timeout(&self) -> PollTimeout {
        let due = self
            .containers
            .values()
            .filter_map(|container| container.kill_at)
            .min();
        let Some(due) = due else {
            return PollTimeout::NONE;
        };
        let left = due.saturating_duration_since(Instant::now()).as_millis() + 1;
        PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
    }

    fn accept(&mut self) {
        while self.clients.len() < CLIENTS_MAX
            && let Ok((stream, _)) = self.listener.accept()
        {
            if let Ok(client) = Client::new(stream) {
                self.clients.insert(self.client_next, client);
                self.client_next += 1;
            }
        }
    }

    fn serve(&mut self, id: u64) {
        let Some(client) = self.clients.get_mut(&id) else {
            return;
        };
        if let Err(why) = client.write().and_then(|()| client.read()) {
            return self.close(id, &why);
        }
        loop {
            let Some(client) = self.clients.get_mut(&id) else {
                return;
            };
            match client.next_request() {
                Ok(Some(request)) => self.handle(id, request),
                Ok(None) => return,
                Err(why) => return self.close(id, &why),
            }
        }
    }

    fn close(&mut self, client: u64, why: &str) {
        if self.clients.remove(&client).is_some() && why != "closed" {
            eprintln!("shim: client {client}: {why}");
        }
    }

    fn handle(&mut self, client: u64, Request { id, call }: Request) {
        let Some(asking) = self.clients.get_mut(&client) else {
            return;
        };
        let descriptors = asking.take_descriptors();
        let answer = match call {
            Call::Hello { version: VERSION } => {
                asking.welcome = true;
                Ok(Answer::Done)
            }
            Call::Hello { version } => Err(failed(format!(
                "the shim speaks version {VERSION} of its protocol, not {version}"
            ))),
            _ if !asking.welcome => Err(failed("say Hello first")),
            Call::Subscribe => {
                asking.subscribed = true;
                let all = self
                    .containers
                    .iter()
                    .map(|(name, c)| (name.clone(), c.progress.clone()));
                Ok(Answer::Containers(all.collect()))
            }
            Call::Start { container } => self.start(container),
            Call::Stop {
                container,
                signal,
                grace_ms,
            } => {
                let grace = Duration::from_millis(grace_ms).min(GRACE_MAX);
                match self.containers.get_mut(&container) {
                    Some(found) if found.runs() => {
                        found.stop(signal, grace);
                        return found.waiting.push((client, id));
                    }
                    _ => Ok(Answer::Done),
                }
            }
            Call::Remove { container } => match self.containers.get_mut(&container) {
                Some(found) if found.runs() => {
                    found.kill();
                    return self.removals.push((container, client, id));
                }
                _ => self.remove(&container),
            },
            Call::Exec { container, config } => {
                return self.exec(client, id, &container, &config, descriptors);
            }
            Call::ReopenLog { container } => match self.containers.get_mut(&container) {
                Some(found) => found.reopen_log().map(|()| Answer::Done).map_err(failed),
                None => Err(Refusal::NotFound(container)),
            },
            Call::Shutdown => {
                self.containers.values_mut().for_each(Container::kill);
                self.shutdown = Some((client, id));
                return;
            }
        };
        self.answer(client, id, answer);
    }

    fn start(&mut self, name: String) -> Result<Answer, Refusal> {
        if !is_directory_name(&name) {
            return Err(Refusal::NotFound(name));
        }
        if self.shutdown.is_some() {
            return Err(failed("the sandbox is being stopped"));
        }
        if let Some(found) = self.containers.get(&name) {
            return match found.runs() {
                true => Ok(Answer::Started(found.progress.clone())),
                false => Err(Refusal::NotStarted(found.progress.clone())),
            };
        }
        let container =
            Container::start(&self.directory, &name).map_err(|e| failed(format!("{e:#}")))?;
        let (runs, progress) = (container.runs(), container.progress.clone());
        self.containers.insert(name, container);
        if runs {
            Ok(Answer::Started(progress))
        } else {
            Err(Refusal::NotStarted(progress))
        }
    }

    fn remove(&mut self, name: &str) -> Result<Answer, Refusal> {
        if !is_directory_name(name) {
            return Err(Refusal::NotFound(name.to_owned()));
        }
        self.containers.remove(name);
        Container::remove(&self.directory, name)
            .map(|()| Answer::Done)
            .map_err(failed)
    }

    fn exec(
        &mut self,
        client: u64,
        id: u64,
        name: &str,
        config: &ExecConfig,
        descriptors: Vec<std::os::fd::OwnedFd>,
    ) {
        if !self.containers.get(name).is_some_and(Container::runs) {
            return self.answer(client, id, Err(Refusal::NotFound(name.to_owned())));
        }
        let started = match exec::start(&self.directory, name, config, descriptors) {
            Ok(started) => started,
            Err(error) => return self.answer(client, id, Err(failed(format!("{error:#}")))),
        };
        self.execs.insert(started.pid, client);
        let Some(asking) = self.clients.get_mut(&client) else {
            return;
        };
        let message = Message::Answer {
            id,
            result: Ok(Answer::Done),
        };
        let sent = match &started.terminal {
            Some(terminal) => asking.send_with(&message, terminal),
            None => asking.send(&message),
        };
        if let Err(why) = sent {
            self.close(client, &why);
        }
    }

    fn answer(&mut self, client: u64, id: u64, result: Result<Answer, Refusal>) {
        self.send(client, &Message::Answer { id, result });
    }

    fn send(&mut self, client: u64, message: &Message) {
        if let Some(found) = self.clients.get_mut(&client)
            && let Err(why) = found.send(message)
        {
            self.close(client, &why);
        }
    }

    /// Takes every child that has ended. Children the shim does not know are what containers in the
    /// host's pid namespace left to it.
    fn reap(&mut self) {
        loop {
            let (pid, exit_code) = match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(pid, code)) => (pid.as_raw(), code),
                Ok(WaitStatus::Signaled(pid, signal, _)) => (pid.as_raw(), 128 + signal as i32),
                Err(Errno::EINTR) => continue,
                Ok(WaitStatus::StillAlive) | Err(_) => return,
                Ok(_) => continue,
            };
            if let Some(client) = self.execs.remove(&pid) {
                self.send(client, &Message::ExecEnded { exit_code });
            }
            let ended = self.containers.iter().find_map(|(name, container)| {
                (container.runs() && container.progress.pid == u32::try_from(pid).ok())
                    .then(|| name.clone())
            });
            if let Some(name) = ended {
                self.container_ended(&name, exit_code);
            }
        }
    }

    fn container_ended(&mut self, name: &str, exit_code: i32) {
        let Some(container) = self.containers.get_mut(name) else {
            return;
        };
        if let Err(error) = container.ended(exit_code) {
            eprintln!("shim: {name}: {error:#}");
        }
        let waiting = std::mem::take(&mut container.waiting);
        let event = Message::Exited {
            container: name.to_owned(),
            progress: container.progress.clone(),
        };
        let subscribed: Vec<u64> = self
            .clients
            .iter()
            .filter(|(_, c)| c.subscribed)
            .map(|(id, _)| *id)
            .collect();
        for client in subscribed {
            self.send(client, &event);
        }
        for (client, id) in waiting {
            self.answer(client, id, Ok(Answer::Done));
        }
        let (due, rest) = std::mem::take(&mut self.removals)
            .into_iter()
            .partition(|(of, _, _)| of == name);
        self.removals = rest;
        for (_, client, id) in due as Vec<(String, u64, u64)> {
            let removed = self.remove(name);
            self.answer(client, id, removed);
        }
    }
}

fn failed(error: impl ToString) -> Refusal {
    Refusal::Failed(error.to_string())
}

/// Whether a container's name is one directory, so that it cannot lead out of the sandbox's.
fn is_directory_name(name: &str) -> bool {
    let mut parts = Path::new(name).components();
    matches!(
        (parts.next(), parts.next()),
        (Some(std::path::Component::Normal(_)), None)
    ) && !name.contains('\0')
}
