//! How many small transactions a second the machine alone decides, with watchers and compaction, without a disk.
//!
//! `cargo run --release -p plimsoll-store --example machine_throughput`

use std::time::Instant;

use model::machine::{Machine, Now, Out, Request};
use model::machines::store::{Input, Limits, Output, Store};
use model::messages::store::{
    Compare, KeyRange, Operand, Operation, Relation, StoreRequest, Transaction, WatchFrame,
    WatchRequest,
};
use model::objects::bytes::Bytes;

const WATCHES: u64 = 20;
const VALUE_BYTES: usize = 2048;

fn main() {
    for (objects, together) in [(1_000, 1), (1_000, 64), (50_000, 64)] {
        run(objects, together, 200_000);
    }
}

/// Updates `objects` keys in turn, so many for each commit.
fn run(objects: u64, together: u64, transactions: u64) {
    let machine = Store::<Bytes>::new(Limits::default());
    let mut out = Out::new();
    let mut state = machine.start(None, Now(0), &mut out);
    let mut pending: Vec<Input<Bytes>> = (0..WATCHES)
        .map(|watch| {
            // Most watch another resource, as an API server's caches do.
            let range = KeyRange::prefix(&format!("/registry/core/resource{}/", watch % 10));
            Input::Watch {
                watch,
                request: WatchRequest {
                    range,
                    after: None,
                    previous: true,
                },
            }
        })
        .collect();
    let value = Bytes::from(vec![b'x'; VALUE_BYTES]);
    let (mut answers, mut events, mut commit) = (0, 0, None);
    let begun = Instant::now();
    for number in 0..transactions {
        pending.push(Input::Ask {
            from: number,
            request: update(number, objects, &value),
        });
        loop {
            for input in std::mem::take(&mut pending) {
                machine.step(&mut state, Now(0), input, &mut out);
                for request in out.drain() {
                    match request {
                        Request::Output(Output::Answer { .. }) => answers += 1,
                        Request::Output(Output::Persist { through, .. }) => commit = Some(through),
                        Request::Output(Output::Frame { watch, frame }) => {
                            if let WatchFrame::Events { events: sent, .. } = &frame {
                                events += sent.len();
                            }
                            pending.push(Input::Taken { watch });
                        }
                        Request::Output(Output::Stop { .. })
                        | Request::Timer(..)
                        | Request::Cancel(_) => {}
                    }
                }
            }
            if number % together == 0 {
                pending.extend(commit.take().map(|through| Input::Persisted { through }));
            }
            if pending.is_empty() {
                break;
            }
        }
    }
    let seconds = begun.elapsed().as_secs_f64();
    println!(
        "{objects} objects, {together} transactions a commit: {:.0} transactions/s, {answers} answers, {events} events",
        transactions as f64 / seconds
    );
}

fn update(number: u64, objects: u64, value: &Bytes) -> StoreRequest<Bytes> {
    let object = number % objects;
    let key: std::sync::Arc<str> = format!(
        "/registry/core/resource{}/default/name-{object}",
        object % 10
    )
    .into();
    StoreRequest::Transaction(Transaction {
        compares: vec![Compare {
            key: key.clone(),
            operand: Operand::Version(number / objects),
            relation: Relation::Equal,
        }],
        success: vec![Operation::Put {
            key,
            value: value.clone(),
            lease: 0,
        }],
        failure: vec![],
    })
}
