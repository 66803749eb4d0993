//! A simulated process: a component with all its tasks and actors, which can be killed and paused as a whole.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use tokio::task::{JoinHandle, LocalSet};
use tokio::time::{Instant, Sleep, sleep_until};

thread_local! {
    static CURRENT: RefCell<Option<Rc<str>>> = const { RefCell::new(None) };
}

/// The name of the process whose code is running on this thread, if any: for log lines.
pub fn current() -> Option<Rc<str>> {
    CURRENT.with_borrow(Clone::clone)
}

/// How a process ended.
#[derive(Debug)]
pub enum Ending {
    /// It was killed.
    Killed,
    /// Its component came to an end.
    Left(anyhow::Result<()>),
    /// Its component panicked.
    Panicked(String),
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ending::Killed => f.write_str("was killed"),
            Ending::Left(Ok(())) => f.write_str("has ended"),
            Ending::Left(Err(error)) => write!(f, "has failed: {error:#}"),
            Ending::Panicked(why) => write!(f, "has panicked: {why}"),
        }
    }
}

/// A process. Clones are handles to the same one.
#[derive(Clone, Default)]
pub struct Process(Rc<Gate>);

#[derive(Default)]
struct Gate {
    killed: Cell<bool>,
    paused_until: Cell<Option<Instant>>,
    waker: RefCell<Option<Waker>>,
}

impl Process {
    /// Nothing of it runs from here on. What it had sent is on its way.
    pub fn kill(&self) {
        self.0.killed.set(true);
        self.wake();
    }

    /// Nothing of it runs until then.
    pub fn pause(&self, until: Instant) {
        self.0.paused_until.set(Some(until));
        self.wake();
    }

    /// Runs a component as this process: whatever it spawns on its thread ends with it.
    pub fn run<C>(&self, name: Rc<str>, component: C) -> impl Future<Output = Ending> + use<C>
    where
        C: Future<Output = anyhow::Result<()>> + 'static,
    {
        let tasks = LocalSet::new();
        let main = tasks.spawn_local(component);
        Running {
            name,
            gate: self.0.clone(),
            tasks: Some(tasks),
            main,
            pause: None,
        }
    }

    fn wake(&self) {
        if let Some(waker) = self.0.waker.take() {
            waker.wake();
        }
    }
}

struct Running {
    name: Rc<str>,
    gate: Rc<Gate>,
    /// Gone once the process has ended.
    tasks: Option<LocalSet>,
    main: JoinHandle<anyhow::Result<()>>,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Running {
    fn end(&mut self, ending: Ending) -> Poll<Ending> {
        self.named(|this| this.tasks = None);
        Poll::Ready(ending)
    }

    /// Does something in the name of the process.
    fn named<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> T {
        let outer = CURRENT.replace(Some(self.name.clone()));
        let done = work(self);
        CURRENT.set(outer);
        done
    }

    /// Whether the process is paused; if so, the task is woken when it is over.
    fn paused(&mut self, context: &mut Context<'_>) -> bool {
        let Some(until) = self.gate.paused_until.get() else {
            return false;
        };
        let pause = self
            .pause
            .get_or_insert_with(|| Box::pin(sleep_until(until)));
        if pause.deadline() != until {
            pause.as_mut().reset(until);
        }
        if pause.as_mut().poll(context).is_pending() {
            return true;
        }
        self.pause = None;
        self.gate.paused_until.set(None);
        false
    }
}

impl Future for Running {
    type Output = Ending;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Ending> {
        let this = &mut *self;
        *this.gate.waker.borrow_mut() = Some(context.waker().clone());
        if this.gate.killed.get() {
            return this.end(Ending::Killed);
        }
        if this.paused(context) {
            return Poll::Pending;
        }
        // A set of tasks is done when all of them are; the process is done when its first one is.
        let _ = this.named(|this| match &mut this.tasks {
            Some(tasks) => Pin::new(tasks).poll(context),
            None => Poll::Ready(()),
        });
        match Pin::new(&mut this.main).poll(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(Ok(left)) => this.end(Ending::Left(left)),
            Poll::Ready(Err(error)) => this.end(Ending::Panicked(error.to_string())),
        }
    }
}
