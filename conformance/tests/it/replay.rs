//! Machines run again from what they were given; and shells that give them more than they write down.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use bincode::de::{BorrowDecoder, Decoder};
use bincode::enc::Encoder;
use bincode::error::{DecodeError, EncodeError};
use bincode::{BorrowDecode, Decode, Encode};
use conformance::replay::{End, Replayed, replay};
use model::actions::reflector::ReflectorAction;
use model::machine::{Machine, Now, Out, Request, Step};
use model::machines::reflector::{Event, Input, Item, Output, Reflector, State, Timer, WatchEnd};
use model::objects::bytes::Bytes;
use model::objects::key::ObjectKey;
use model::objects::kinds;
use model::trace::Header;
use shell::{Component, Effects, Environment, Handle, Start, TraceLimits, TraceWriter};

/// What gets into a step past its input: something that is different each time, as a clock or a random source is.
static SMUGGLED: AtomicU64 = AtomicU64::new(1);

/// How a reflector is spoiled.
#[derive(Clone, Copy)]
enum Spoiled {
    /// Not at all.
    Honest,
    /// Its waits are jittered.
    Timers,
    /// It says something else than what it did.
    Actions,
    /// Its state is changed beside its inputs.
    State,
    /// It refuses an input because of something that is none.
    Steps,
    /// It panics.
    Panics,
}

/// A reflector with a fault; to whoever reads its trace it is a reflector.
struct Reflecting(Reflector<Bytes>, Spoiled);

impl Encode for Reflecting {
    fn encode<E: Encoder>(&self, encoder: &mut E) -> Result<(), EncodeError> {
        self.0.encode(encoder)
    }
}

impl<C> Decode<C> for Reflecting {
    fn decode<D: Decoder<Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        Ok(Reflecting(Decode::decode(decoder)?, Spoiled::Honest))
    }
}

impl<'de, C> BorrowDecode<'de, C> for Reflecting {
    fn borrow_decode<D: BorrowDecoder<'de, Context = C>>(
        decoder: &mut D,
    ) -> Result<Self, DecodeError> {
        Self::decode(decoder)
    }
}

impl Machine for Reflecting {
    type Durable = ();
    type State = State;
    type Input = Input<Bytes>;
    type Output = Output<Bytes>;
    type Timer = Timer;
    type Action = ReflectorAction;

    fn start(&self, found: Option<()>, now: Now, out: &mut Out<Self>) -> State {
        let mut asked = Out::new();
        let state = self.0.start(found, now, &mut asked);
        self.pass(asked, out);
        state
    }

    fn step(
        &self,
        state: &mut State,
        now: Now,
        input: Input<Bytes>,
        out: &mut Out<Self>,
    ) -> Step<ReflectorAction> {
        let smuggled = SMUGGLED.fetch_add(1, Ordering::Relaxed);
        let bookmark = matches!(input, Input::Bookmark(_));
        match (self.1, bookmark) {
            (Spoiled::Steps, true) => return Step::Refused("not today"),
            (Spoiled::Panics, true) => panic!("a reflector that cannot go on"),
            _ => {}
        }
        let mut asked = Out::new();
        let mut step = self.0.step(state, now, input, &mut asked);
        self.pass(asked, out);
        if let (Spoiled::Actions, Step::Moved(actions)) = (self.1, &mut step) {
            for action in actions {
                if let ReflectorAction::Advanced { revision } = action {
                    *revision += smuggled;
                }
            }
        }
        if let (Spoiled::State, true) = (self.1, bookmark) {
            state.failures += 1;
        }
        step
    }

    fn fired(&self, timer: Timer) -> Input<Bytes> {
        self.0.fired(timer)
    }
}

impl Reflecting {
    fn pass(&self, mut asked: Out<Reflector<Bytes>>, out: &mut Out<Self>) {
        let jitter = match self.1 {
            Spoiled::Timers => SMUGGLED.load(Ordering::Relaxed),
            _ => 0,
        };
        for request in asked.drain() {
            match request {
                Request::Output(output) => out.push(output),
                Request::Timer(timer, after_ms) => out.timer(timer, after_ms + jitter),
                Request::Cancel(timer) => out.cancel(timer),
            }
        }
    }
}

/// Nobody carries out what it asks for: the test does.
struct Ignored;

impl Effects<Reflecting> for Ignored {
    fn perform(&mut self, _: Output<Bytes>, _: &Handle<Reflecting>) {}
}

fn pod(name: &str, revision: u64) -> Item<Bytes> {
    Item {
        key: ObjectKey::new(kinds::pods(), "default", name),
        revision,
        value: Bytes::from("{}"),
    }
}

/// A reflector whose own timer does not fire while the test lasts: the test says when a wait is over.
fn patient() -> Reflector<Bytes> {
    let mut reflector = Reflector::default();
    reflector.backoff_first_ms = 3_600_000;
    reflector.backoff_cap_ms = 3_600_000;
    reflector
}

fn conversation() -> Vec<Input<Bytes>> {
    vec![
        Input::ListFailed,
        Input::Retry,
        Input::Listed {
            revision: 10,
            items: vec![pod("a", 4), pod("b", 9)],
        },
        Input::Events(vec![Event::Applied(pod("c", 11))]),
        Input::Bookmark(20),
        Input::Events(vec![Event::Deleted(pod("a", 21))]),
        Input::WatchEnded(WatchEnd::Closed),
    ]
}

/// A reflector runs through a conversation under the shell, and then once more from its record.
fn run(spoiled: Spoiled, limits: TraceLimits, directory: &Path) -> (PathBuf, Replayed) {
    let header = Header {
        machine: "reflector".into(),
        component: "test.pods".into(),
        incarnation: 1,
    };
    let trace = TraceWriter::within(limits, directory, &header).unwrap();
    let trace = trace.with_inputs().unwrap();
    shell::run(async {
        let handle = Component::start(Start {
            machine: Reflecting(patient(), spoiled),
            durable: None,
            effects: Ignored,
            trace: Some(trace),
            environment: Environment::system(),
        });
        for input in conversation() {
            // One that has panicked takes no more.
            let _ = handle.send(input).await;
        }
        handle.stop().await;
    })
    .unwrap();
    let path = directory.join("test.pods.reflector.1.inputs");
    let replayed = replay(&path).unwrap();
    (path, replayed)
}

fn spoiled(spoiled: Spoiled) -> Replayed {
    let directory = tempfile::tempdir().unwrap();
    run(spoiled, TraceLimits::default(), directory.path()).1
}

/// The step of the bookmark: the start is step 0.
const BOOKMARK: u64 = 5;

#[test]
fn an_honest_machine_does_the_same_again() {
    let replayed = spoiled(Spoiled::Honest);
    assert_eq!(replayed.difference, None);
    assert_eq!(replayed.end, End::Closed);
    assert_eq!(replayed.steps, 1 + conversation().len() as u64);
    assert_eq!(
        replayed.states, replayed.steps,
        "early states are all digested"
    );
}

#[test]
fn whatever_is_smuggled_into_a_step_is_found_at_that_step() {
    let cases = [
        (Spoiled::Timers, 1, "what it asked for"),
        (Spoiled::Actions, BOOKMARK, "the actions"),
        (Spoiled::State, BOOKMARK, "the state"),
        (Spoiled::Steps, BOOKMARK, "what the step did"),
    ];
    for (spoil, step, what) in cases {
        let replayed = spoiled(spoil);
        let difference = replayed.difference.expect(what);
        assert_eq!((difference.step, difference.what), (step, what));
        assert_eq!(replayed.steps, step, "the steps before it are the same");
        let given = if step == BOOKMARK {
            "Bookmark(20)"
        } else {
            "ListFailed"
        };
        assert_eq!(difference.given, given);
    }
}

#[test]
fn the_input_of_a_step_that_panicked_is_kept() {
    let replayed = spoiled(Spoiled::Panics);
    assert_eq!((replayed.end, replayed.steps), (End::Unfinished, BOOKMARK));
    assert_eq!(replayed.difference, None);
}

#[test]
fn recording_ends_at_its_limit_and_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let limits = TraceLimits {
        input_bytes: 100,
        ..TraceLimits::default()
    };
    let (_, replayed) = run(Spoiled::Actions, limits, directory.path());
    assert_eq!((replayed.end, replayed.difference), (End::Limit, None));
    assert!(
        (2..BOOKMARK).contains(&replayed.steps),
        "{}",
        replayed.steps
    );
}

#[test]
fn a_record_that_is_cut_off_replays_as_far_as_it_goes() {
    let directory = tempfile::tempdir().unwrap();
    let (path, whole) = run(Spoiled::Honest, TraceLimits::default(), directory.path());
    let bytes = std::fs::read(&path).unwrap();
    for length in 0..bytes.len() {
        std::fs::write(&path, &bytes[..length]).unwrap();
        // Without its header a file is none of ours; every other prefix is a shorter record.
        if let Ok(replayed) = replay(&path) {
            assert!(replayed.difference.is_none(), "{:?}", replayed.difference);
            assert!(replayed.steps <= whole.steps && replayed.end == End::Open);
        }
    }
}
