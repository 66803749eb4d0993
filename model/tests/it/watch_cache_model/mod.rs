//! The watch cache against a store that forgets nothing: under arbitrary histories, breaks, compactions and
//! paces, what each watch and each read was given is what the history says.

mod drive;
mod history;
mod world;

use model::machines::watch_cache::Limits;
use proptest::prelude::*;

use crate::watch_cache::Pick;
use world::World;

const PREFIXES: [&str; 4] = ["/r/a/", "/r/a/1/", "/r/a/2/", "/r/a/1/x"];
const KEYS: [&str; 5] = ["/r/a/1/x", "/r/a/1/xx", "/r/a/1/y", "/r/a/2/x", "/r/b/1/x"];

fn limits() -> Limits {
    Limits {
        window_changes: 6,
        window_bytes: 400,
        untaken: 3,
        untaken_bytes: 100,
        waiting: 100,
        ..Limits::default()
    }
}

#[derive(Clone, Debug)]
enum Happening {
    /// A transaction of one or two keys.
    Write(Vec<(usize, Option<u8>)>),
    Compact,
    /// The store feeds so many revisions at once.
    Feed(usize),
    /// The list under way goes on by so many objects.
    ListOn(usize),
    Break,
    /// Timers fire: the pause, the bookmarks, the oldest stall.
    Rest,
    Bookmarks,
    Stall,
    Watch(usize, Pick, Begin, bool),
    Take(usize, u32),
    Drop(usize),
    TellRevision,
    LoseQuestion,
    Read(usize, Pick, Begin, u64),
    Overdue,
}

/// Where a watch or read begins, relative to what is.
#[derive(Clone, Copy, Debug)]
enum Begin {
    /// After (or at exactly) a revision so far back.
    Back(u64),
    Any,
    /// At least the store's newest.
    Newest,
    Consistent,
}

fn pick() -> impl Strategy<Value = Pick> {
    prop_oneof![
        Just(Pick::Every),
        (0..20u8).prop_map(Pick::Least),
        (0..4u8).prop_map(Pick::Of)
    ]
}

fn begin() -> impl Strategy<Value = Begin> {
    prop_oneof![
        (0..8u64).prop_map(Begin::Back),
        Just(Begin::Any),
        Just(Begin::Newest),
        Just(Begin::Consistent)
    ]
}

fn happening() -> impl Strategy<Value = Happening> {
    let write = (
        0..KEYS.len(),
        prop::option::weighted(0.7, prop_oneof![9 => 0..20u8, 1 => 200..210u8]),
    );
    prop_oneof![
        6 => prop::collection::vec(write, 1..3).prop_map(Happening::Write),
        6 => (1..4usize).prop_map(Happening::Feed),
        2 => (1..4usize).prop_map(Happening::ListOn),
        2 => (0..PREFIXES.len(), pick(), begin(), any::<bool>())
            .prop_map(|(prefix, pick, begin, mark)| Happening::Watch(prefix, pick, begin, mark)),
        2 => (0..PREFIXES.len(), pick(), begin(), 0..3u64)
            .prop_map(|(prefix, pick, begin, limit)| Happening::Read(prefix, pick, begin, limit)),
        4 => (0..8usize, 1..4u32).prop_map(|(watch, count)| Happening::Take(watch, count)),
        2 => Just(Happening::TellRevision),
        1 => Just(Happening::Compact),
        1 => Just(Happening::Break),
        1 => Just(Happening::Rest),
        1 => Just(Happening::Bookmarks),
        1 => Just(Happening::Stall),
        1 => Just(Happening::LoseQuestion),
        1 => Just(Happening::Overdue),
        1 => (0..8usize).prop_map(Happening::Drop),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn watches_and_reads_are_what_the_history_says(happenings in prop::collection::vec(happening(), 0..80)) {
        let mut world = World::new();
        for happening in happenings {
            world.happen(happening);
        }
        world.settle();
        prop_assert!(world.readers.is_empty(), "every read is answered");
        prop_assert_eq!(world.state.revision(), Some(world.history.newest()));
        for (id, client) in world.clients.iter().filter(|(_, client)| !client.ended) {
            world.check_client(*id);
            prop_assert_eq!(client.objects_due, 0);
            let after = client.after.expect("every watch is opened or refused");
            let due = world.history.seen(after, client.prefix, &client.filter);
            prop_assert_eq!(client.changes.len(), due.len(), "guarantee 3: no gap, watch {}", id);
        }
    }
}
