//! The actor around a machine.

use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use actix::dev::SendError;
use actix::{Actor, ActorContext, Addr, AsyncContext, Context, Handler, Message, SpawnHandle};
use bincode::Encode;
use model::machine::{Machine, Out, Request, Step};
use tokio::sync::watch;
use transport::MessageId;

use crate::{Environment, TraceWriter};

/// How many inputs may wait in a component's mailbox, beside one for each sender that waits for room.
const MAILBOX: usize = 256;

/// A machine that a shell can run: its inputs may come from other threads, its actions can be recorded.
pub trait Runnable:
    Machine<
        Durable: Unpin + 'static,
        State: Unpin + 'static,
        Input: Send + 'static,
        Output: 'static,
        Timer: Unpin + 'static,
        Action: Encode,
    > + Unpin
    + 'static
{
}

impl<M> Runnable for M where
    M: Machine<
            Durable: Unpin + 'static,
            State: Unpin + 'static,
            Input: Send + 'static,
            Output: 'static,
            Timer: Unpin + 'static,
            Action: Encode,
        > + Unpin
        + 'static
{
}

/// Carries out the outputs of a machine.
pub trait Effects<M: Runnable>: 'static {
    /// Carries out one output. It does not wait: what takes time is spawned, and its completion sent to
    /// `handle` as an input. `handle` already names the message whose handling made the output as the cause
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
    end: watch::Receiver<Option<Stopped>>,
}

impl<M: Runnable> Clone for Handle<M> {
    fn clone(&self) -> Self {
        Handle {
            address: self.address.clone(),
            cause: self.cause,
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

    /// Waits until the component ends, and tells why.
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

/// The actor: a machine, its state, and who carries out its outputs.
pub struct Component<M: Runnable> {
    machine: M,
    durable: Option<M::Durable>,
    state: Option<M::State>,
    effects: Box<dyn Effects<M>>,
    trace: Option<TraceWriter>,
    environment: Environment,
    timers: BTreeMap<M::Timer, SpawnHandle>,
    end: watch::Sender<Option<Stopped>>,
}

impl<M: Runnable> Component<M> {
    /// Starts a component on the running system and gives the handle to it.
    pub fn start<E: Effects<M>>(start: Start<M, E>) -> Handle<M> {
        let (end, ended) = watch::channel(None);
        let component = Component {
            machine: start.machine,
            durable: start.durable,
            state: None,
            effects: Box::new(start.effects),
            trace: start.trace,
            environment: start.environment,
            timers: BTreeMap::new(),
            end,
        };
        Handle {
            address: Actor::start(component),
            cause: None,
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
        let Some(step) = self.guarded(context, |component, context| {
            let (now, mut out) = (component.environment.now(), Out::new());
            let step = match (&mut component.state, input) {
                (Some(state), Some(input)) => component.machine.step(state, now, input, &mut out),
                (state, _) => {
                    let durable = component.durable.take();
                    let started = component.machine.start(durable, now, &mut out);
                    let began = component.machine.began(&started);
                    *state = Some(started);
                    match began.is_empty() {
                        true => Step::Nothing,
                        false => Step::Moved(began),
                    }
                }
            };
            if let (Step::Moved(actions), Some(trace)) = (&step, &mut component.trace)
                && let Err(error) = trace.record(
                    cause,
                    component.environment.revisions.newest(),
                    now,
                    actions,
                )
            {
                return Err(error.to_string());
            }
            component.carry_out(&mut out, cause, context);
            Ok(step)
        }) else {
            return;
        };
        if let Step::Refused(guard) = step {
            tracing::warn!(guard, "an input was refused");
        }
    }

    /// Runs one atom of work; a panic or error in it ends the component with its message.
    fn guarded<T>(
        &mut self,
        context: &mut Context<Self>,
        work: impl FnOnce(&mut Self, &mut Context<Self>) -> Result<T, String>,
    ) -> Option<T> {
        let done = catch_unwind(AssertUnwindSafe(|| work(self, context)));
        let why = match done {
            Ok(Ok(value)) => return Some(value),
            Ok(Err(why)) => why,
            Err(panic) => format!("a step panicked: {}", panic_message(panic.as_ref())),
        };
        tracing::error!(why, "the component ends");
        self.end.send_replace(Some(Stopped(why)));
        context.stop();
        None
    }

    fn carry_out(
        &mut self,
        out: &mut Out<M>,
        cause: Option<MessageId>,
        context: &mut Context<Self>,
    ) {
        let handle = Handle {
            address: context.address(),
            cause,
            end: self.end.subscribe(),
        };
        for request in out.drain() {
            match request {
                Request::Output(output) => self.effects.perform(output, &handle),
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

struct Envelope<I> {
    input: I,
    cause: Option<MessageId>,
}

impl<I: 'static> Message for Envelope<I> {
    type Result = ();
}

fn panic_message(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message")
}
