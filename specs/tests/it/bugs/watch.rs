//! The table of the watch specification's seeded bugs, and who catches them.

use specs::watch::machines::{MachinesWorld, world};
use specs::watch::world::Writes;

use super::faulty::Faulty;
use super::hunt::calm;
use super::matrix::{Row as MatrixRow, kill};
use super::watch_caches::CacheFault;
use super::watch_parts::{ReflectorFault, StoreFault};

/// A hunt that looks at more states has failed.
const MOST: usize = 1_500_000;

/// An object comes; it leaves the selector as another comes, or goes; it comes again, or is changed outside it.
const SCRIPT: &[&[Writes]] = &[
    &[&[(0, Some(true))]],
    &[&[(0, Some(false)), (1, Some(true))], &[(0, None)]],
    &[&[(0, Some(true))], &[(0, Some(false))]],
];

/// Where a bug is put in.
#[derive(Clone, Copy, Debug)]
enum Part {
    Cache(CacheFault),
    Reflector(ReflectorFault),
    Store(StoreFault),
}

/// A bug, the world in which it is hunted, and the property that must catch it.
struct Row {
    bug: &'static str,
    part: Part,
    servers: usize,
    streams: bool,
    property: &'static str,
}

const fn row(bug: &'static str, part: Part, servers: usize, property: &'static str) -> Row {
    Row {
        bug,
        part,
        servers,
        streams: false,
        property,
    }
}

const fn streamed(row: Row) -> Row {
    Row {
        streams: true,
        ..row
    }
}

const fn cache(
    bug: &'static str,
    fault: CacheFault,
    servers: usize,
    property: &'static str,
) -> Row {
    row(bug, Part::Cache(fault), servers, property)
}

fn table() -> Vec<Row> {
    use CacheFault as Fault;
    vec![
        cache(
            "kubernetes 49992",
            Fault::EmptyWindow,
            2,
            "no event is left out",
        ),
        cache(
            "kubernetes 73845",
            Fault::Buffered,
            1,
            "a client never goes back in time",
        ),
        cache(
            "kubernetes 49745",
            Fault::Unsorted,
            1,
            "events are ordered by revision",
        ),
        streamed(cache(
            "kubernetes 74022",
            Fault::LastItem,
            1,
            "initial events end as fresh as asked",
        )),
        cache(
            "kubernetes 116122",
            Fault::Reinitialized,
            1,
            "no event is left out",
        ),
        cache(
            "kubernetes 125244",
            Fault::BookmarkBehind,
            1,
            "a bookmark means that everything before it has come",
        ),
        cache(
            "kubernetes 24004",
            Fault::AtRevision,
            1,
            "a watch starts strictly after its revision",
        ),
        cache(
            "kubernetes 59848",
            Fault::AnyList,
            2,
            "a consistent list has all that was acknowledged",
        ),
        streamed(cache(
            "kubernetes 122830",
            Fault::AnyInitial,
            1,
            "initial events end as fresh as asked",
        )),
        row(
            "kubernetes 123072",
            Part::Reflector(ReflectorFault::WatchesOn),
            1,
            "410 only for what left the window, and then a list",
        ),
        cache(
            "etcd 15220",
            Fault::BookmarkAhead,
            1,
            "a bookmark means that everything before it has come",
        ),
        cache(
            "etcd 15271",
            Fault::FutureWatch,
            2,
            "a watch starts strictly after its revision",
        ),
        cache(
            "etcd 20221",
            Fault::FutureProgress,
            2,
            "a bookmark means that everything before it has come",
        ),
        cache(
            "etcd 17529",
            Fault::Starved,
            1,
            "a slow watch is closed, not thinned",
        ),
        row(
            "etcd 18089, 19179",
            Part::Store(StoreFault::LostTombstone),
            1,
            "the machines refine the watch specification",
        ),
        row(
            "etcd 15220 in the store",
            Part::Store(StoreFault::ProgressAhead),
            1,
            "the machines refine the watch specification",
        ),
        cache(
            "a split revision",
            Fault::Split,
            1,
            "a revision is not split",
        ),
        cache(
            "an event doubled",
            Fault::Doubled,
            1,
            "no event comes twice",
        ),
        cache(
            "a filter forgotten",
            Fault::Unfiltered,
            1,
            "an event matches the request",
        ),
        cache(
            "entering told as modified",
            Fault::EnterModified,
            1,
            "an event is a creation if nothing was there",
        ),
        cache(
            "leaving told as modified",
            Fault::LeaveModified,
            1,
            "leaving a selector is a deletion, entering an addition",
        ),
        cache(
            "another object in a deletion",
            Fault::OtherObject,
            1,
            "an event carries the object as it was",
        ),
        cache(
            "410 inside the window",
            Fault::Nervous,
            1,
            "410 only for what left the window, and then a list",
        ),
        cache(
            "a list ahead of its objects",
            Fault::ListAhead,
            1,
            "list and watch fit together",
        ),
        row(
            "a watch resumed after the list",
            Part::Reflector(ReflectorFault::FromList),
            1,
            "a watch resumes after the last event",
        ),
    ]
}

fn shipped(servers: usize, streams: bool) -> MachinesWorld {
    let mut world = world("large");
    world.streams = streams;
    world.script = SCRIPT;
    world.watch.servers = servers;
    world
}

/// A world with one part replaced; calm, and then hunted in.
macro_rules! with {
    ($row:expr, $part:ident: $fault:expr, $($same:ident),*) => {{
        let put_in = |servers| {
            let shipped = shipped(servers, $row.streams);
            MachinesWorld {
                $part: Faulty { machine: shipped.$part, fault: $fault },
                $($same: shipped.$same,)*
                watch: shipped.watch,
                streams: shipped.streams,
                script: shipped.script,
                extras: shipped.extras,
            }
        };
        let calm = calm(put_in(1));
        assert!(calm.is_ok(), "{}: a calm run breaks: {calm:?}", $row.bug);
        kill(put_in($row.servers), $row.property, MOST)
    }};
}

/// The rows of the watch specification.
pub fn rows() -> Vec<MatrixRow> {
    let rows = table().into_iter();
    rows.map(|row| MatrixRow {
        specification: "watch",
        bug: row.bug,
        property: row.property,
        kill: Box::new(move || match row.part {
            Part::Cache(fault) => with!(row, cache: fault, store, reflector),
            Part::Reflector(fault) => with!(row, reflector: fault, store, cache),
            Part::Store(fault) => with!(row, store: fault, cache, reflector),
        }),
    })
    .collect()
}

/// The worlds that bugs are put into are calm themselves, and no property is broken there by what ships.
#[test]
fn what_ships_is_calm() {
    for streams in [false, true] {
        assert!(calm(shipped(1, streams)).is_ok());
    }
}
