//! The kill matrix: every seeded bug is caught by the property of its row, and the table in `specs/README.md` is what
//! this finds. To see it: `cargo test -p plimsoll-specs --test it kill_matrix -- --nocapture`.

use std::fmt::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use specs::world::World;

use super::hunt::{histories_to_kill, hunt};

/// A bug, and the hunt for it.
pub struct Row {
    /// The specification whose row it repeats.
    pub specification: &'static str,
    /// Its name: the issue that it repeats, or what it is.
    pub bug: &'static str,
    /// The property that must catch it.
    pub property: &'static str,
    /// Runs the machine without faults, in which nothing may break, and then hunts; `None` if the bug lives on.
    pub kill: Box<dyn Fn() -> Option<Kill> + Send + Sync>,
}

/// How a bug was caught.
pub struct Kill {
    /// The shortest way to where the property is broken.
    pub way: Vec<String>,
    /// How many states were looked at.
    pub states: usize,
    /// In how many histories walked at random, about, one breaks something.
    pub histories: u64,
}

/// Explores a world until the property is broken, and walks it at random until anything is.
pub fn kill<W: World + Clone>(world: W, property: &str, most: usize) -> Option<Kill> {
    let histories = histories_to_kill(world.clone())?;
    let caught = hunt(world, property, most)?;
    Some(Kill {
        way: caught.way.iter().map(ToString::to_string).collect(),
        states: caught.states,
        histories,
    })
}

/// Hunts for all of them, two at a time.
fn hunted(rows: &[Row]) -> Vec<Option<Kill>> {
    let next = AtomicUsize::new(0);
    let kills: Vec<Mutex<Option<Kill>>> = rows.iter().map(|_| Mutex::new(None)).collect();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(row) = rows.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let at = rows.iter().position(|other| std::ptr::eq(other, row));
                    let kill = (row.kill)();
                    *kills[at.expect("a row of these")]
                        .lock()
                        .expect("no hunter died") = kill;
                }
            });
        }
    });
    let kills = kills.into_iter();
    kills
        .map(|kill| kill.into_inner().expect("no hunter died"))
        .collect()
}

#[test]
fn kill_matrix() {
    let mut rows = super::store::rows();
    rows.extend(super::lease::rows());
    rows.extend(super::watch::rows());
    rows.extend(super::create_pod::rows());
    let mut table = String::from(
        "| specification | bug | caught by | steps | states | histories |\n|---|---|---|---|---|---|\n",
    );
    let mut ways = String::new();
    let mut alive = Vec::new();
    for (row, kill) in rows.iter().zip(hunted(&rows)) {
        let Some(Kill {
            way,
            states,
            histories,
        }) = kill
        else {
            alive.push(row.bug);
            continue;
        };
        let Row {
            specification,
            bug,
            property,
            ..
        } = row;
        writeln!(
            table,
            "| {specification} | {bug} | {property} | {} | {states} | {histories} |",
            way.len()
        )
        .expect("a string takes what is written");
        writeln!(ways, "{bug} | {property}\n    {}", way.join("; "))
            .expect("a string takes what is written");
    }
    println!("{table}");
    assert!(alive.is_empty(), "not caught: {alive:?}");
    println!("{ways}");
    let readme = include_str!("../../../README.md");
    assert!(
        readme.contains(&table),
        "specs/README.md has another kill matrix than this:\n{table}"
    );
}
