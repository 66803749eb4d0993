//! The actor around a machine: order, timers, back-pressure, failure, shutdown.

use std::cell::RefCell;
use std::rc::Rc;

use bincode::{Decode, Encode};
use model::machine::{Machine, Now, Out, Step};
use model::trace::Header;
use shell::{Component, Effects, Environment, Handle, Rejected, Shutdown, Start, TraceWriter, Why};

/// A machine that adds, tells, and wakes itself.
#[derive(Encode, Decode)]
struct Adder;

#[derive(Clone, Debug, PartialEq, Eq, Hash, Encode, Decode)]
enum Input {
    Add(u32),
    TellLater(u64),
    TellNever,
    Woken,
    Break,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Output {
    Sum(u32),
    Started,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Wake;

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
struct Added(u32);

impl Machine for Adder {
    type Durable = u32;
    type State = u32;
    type Input = Input;
    type Output = Output;
    type Timer = Wake;
    type Action = Added;

    fn start(&self, found: Option<u32>, _: Now, out: &mut Out<Self>) -> u32 {
        out.push(Output::Started);
        found.unwrap_or(0)
    }

    fn step(&self, sum: &mut u32, _: Now, input: Input, out: &mut Out<Self>) -> Step<Added> {
        match input {
            Input::Add(0) => Step::Refused("zero"),
            Input::Add(more) => {
                *sum += more;
                out.push(Output::Sum(*sum));
                Step::moved(Added(more))
            }
            Input::TellLater(after_ms) => {
                out.timer(Wake, after_ms);
                Step::Nothing
            }
            Input::TellNever => {
                out.cancel(Wake);
                Step::Nothing
            }
            Input::Woken => {
                out.push(Output::Sum(*sum));
                Step::Nothing
            }
            Input::Break => panic!("broken on purpose"),
        }
    }

    fn fired(&self, Wake: Wake) -> Input {
        Input::Woken
    }
}

#[derive(Clone, Default)]
struct Told(Rc<RefCell<Vec<Output>>>);

impl Effects<Adder> for Told {
    fn perform(&mut self, output: Output, _: &Handle<Adder>) {
        self.0.borrow_mut().push(output);
    }
}

fn start(durable: Option<u32>) -> (Handle<Adder>, Told) {
    let told = Told::default();
    let environment = Environment::system();
    let handle = Component::start(Start {
        machine: Adder,
        durable,
        effects: told.clone(),
        trace: None,
        environment,
    });
    (handle, told)
}

#[test]
fn inputs_are_handled_in_order_from_what_was_found() {
    shell::run(async {
        let (handle, told) = start(Some(40));
        handle.send(Input::Add(1)).await.unwrap();
        handle.send(Input::Add(0)).await.unwrap();
        handle.send(Input::Add(1)).await.unwrap();
        assert_eq!(
            *told.0.borrow(),
            [Output::Started, Output::Sum(41), Output::Sum(42)]
        );
    })
    .unwrap();
}

#[test]
fn a_timer_set_again_replaces_the_first_and_a_cancelled_one_does_not_fire() {
    shell::run(async {
        tokio::time::pause();
        let (handle, told) = start(None);
        handle.send(Input::TellLater(10)).await.unwrap();
        handle.send(Input::TellLater(30)).await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        assert_eq!(told.0.borrow().len(), 1, "only the start has told");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        assert_eq!(told.0.borrow().len(), 2, "the second timer has fired");
        handle.send(Input::TellLater(10)).await.unwrap();
        handle.send(Input::TellNever).await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        assert_eq!(told.0.borrow().len(), 2, "the cancelled timer has not");
    })
    .unwrap();
}

#[test]
fn a_panic_in_a_step_ends_the_component_with_its_message() {
    shell::run(async {
        let (handle, _) = start(None);
        handle.send(Input::Add(1)).await.unwrap();
        handle.send(Input::Break).await.ok();
        let why = handle.stopped().await;
        assert!(why.0.contains("broken on purpose"), "{why}");
        assert_eq!(handle.send(Input::Add(1)).await, Err(why));
        assert_eq!(handle.try_send(Input::Add(1)), Err(Rejected::Stopped));
    })
    .unwrap();
}

/// Counts who holds it, and runs a task that never ends by itself.
struct Lasting(Rc<()>);

impl Effects<Adder> for Lasting {
    fn perform(&mut self, _: Output, handle: &Handle<Adder>) {
        let held = self.0.clone();
        handle.spawn(async move {
            std::future::pending::<()>().await;
            drop(held);
        });
    }
}

#[test]
fn a_component_that_is_stopped_leaves_nothing() {
    shell::run(async {
        tokio::time::pause();
        let directory = tempfile::tempdir().unwrap();
        let header = Header {
            machine: "adder".to_owned(),
            component: "adder".to_owned(),
            incarnation: 1,
        };
        let held = Rc::new(());
        let handle = Component::start(Start {
            machine: Adder,
            durable: None,
            effects: Lasting(held.clone()),
            trace: Some(TraceWriter::create(directory.path(), &header).unwrap()),
            environment: Environment::system(),
        });
        handle.send(Input::Add(1)).await.unwrap();
        handle.send(Input::TellLater(10)).await.unwrap();
        assert!(Rc::strong_count(&held) > 2, "effects and tasks hold it");
        assert_eq!(open_files(directory.path()), 1, "the trace is open");
        let waits = handle.clone();
        let waits = tokio::task::spawn_local(async move { waits.stopped().await });
        handle.stop().await;
        assert_eq!(Rc::strong_count(&held), 1, "nothing holds it any more");
        assert_eq!(open_files(directory.path()), 0, "the trace is closed");
        let why = waits.await.unwrap();
        assert_eq!(handle.send(Input::Add(1)).await, Err(why));
        assert!(
            handle.spawn(async {}).is_none(),
            "no task begins after the end"
        );
        // A timer that fired would panic: the state is gone.
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        handle.stop().await;
    })
    .unwrap();
}

#[test]
fn a_component_does_not_outlive_its_guard() {
    shell::run(async {
        let (handle, told) = start(None);
        let run = tokio::task::spawn_local({
            let handle = handle.clone();
            async move {
                let _guard = handle.end_with();
                std::future::pending::<()>().await
            }
        });
        handle.send(Input::Add(1)).await.unwrap();
        run.abort();
        handle.stopped().await;
        assert_eq!(Rc::strong_count(&told.0), 1, "its effects are dropped");
    })
    .unwrap();
}

/// How many files under `directory` this process has open.
fn open_files(directory: &std::path::Path) -> usize {
    std::fs::read_dir("/proc/self/fd")
        .unwrap()
        .filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok())
        .filter(|path| path.starts_with(directory))
        .count()
}

#[test]
fn a_full_mailbox_gives_the_input_back() {
    shell::run(async {
        let (handle, told) = start(None);
        handle.send(Input::Add(1)).await.unwrap();
        let mut taken = 0;
        // Nothing is handled before this task yields, so the mailbox fills up.
        let rejected = loop {
            match handle.try_send(Input::Add(1)) {
                Ok(()) => taken += 1,
                Err(rejected) => break rejected,
            }
            assert!(taken < 10_000, "the mailbox has a bound");
        };
        assert_eq!(rejected, Rejected::Full(Input::Add(1)));
        handle.send(Input::Add(1)).await.unwrap();
        assert_eq!(told.0.borrow().last(), Some(&Output::Sum(taken + 2)));
    })
    .unwrap();
}

#[test]
fn a_stop_outweighs_a_restart() {
    shell::run(async {
        let (trigger, shutdown) = Shutdown::new();
        assert_eq!(shutdown.asked(), None);
        trigger.ask(Why::Restart);
        assert_eq!(shutdown.requested().await, Why::Restart);
        trigger.ask(Why::Stop);
        trigger.ask(Why::Restart);
        assert_eq!(shutdown.requested().await, Why::Stop);
    })
    .unwrap();
}
