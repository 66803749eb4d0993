//! The actor around a machine.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use actix::dev::SendError;
use actix::{Actor, ActorContext, Addr, AsyncContext, Context, Handler, SpawnHandle};
use model::machine::{Out, Request, Step};
use tokio::sync::watch;
use tokio::task::AbortHandle;
use transport::MessageId;

use crate::envelope::{Envelope, Halt, panic_message};
use crate::runnable::Runnable;
use crate::tasks::Tasks;
use crate::{Environment, TraceError, TraceWriter};

/// How many inputs may wait in a component's mailbox, beside one for each sender that waits for room.
const MAILBOX: usize = 256;

/// Carries out the outputs of a machine.
pub trait Effects<M: Runnable>: 'static {
    /// Carries out one output. It does not wait: what takes time is [spawned](Handle::spawn), and its completion
    /// sent to `handle` as an input. `handle` already names the message whose handling made the output as the cause
    /// of whatever it sends.
    fn perform(&mut self, output: M::Output, handle: &Handle<M>);
}

/// What a component starts with.
pub struct Start<M: Runnable, E: Effects<M>> {
    /// The machine.
    pub machine: M,
    /// What it left on disk.
    pub durable: Option<M::Durable>,
    /// Who carries out its outputs.
    pub effects: E,
    /// Where its actions are recorded; `None` records nothing.
    pub trace: Option<TraceWriter>,
    /// The world it runs in.
    pub environment: Environment,
}

/// The component has ended and takes no more inputs; why, if it failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the component has stopped: {0}")]
pub struct Stopped(pub String);

/// An input was not taken.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejected<I> {
    /// The mailbox is full; the input comes back.
    #[error("the component's mailbox is full")]
    Full(I),
    /// The component has ended.
    #[error("the component has stopped")]
    Stopped,
}

/// Sends inputs to a component. Clones send to the same one.
pub struct Handle<M: Runnable> {
    address: Addr<Component<M>>,
    cause: Option<MessageId>,
    tasks: Tasks,
    end: watch::Receiver<Option<Stopped>>,
}

impl<M: Runnable> Clone for Handle<M> {
    fn clone(&self) -> Self {
        Handle {
            address: self.address.clone(),
            cause: self.cause,
            tasks: self.tasks.clone(),
            end: self.end.clone(),
        }
    }
}

impl<M: Runnable> Handle<M> {
    /// Gives an input to the component, when there is room for it. Returns after the input was handled, so
    /// inputs sent one after another are handled in that order.
    ///
    /// # Errors
    /// If the component has ended.
    pub async fn send(&self, input: M::Input) -> Result<(), Stopped> {
        let envelope = Envelope {
            input,
            cause: self.cause,
        };
        self.address
            .send(envelope)
            .await
            .map_err(|_| self.why_stopped())
    }

    /// Gives an input to the component if there is room for it.
    ///
    /// # Errors
    /// If there is no room or the component has ended.
    pub fn try_send(&self, input: M::Input) -> Result<(), Rejected<M::Input>> {
        let envelope = Envelope {
            input,
            cause: self.cause,
        };
        self.address
            .try_send(envelope)
            .map_err(|error| match error {
                SendError::Full(envelope) => Rejected::Full(envelope.input),
                SendError::Closed(_) => Rejected::Stopped,
            })
    }

    /// The same handle, naming `cause` as the message that makes it send.
    pub fn caused_by(&self, cause: MessageId) -> Self {
        Handle {
            cause: Some(cause),
            ..self.clone()
        }
    }

    /// The message whose handling this handle belongs to, if any: to be named as the cause of messages.
    pub fn cause(&self) -> Option<MessageId> {
        self.cause
    }

    /// Runs a task that belongs to the component: it is broken off when the component ends, and the component has
    /// not ended before the task is gone. After the end nothing is run.
    pub fn spawn(&self, task: impl Future<Output = ()> + 'static) -> Option<AbortHandle> {
        self.tasks.spawn(task)
    }

    /// Ends the component after the inputs that are before this one: it takes no more, its timers never fire, its
    /// effects are dropped, its tasks broken off and its trace closed. Returns when all of that is done, also if
    /// it has ended before.
    pub async fn stop(&self) {
        // The mailbox of a component that has ended is closed.
        let _ = self.address.send(Halt).await;
        self.stopped().await;
    }

    /// Ends the component at the latest when the guard is dropped: whoever runs a component holds one, so that
    /// the component does not outlive a run that is broken off.
    pub fn end_with(&self) -> EndGuard<M> {
        EndGuard(self.address.clone())
    }

    /// Waits until the component has ended and nothing of it is left, and tells why.
    pub async fn stopped(&self) -> Stopped {
        let mut end = self.end.clone();
        match end.wait_for(Option::is_some).await {
            Ok(why) => why
                .clone()
                .unwrap_or_else(|| Stopped("it ended".to_owned())),
            Err(_) => Stopped("it ended".to_owned()),
        }
    }

    fn why_stopped(&self) -> Stopped {
        self.end
            .borrow()
            .clone()
            .unwrap_or_else(|| Stopped("it ended".to_owned()))
    }
}

/// Asks a component to end when it is dropped; see [`Handle::end_with`].
pub struct EndGuard<M: Runnable>(Addr<Component<M>>);

impl<M: Runnable> Drop for EndGuard<M> {
    fn drop(&mut self) {
        self.0.do_send(Halt);
    }
}

/// The actor: a machine, and what it has while it lives.
pub struct Component<M: Runnable> {
    machine: M,
    environment: Environment,
    alive: Option<Alive<M>>,
    timers: BTreeMap<M::Timer, SpawnHandle>,
    tasks: Tasks,
    end: watch::Sender<Option<Stopped>>,
}

/// What ends with the component, though the actor and its handles may be there for longer.
struct Alive<M: Runnable> {
    durable: Option<M::Durable>,
    state: Option<M::State>,
    effects: Box<dyn Effects<M>>,
    trace: Option<TraceWriter>,
}

impl<M: Runnable> Component<M> {
    /// Starts a component on the running system and gives the handle to it.
    pub fn start<E: Effects<M>>(start: Start<M, E>) -> Handle<M> {
        let (end, ended) = watch::channel(None);
        let tasks = Tasks::default();
        let component = Component {
            machine: start.machine,
            environment: start.environment,
            alive: Some(Alive {
                durable: start.durable,
                state: None,
                effects: Box::new(start.effects),
                trace: start.trace,
            }),
            timers: BTreeMap::new(),
            tasks: tasks.clone(),
            end,
        };
        Handle {
            address: Actor::start(component),
            cause: None,
            tasks,
            end: ended,
        }
    }

    /// One step: the machine moves, the trace has it, then the outputs leave.
    fn advance(
        &mut self,
        input: Option<M::Input>,
        cause: Option<MessageId>,
        context: &mut Context<Self>,
    ) {
        // Inputs that were in the mailbox when the component ended are nobody's.
        let Some(mut alive) = self.alive.take() else {
            return;
        };
        let done = catch_unwind(AssertUnwindSafe(|| {
            self.step(&mut alive, input, cause, context)
        }));
        let why = match done {
            Ok(Ok(step)) => {
                if let Step::Refused(guard) = step {
                    tracing::warn!(guard, "an input was refused");
                }
                self.alive = Some(alive);
                return;
            }
            Ok(Err(why)) => why,
            Err(panic) => format!("a step panicked: {}", panic_message(panic.as_ref())),
        };
        tracing::error!(why, "the component ends");
        drop(alive);
        self.close(Stopped(why), context);
    }

    fn step(
        &mut self,
        alive: &mut Alive<M>,
        input: Option<M::Input>,
        cause: Option<MessageId>,
        context: &mut Context<Self>,
    ) -> Result<Step<M::Action>, String> {
        let (now, mut out) = (self.environment.now(), Out::new());
        let told = |error: TraceError| error.to_string();
        if let Some(trace) = &mut alive.trace {
            match &input {
                Some(input) => trace.take(cause, now, input),
                None => trace.take(cause, now, &(&self.machine, &alive.durable)),
            }
            .map_err(told)?;
        }
        let (state, step) = match (alive.state.as_mut(), input) {
            (Some(state), Some(input)) => {
                let step = self.machine.step(state, now, input, &mut out);
                (state, step)
            }
            _ => {
                let started = self.machine.start(alive.durable.take(), now, &mut out);
                let began = self.machine.began(&started);
                let step = match began.is_empty() {
                    true => Step::Nothing,
                    false => Step::Moved(began),
                };
                (alive.state.insert(started), step)
            }
        };
        if let Some(trace) = &mut alive.trace {
            let newest = self.environment.revisions.newest();
            trace
                .made((cause, now, newest), &step, &out, state)
                .map_err(told)?;
        }
        self.carry_out(&mut out, &mut *alive.effects, cause, context);
        Ok(step)
    }

    /// The end, of what has been dropped already or is now: the reason is told when no task is left.
    fn close(&mut self, why: Stopped, context: &mut Context<Self>) {
        self.alive = None;
        for (_, pending) in std::mem::take(&mut self.timers) {
            context.cancel_future(pending);
        }
        context.stop();
        let (tasks, end) = (self.tasks.clone(), self.end.clone());
        tokio::task::spawn_local(async move {
            tasks.close().await;
            end.send_replace(Some(why));
        });
    }

    fn carry_out(
        &mut self,
        out: &mut Out<M>,
        effects: &mut dyn Effects<M>,
        cause: Option<MessageId>,
        context: &mut Context<Self>,
    ) {
        let handle = Handle {
            address: context.address(),
            cause,
            tasks: self.tasks.clone(),
            end: self.end.subscribe(),
        };
        for request in out.drain() {
            match request {
                Request::Output(output) => effects.perform(output, &handle),
                Request::Timer(timer, after_ms) => self.set(timer, after_ms, context),
                Request::Cancel(timer) => {
                    if let Some(pending) = self.timers.remove(&timer) {
                        context.cancel_future(pending);
                    }
                }
            }
        }
    }

    fn set(&mut self, timer: M::Timer, after_ms: u64, context: &mut Context<Self>) {
        let name = timer.clone();
        let pending = context.run_later(
            Duration::from_millis(after_ms),
            move |component, context| {
                component.timers.remove(&timer);
                let input = component.machine.fired(timer);
                component.advance(Some(input), None, context);
            },
        );
        if let Some(replaced) = self.timers.insert(name, pending) {
            context.cancel_future(replaced);
        }
    }
}

impl<M: Runnable> Actor for Component<M> {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Self::Context) {
        context.set_mailbox_capacity(MAILBOX);
        self.advance(None, None, context);
    }
}

impl<M: Runnable> Handler<Envelope<M::Input>> for Component<M> {
    type Result = ();

    fn handle(&mut self, envelope: Envelope<M::Input>, context: &mut Self::Context) {
        self.advance(Some(envelope.input), envelope.cause, context);
    }
}

impl<M: Runnable> Handler<Halt> for Component<M> {
    type Result = ();

    fn handle(&mut self, Halt: Halt, context: &mut Self::Context) {
        // One that has failed has its reason already.
        if self.alive.is_some() {
            self.close(Stopped("it was asked to".to_owned()), context);
        }
    }
}
