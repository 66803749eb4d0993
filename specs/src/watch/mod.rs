#![doc = include_str!("README.md")]

pub mod cache;
pub mod history;
pub mod ledger;
pub mod machines;
pub mod opened;
pub mod properties;
pub mod reflector;
pub mod specification;
pub mod watcher;
pub mod world;

use crate::catalog::{Listed, Size};
use crate::checked::Checked;

use history::Filter;
use specification::Watch;
use world::{WatchWorld, Writes};

const A: usize = 0;
const B: usize = 1;
const MARKED: Option<bool> = Some(true);
const PLAIN: Option<bool> = Some(false);
const GONE: Option<bool> = None;

/// An object enters; it leaves the selector, or goes.
const SHORT: &[&[Writes]] = &[&[&[(A, MARKED)]], &[&[(A, PLAIN)]]];

/// The same with a second object; one transaction changes both.
const LONG: &[&[Writes]] = &[
    &[&[(A, MARKED)]],
    &[&[(A, PLAIN), (B, MARKED)], &[(A, GONE)]],
    &[&[(A, MARKED)], &[(B, MARKED)]],
];

/// The world of a size.
pub fn world(size: &str) -> WatchWorld {
    let watch = |servers, filters: &[Filter]| Watch {
        servers,
        filters: filters.to_vec(),
    };
    match size {
        "tiny" => WatchWorld {
            watch: watch(1, &[Filter::Marked]),
            script: SHORT,
            extras: 1,
            window: 0,
            room: 1,
            streams: true,
        },
        "large" => WatchWorld {
            watch: watch(2, &[Filter::Marked, Filter::Everything]),
            script: SHORT,
            extras: 1,
            window: 0,
            room: 1,
            streams: false,
        },
        _ => WatchWorld {
            watch: watch(2, &[Filter::Marked]),
            script: LONG,
            extras: 1,
            window: 1,
            room: 2,
            streams: true,
        },
    }
}

/// The specification as the catalog lists it.
pub fn listed() -> Listed {
    const fn size(
        name: &'static str,
        holds: &'static str,
        states: usize,
        unseen: &'static [&'static str],
    ) -> Size {
        Size {
            name,
            holds,
            states,
            unseen,
        }
    }
    /// What clients do not say that list and then watch.
    const STREAMED: &[&str] = &["end initial", "stream", "stream any"];
    const SIZES: &[Size] = &[
        size(
            "tiny",
            "1 server, 1 client, 2 revisions, 1 extra",
            4_616,
            &[],
        ),
        size(
            "ci",
            "2 servers, 1 client, 3 revisions, 1 extra",
            1_669_055,
            &[],
        ),
        size(
            "large",
            "2 servers, 2 clients, 2 revisions, 1 extra, no streams",
            3_050_409,
            STREAMED,
        ),
    ];
    Listed {
        name: "watch",
        about: "lists and watches of clients, over API servers that lag, trim, break and restart",
        readme: include_str!("README.md"),
        sizes: SIZES,
        world: |size| Box::new(Checked::new(world(size.name))),
    }
}
