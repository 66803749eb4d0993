//! What every controller does, shown by one that does as it is told.

use std::collections::BTreeMap;

use model::actions::controller::ControllerAction;
use model::machine::{Machine, Now, Out, Request, Step};
use model::machines::controller::{
    Answer, Ask, Context, Controller, Input, Next, Output, Reconcile, State, Timer, Wakes,
};
use model::machines::reflector::{Delivery, Item};
use model::messages::api::{ApiRequest, Verb};
use model::objects::key::{GroupResource, ObjectKey};
use model::objects::object::Object;

/// What it is told for a key, once its requests are answered: nothing more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Chore {
    /// So many requests at once.
    Ask(usize),
    Finish,
    Again,
    Fail,
}

/// A controller of config maps, whose chores are its objects.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Obedient;

impl Reconcile for Obedient {
    type Seen = Chore;
    type View = BTreeMap<ObjectKey, Chore>;
    /// Whether it has asked.
    type Session = bool;

    const NAME: &'static str = "obedient";

    fn resources(&self) -> Vec<GroupResource> {
        vec![resource()]
    }

    fn read(&self, _object: &Object) -> Result<Chore, serde_json::Error> {
        Ok(Chore::Finish)
    }

    fn absent(&self, _resource: &GroupResource) -> Chore {
        Chore::Finish
    }

    fn observe(
        &self,
        view: &mut Self::View,
        _resource: &GroupResource,
        delivery: Delivery<Chore>,
        wakes: &mut Wakes<'_>,
    ) {
        let items = match delivery {
            Delivery::Replace { items, .. } => items,
            Delivery::Apply(item) => vec![item],
            Delivery::Delete(_) => Vec::new(),
        };
        for item in items {
            wakes.wake(&item.key);
            view.insert(item.key, item.value);
        }
    }

    fn reconcile(
        &self,
        view: &Self::View,
        key: &ObjectKey,
        asked: &mut bool,
        _context: &mut Context<'_>,
    ) -> Next {
        match view[key] {
            Chore::Ask(_) if *asked => Next::Finished,
            Chore::Ask(many) => {
                *asked = true;
                let ask = Ask::bare(ApiRequest::object(Verb::Get, key));
                Next::Ask(vec![ask; many])
            }
            Chore::Finish => Next::Finished,
            Chore::Again => Next::Again(1000),
            Chore::Fail => Next::Failed("as told".to_owned()),
        }
    }

    fn answered(
        &self,
        _key: &ObjectKey,
        _asked: &mut bool,
        _index: u32,
        _answer: Answer,
        _context: &mut Context<'_>,
    ) {
    }
}

fn resource() -> GroupResource {
    GroupResource::new("", "configmaps")
}

fn key(name: &str) -> ObjectKey {
    ObjectKey::new(resource(), "default", name)
}

/// The machine, its state, and what it asked for last.
struct Run {
    machine: Controller<Obedient>,
    state: State<Obedient>,
    asked: Vec<(ObjectKey, u32)>,
    timers: Vec<(Timer, u64)>,
}

impl Run {
    fn new() -> Self {
        let machine = Controller::new(Obedient);
        let state = machine.start(None, Now(0), &mut Out::new());
        Run {
            machine,
            state,
            asked: Vec::new(),
            timers: Vec::new(),
        }
    }

    fn step(&mut self, input: Input<Obedient>) -> Step<ControllerAction> {
        let mut out = Out::new();
        let step = self.machine.step(&mut self.state, Now(0), input, &mut out);
        (self.asked, self.timers) = (Vec::new(), Vec::new());
        for request in out.drain() {
            match request {
                Request::Output(Output::Ask(key, index, _)) => self.asked.push((key, index)),
                Request::Timer(timer, after_ms) => self.timers.push((timer, after_ms)),
                Request::Output(Output::Record(_)) | Request::Cancel(_) => {}
            }
        }
        step
    }

    /// Its first list: keys with their chores.
    fn list(&mut self, chores: impl IntoIterator<Item = (String, Chore)>) {
        let items = chores.into_iter().map(|(name, value)| Item {
            key: key(&name),
            revision: 1,
            value,
        });
        let listed = Delivery::Replace {
            revision: 1,
            items: items.collect(),
        };
        assert!(matches!(
            self.step(Input::Seen(resource(), listed)),
            Step::Moved(_)
        ));
    }

    fn answer(&mut self, name: &str, index: u32) -> Step<ControllerAction> {
        self.step(Input::Answered(
            key(name),
            index,
            Answer::Done(2, Vec::new()),
        ))
    }
}

#[test]
fn as_many_keys_are_worked_on_as_there_are_workers() {
    let mut run = Run::new();
    run.list((0..7).map(|n| (format!("c{n}"), Chore::Ask(1))));
    assert_eq!((run.state.working(), run.state.waiting()), (5, 2));
    assert_eq!(run.asked.len(), 5);
    run.answer("c0", 0);
    assert_eq!((run.state.working(), run.state.waiting()), (5, 1));
    assert_eq!(run.asked, [(key("c5"), 0)]);
}

#[test]
fn a_step_begins_a_bounded_number_of_rounds() {
    let mut run = Run::new();
    run.list((0..600).map(|n| (format!("c{n:03}"), Chore::Finish)));
    for left in [600 - 256, 600 - 512] {
        assert_eq!(run.state.waiting(), left);
        assert_eq!(run.timers, [(Timer::More, 0)]);
        run.step(Input::More);
    }
    assert_eq!((run.state.waiting(), run.timers.len()), (0, 0));
}

#[test]
fn a_round_goes_on_when_all_of_its_requests_are_answered() {
    let mut run = Run::new();
    run.list([
        ("three".to_owned(), Chore::Ask(3)),
        ("none".to_owned(), Chore::Ask(0)),
    ]);
    assert_eq!(run.state.working(), 1, "a batch of none is a round's end");
    for index in [2, 0] {
        run.answer("three", index);
        assert_eq!(run.state.working(), 1);
    }
    assert!(matches!(run.answer("three", 2), Step::Refused(_)));
    run.answer("three", 1);
    assert_eq!(run.state.working(), 0);
    assert!(matches!(run.answer("three", 1), Step::Refused(_)));
}

#[test]
fn what_is_over_for_now_waits_for_its_timer() {
    let mut run = Run::new();
    run.list([
        ("again".to_owned(), Chore::Again),
        ("fail".to_owned(), Chore::Fail),
    ]);
    let expected = [
        (Timer::Later(key("again")), 1000),
        (Timer::Backoff(key("fail")), 5),
    ];
    assert_eq!(run.timers, expected);
    run.step(Input::Due(key("fail")));
    assert_eq!(run.timers, [(Timer::Backoff(key("fail")), 10)]);
    run.step(Input::Due(key("again")));
    assert_eq!(run.timers, [(Timer::Later(key("again")), 1000)]);
}
