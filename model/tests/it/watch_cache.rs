//! The watch cache's scenarios and its transition table.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use model::machines::watch_cache::{
    Cached, Fed, Input, Key, Limits, Listed, Read, Start, State, Watch, WatchCache,
};
use model::rules::resource_version::ReadAt;

use crate::scenario::{self, Player, Rig};

/// What is cached here: a number. Its last digit is the group; one of 200 and above is large.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Thing(pub u8);

impl std::fmt::Debug for Thing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// What is selected here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pick {
    Every,
    /// At least so much.
    Least(u8),
    /// Of one group.
    Of(u8),
}

const GROUPS: [&str; 10] = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];

impl Cached for Thing {
    type Filter = Pick;

    fn matches(&self, filter: &Pick) -> bool {
        match filter {
            Pick::Every => true,
            Pick::Least(least) => self.0 >= *least,
            Pick::Of(group) => self.0 % 10 == *group,
        }
    }

    fn group(&self) -> &str {
        GROUPS[usize::from(self.0 % 10)]
    }

    fn group_of(filter: &Pick) -> Option<&str> {
        match filter {
            Pick::Of(group) => Some(GROUPS[usize::from(*group)]),
            _ => None,
        }
    }

    fn is_everything(filter: &Pick) -> bool {
        *filter == Pick::Every
    }

    fn restamped(&self, _: u64) -> Self {
        *self
    }

    fn size(&self) -> usize {
        if self.0 < 200 { 1 } else { 100 }
    }
}

pub fn small() -> Limits {
    Limits {
        window_changes: 4,
        window_bytes: 1000,
        untaken: 2,
        untaken_bytes: 100,
        stall_ms: 1000,
        fresh_ms: 3000,
        waiting: 3,
        bookmark_ms: 60_000,
        rest_ms: 50,
    }
}

/// The commands:
///
/// ```text
/// listed REVISION [more] KEY@REVISION=VALUE …      fed REVISION KEY@REVISION=VALUE -KEY@REVISION …
/// expired | lost                                   progressed QUERY REVISION | query-lost QUERY
/// get ID AT KEY                                    list ID AT PREFIX PICK [limit=N] [after=KEY]
/// watch ID PREFIX PICK after=N | initial=AT [bookmark] [bookmarks]
/// taken ID N                                       dropped ID
/// fire TIMER
/// ```
/// AT is `any`, `consistent`, `>=N` or `=N`; PICK is `every`, `least:N` or `of:N`.
struct CachePlayer {
    rig: Rig<WatchCache<Thing>>,
    epoch: u64,
    transitions: Rc<RefCell<BTreeSet<String>>>,
}

fn phase(state: &State<Thing>) -> String {
    state.phase().to_owned()
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("{text} is no number"))
}

fn at(text: &str) -> Result<ReadAt, String> {
    Ok(match text {
        "any" => ReadAt::Any,
        "consistent" => ReadAt::Consistent,
        _ => match (text.strip_prefix(">="), text.strip_prefix('=')) {
            (Some(revision), _) => ReadAt::AtLeast(number(revision)?),
            (_, Some(revision)) => ReadAt::Exact(number(revision)?),
            _ => return Err(format!("how fresh is {text}?")),
        },
    })
}

fn pick(text: &str) -> Result<Pick, String> {
    let small = |text: &str| {
        text.parse::<u8>()
            .map_err(|_| format!("{text} is no number"))
    };
    match text.split_once(':') {
        None if text == "every" => Ok(Pick::Every),
        Some(("least", least)) => Ok(Pick::Least(small(least)?)),
        Some(("of", group)) => Ok(Pick::Of(small(group)?)),
        _ => Err(format!("which are {text}?")),
    }
}

/// `KEY@REVISION=VALUE` or `KEY@REVISION`.
fn change(text: &str) -> Result<(Key, u64, Option<Thing>), String> {
    let (key, rest) = text.split_once('@').ok_or("KEY@REVISION=VALUE")?;
    let (revision, value) = match rest.split_once('=') {
        Some((revision, value)) => (revision, Some(value)),
        None => (rest, None),
    };
    let value = value.map(|value| number(value).map(|value| Thing(value as u8)));
    Ok((Key::from(key), number(revision)?, value.transpose()?))
}

impl CachePlayer {
    fn input(&self, words: &[&str]) -> Result<Input<Thing>, String> {
        let epoch = self.epoch;
        Ok(match *words {
            ["listed", revision, ref rest @ ..] => {
                let more = rest.first() == Some(&"more");
                let items = rest[usize::from(more)..].iter().map(|text| {
                    let (key, revision, value) = change(text)?;
                    let value = value.ok_or("an object has a value")?;
                    Ok(Listed {
                        key,
                        revision,
                        value,
                    })
                });
                Input::Listed {
                    epoch,
                    revision: number(revision)?,
                    items: items.collect::<Result<_, String>>()?,
                    more,
                }
            }
            ["fed", revision, ref rest @ ..] => {
                let changes = rest.iter().map(|text| {
                    let (key, revision, value) = change(text.strip_prefix('-').unwrap_or(text))?;
                    Ok(Fed {
                        key,
                        revision,
                        value,
                    })
                });
                Input::Fed {
                    epoch,
                    revision: number(revision)?,
                    changes: changes.collect::<Result<_, String>>()?,
                }
            }
            ["stale-fed", revision] => Input::Fed {
                epoch: epoch - 1,
                revision: number(revision)?,
                changes: Vec::new(),
            },
            ["expired"] => Input::Expired { epoch },
            ["lost"] => Input::Lost { epoch },
            ["progressed", query, revision] => Input::Progressed {
                query: number(query)?,
                revision: number(revision)?,
            },
            ["query-lost", query] => Input::QueryLost {
                query: number(query)?,
            },
            ["get", id, fresh, key] => Input::Read {
                request: number(id)?,
                at: at(fresh)?,
                read: Read::Get(Key::from(key)),
            },
            ["list", id, fresh, prefix, which, ref rest @ ..] => {
                let option = |name: &str| rest.iter().find_map(|word| word.strip_prefix(name));
                Input::Read {
                    request: number(id)?,
                    at: at(fresh)?,
                    read: Read::List {
                        prefix: Key::from(prefix),
                        filter: pick(which)?,
                        limit: option("limit=").map_or(Ok(0), number)?,
                        after: option("after=").map(Key::from),
                    },
                }
            }
            ["watch", id, prefix, which, start, ref rest @ ..] => {
                let start = match (start.strip_prefix("after="), start.strip_prefix("initial=")) {
                    (Some(revision), _) => Start::After(number(revision)?),
                    (_, Some(fresh)) => Start::Initial {
                        at: at(fresh)?,
                        bookmark: rest.contains(&"bookmark"),
                    },
                    _ => return Err(format!("where does {start} begin?")),
                };
                Input::Watch {
                    request: number(id)?,
                    watch: Watch {
                        prefix: Key::from(prefix),
                        filter: pick(which)?,
                        start,
                        bookmarks: rest.contains(&"bookmarks"),
                    },
                }
            }
            ["taken", id, count] => Input::Taken {
                watcher: number(id)?,
                changes: number(count)? as u32,
            },
            ["ending", id] => Input::Ending {
                watcher: number(id)?,
            },
            ["dropped", id] => Input::Dropped {
                request: number(id)?,
            },
            _ => return Err(format!("what is {words:?}?")),
        })
    }
}

impl Player for CachePlayer {
    fn play(&mut self, command: &str) -> Result<String, String> {
        let answer = match command.strip_prefix("fire ") {
            Some(timer) => self.rig.fire(phase, timer)?,
            None => {
                let words: Vec<&str> = command.split_whitespace().collect();
                let input = self.input(&words)?;
                self.rig.step(phase, input)
            }
        };
        for (at, word) in answer.match_indices("epoch: ") {
            let digits = answer[at + word.len()..]
                .chars()
                .take_while(char::is_ascii_digit);
            self.epoch = number(&digits.collect::<String>())?;
        }
        self.transitions.borrow_mut().extend(self.rig.transitions());
        Ok(crate::shorthand::shorten(&answer))
    }
}

#[test]
fn scenarios_and_transitions() {
    let transitions = Rc::new(RefCell::new(BTreeSet::new()));
    scenario::play_all("watch_cache", || CachePlayer {
        rig: Rig::new(WatchCache::new(small())).0,
        epoch: 1,
        transitions: transitions.clone(),
    });
    let rows: Vec<String> = transitions.borrow().iter().cloned().collect();
    insta::assert_snapshot!(rows.join("\n"));
}
