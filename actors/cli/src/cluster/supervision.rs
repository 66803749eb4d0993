//! The supervisor machine at work: starts, stops and kills through a launcher, and tells the user.

use std::path::Path;
use std::rc::Rc;

use model::machines::supervisor::{Ending, Input, Output, Supervisor};
use model::trace::Header;
use shell::{Effects, Environment, Handle, Start, Tracing};
use tokio::sync::mpsc;

use super::incarnations::Incarnations;
use super::plan::Plan;
use crate::components::Component;

/// Brings components to life: as processes, or as tasks of this one.
pub trait Launcher: 'static {
    /// Starts a component. It reports itself ready, and its end, through `reporter`.
    ///
    /// # Errors
    /// If it could not even be started.
    fn start(&mut self, component: Component, reporter: Reporter) -> anyhow::Result<()>;

    /// Asks a component to stop.
    fn stop(&mut self, part: &str);

    /// Ends a component at once.
    fn kill(&mut self, part: &str);
}

/// Tells the supervisor about one start of a component.
#[derive(Clone)]
pub struct Reporter {
    part: String,
    incarnation: u64,
    supervisor: Handle<Supervisor>,
    notices: mpsc::UnboundedSender<Notice>,
}

impl Reporter {
    /// The component serves.
    pub fn ready(&self) {
        let _ = self.notices.send(Notice::PartReady(self.part.clone()));
        self.send(Input::Ready {
            part: self.part.clone(),
            incarnation: self.incarnation,
        });
    }

    /// The component has ended.
    pub fn exited(&self, ending: Ending) {
        let well = ending == Ending::Left;
        let _ = self.notices.send(Notice::PartEnded {
            part: self.part.clone(),
            well,
        });
        self.send(Input::Exited {
            part: self.part.clone(),
            incarnation: self.incarnation,
            ending,
        });
    }

    fn send(&self, input: Input) {
        let supervisor = self.supervisor.clone();
        tokio::task::spawn_local(async move { supervisor.send(input).await });
    }
}

/// What the user is told.
#[derive(Debug)]
pub enum Notice {
    /// A component serves.
    PartReady(String),
    /// A component has ended.
    PartEnded {
        /// Which.
        part: String,
        /// By itself and without an error, so that it holds nothing any more.
        well: bool,
    },
    /// Every component serves.
    AllReady,
    /// A component died and will be started again.
    Died {
        /// Which.
        part: String,
        /// Why, in words.
        reason: String,
        /// After so many milliseconds.
        restart_in_ms: u64,
    },
    /// Nothing runs any more; the component that made it so and its reason, if it was not the user.
    Ended(Option<(String, String)>),
}

/// Starts the components of a plan and looks after them. The handle takes the wish to stop; the receiver brings
/// what the user is to be told, until [`Notice::Ended`].
///
/// # Errors
/// If the data directory cannot be read or written.
pub fn supervise<L: Launcher>(
    plan: Rc<Plan>,
    data_dir: &Path,
    launcher: L,
    tracing: Option<Tracing>,
    environment: Environment,
) -> anyhow::Result<(Handle<Supervisor>, mpsc::UnboundedReceiver<Notice>)> {
    let mut incarnations = Incarnations::read(data_dir)?;
    let run = incarnations.last().get("supervisor").copied().unwrap_or(0) + 1;
    incarnations.remember("supervisor", run)?;
    let header = Header {
        machine: "supervisor".to_owned(),
        component: "supervisor".to_owned(),
        incarnation: run,
    };
    let begin = |tracing: Tracing| tracing.writer(&header);
    let trace = tracing.map(begin).transpose()?;
    let machine = plan.supervisor();
    let durable = Some(incarnations.last().clone());
    let (notices, told) = mpsc::unbounded_channel();
    let effects = Supervision {
        plan,
        launcher,
        incarnations,
        notices,
    };
    let start = Start {
        machine,
        durable,
        effects,
        trace,
        environment,
    };
    Ok((shell::Component::start(start), told))
}

/// Carries out what the machine decides.
struct Supervision<L> {
    plan: Rc<Plan>,
    launcher: L,
    incarnations: Incarnations,
    notices: mpsc::UnboundedSender<Notice>,
}

impl<L: Launcher> Effects<Supervisor> for Supervision<L> {
    fn perform(&mut self, output: Output, handle: &Handle<Supervisor>) {
        match output {
            Output::Start { part, incarnation } => self.start(part, incarnation, handle),
            Output::Stop { part } => self.launcher.stop(&part),
            Output::Kill { part } => self.launcher.kill(&part),
            Output::Announce => self.tell(Notice::AllReady),
            Output::Report {
                part,
                reason,
                restart_in_ms,
            } => {
                tracing::warn!(part, reason, restart_in_ms, "a component died");
                self.tell(Notice::Died {
                    part,
                    reason,
                    restart_in_ms,
                });
            }
            Output::End { failure } => self.tell(Notice::Ended(failure)),
        }
    }
}

impl<L: Launcher> Supervision<L> {
    fn start(&mut self, part: String, incarnation: u64, handle: &Handle<Supervisor>) {
        let Some(component) = self.plan.component(&part) else {
            return;
        };
        let reporter = Reporter {
            part: part.clone(),
            incarnation,
            supervisor: handle.clone(),
            notices: self.notices.clone(),
        };
        tracing::info!(part, incarnation, "starting");
        let started = self
            .incarnations
            .remember(&part, incarnation)
            .and_then(|()| {
                self.launcher
                    .start(component.as_incarnation(incarnation), reporter.clone())
            });
        if let Err(error) = started {
            reporter.exited(Ending::Failed(format!("{error:#}")));
        }
    }

    fn tell(&self, notice: Notice) {
        // Whoever listens ends only after `Ended`, which is the last thing that is told.
        let _ = self.notices.send(notice);
    }
}
