//! How many objects go with one lease.

use model::machine::{Machine, Now, Out, Request};
use model::machines::transaction::{Input, Output, Seen, Transactions, Write, WriteVerb};
use model::messages::store::{LeaseId, Operation, StoreResponse};
use model::objects::key::ObjectKey;
use model::objects::kinds;

use super::objects::{Change, Thing, Things};

/// An input for a further event.
fn event(id: u64) -> Input<Thing, Change> {
    let mut thing = Thing::default();
    thing.meta.name = format!("e{id}");
    thing.meta.namespace = "d".to_owned();
    let namespace = Thing {
        held: true,
        ..Thing::default()
    };
    Input::Submit {
        id,
        object: Seen::Absent,
        namespace: Seen::Present {
            revision: 1,
            value: namespace,
        },
        write: Write {
            key: ObjectKey::new(kinds::events(), "d", &thing.meta.name),
            verb: WriteVerb::Create(Change::Whole(thing)),
            dry_run: false,
        },
        uid: format!("u{id}"),
        random: id,
    }
}

#[test]
fn a_hundred_objects_go_with_a_lease() {
    let machine = Transactions {
        strategy: Things,
        ttl_seconds: 3600,
    };
    let mut out = Out::new();
    let mut state = machine.start(None, Now(0), &mut out);
    for id in 1..=101 {
        machine.step(&mut state, Now(0), event(id), &mut out);
    }
    let mut granted: Vec<LeaseId> = Vec::new();
    let mut goes_with: Vec<LeaseId> = Vec::new();
    loop {
        let mut asked = None;
        for request in out.drain() {
            match request {
                Request::Output(Output::Grant { lease, ttl_seconds }) => {
                    asked = Some((lease, ttl_seconds));
                }
                Request::Output(Output::Ask { transaction, .. }) => {
                    for operation in transaction.success {
                        if let Operation::Put { lease, .. } = operation {
                            goes_with.push(lease);
                        }
                    }
                }
                _ => {}
            }
        }
        let Some((lease, ttl_seconds)) = asked else {
            break;
        };
        granted.push(lease);
        let answer = Some(StoreResponse::Lease { lease, ttl_seconds });
        let input = Input::Granted { lease, answer };
        machine.step(&mut state, Now(0), input, &mut out);
    }
    let with = |lease: LeaseId| goes_with.iter().filter(|one| **one == lease).count();
    let counts: Vec<usize> = granted.into_iter().map(with).collect();
    assert_eq!(counts, [100, 1]);
}
