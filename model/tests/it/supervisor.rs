//! The supervisor's scenarios and its transition table, over a plan of four components.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use model::machines::supervisor::{Ending, Input, Part, State, Supervisor, Timer};

use crate::scenario::{self, Player, Rig};

struct SupervisorPlayer {
    rig: Rig<Supervisor>,
    begun: String,
    transitions: Rc<RefCell<BTreeSet<String>>>,
}

fn plan() -> Supervisor {
    let part = |name: &str, stop_rank, stop_ms| Part {
        name: name.to_owned(),
        stop_rank,
        stop_ms,
    };
    Supervisor {
        parts: vec![
            part("store", 3, 5_000),
            part("apiserver", 2, 5_000),
            part("scheduler", 1, 5_000),
            part("kubelet", 0, 40_000),
        ],
    }
}

/// The run's phase and what the component that the input is about is doing.
fn phase(part: &str) -> impl Fn(&State) -> String {
    let part = part.to_owned();
    move |state| {
        let run = scenario::variant(&state.phase);
        state
            .parts
            .get(&part)
            .map_or(run.clone(), |known| format!("{run}/{:?}", known.condition))
    }
}

impl Player for SupervisorPlayer {
    fn play(&mut self, command: &str) -> Result<String, String> {
        let (verb, rest) = command.split_once(' ').unwrap_or((command, ""));
        let mut words = rest.splitn(3, ' ');
        let part = words.next().unwrap_or_default().to_owned();
        let incarnation = words.next().and_then(|word| word.parse().ok()).unwrap_or(1);
        let reason = words.next().unwrap_or_default().to_owned();
        let exited = |ending| Input::Exited {
            part: part.clone(),
            incarnation,
            ending,
        };
        let input = match verb {
            "start" => return Ok(std::mem::take(&mut self.begun)),
            "ready" => Input::Ready {
                part: part.clone(),
                incarnation,
            },
            "failed" => exited(Ending::Failed(reason)),
            "died" => exited(Ending::Died(reason)),
            "left" => exited(Ending::Left),
            "stop" => Input::Stop,
            // late PART: the timer of its kill fires though it was taken back.
            "late" => Input::Fired(Timer::Kill(part.clone())),
            "fire" => {
                let about = rest.split('"').nth(1).unwrap_or_default();
                return self.rig.fire(phase(about), rest);
            }
            other => return Err(format!("unknown command {other}")),
        };
        let answer = self.rig.step(phase(&part), input);
        self.transitions.borrow_mut().extend(self.rig.transitions());
        Ok(answer)
    }
}

#[test]
fn scenarios_and_transitions() {
    let transitions = Rc::new(RefCell::new(BTreeSet::new()));
    scenario::play_all("supervisor", || {
        let (rig, begun) = Rig::new(plan());
        SupervisorPlayer {
            rig,
            begun,
            transitions: transitions.clone(),
        }
    });
    let rows: Vec<String> = transitions.borrow().iter().cloned().collect();
    insta::assert_snapshot!(rows.join("\n"));
}

#[test]
fn incarnations_go_on_from_the_last_run() {
    use model::machine::{Machine, Now, Out, Request};
    let mut out = Out::new();
    let found = [("store".to_owned(), 7)].into_iter().collect();
    let state = plan().start(Some(found), Now(0), &mut out);
    assert_eq!(state.parts["store"].incarnation, 8);
    assert_eq!(state.parts["kubelet"].incarnation, 1);
    let asked = out
        .drain()
        .filter(|request| matches!(request, Request::Output(_)))
        .count();
    assert_eq!(asked, 4);
}
