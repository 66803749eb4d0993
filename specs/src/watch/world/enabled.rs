//! Which choices a moment has.

use super::super::cache;
use super::super::history::{EMPTY, Event};
use super::{Choice, Client, Feed, Phase, State, WatchWorld};

/// What may happen next.
pub(super) fn choices(world: &WatchWorld, state: &State) -> Vec<Choice> {
    let mut choices = Vec::new();
    let newest = state.watch.history.newest();
    let next = world.script.get((newest - EMPTY) as usize);
    choices.extend(
        (0..next.map_or(0, |options| options.len())).map(|option| Choice::Write { option }),
    );
    if state.extras_left > 0 && state.watch.compacted < newest && newest > EMPTY {
        choices.push(Choice::Compact);
    }
    for server in 0..state.feeds.len() {
        of_server(world, state, server, &mut choices);
    }
    for (number, client) in state.clients.iter().enumerate() {
        of_client(world, state, number, client, &mut choices);
        if state.extras_left > 0 {
            if client.phase != Phase::Outside && client.phase != Phase::Behind {
                choices.push(Choice::Break { client: number });
            }
            if client.told {
                choices.push(Choice::CrashClient { client: number });
            }
        }
    }
    choices
}

fn of_server(world: &WatchWorld, state: &State, server: usize, choices: &mut Vec<Choice>) {
    let cache = &state.watch.servers[server].cache;
    let behind = state.watch.history.newest() - cache.revision;
    match state.feeds[server] {
        Feed::Listing => choices.push(Choice::Fill { server }),
        Feed::Broken(_) => choices.push(Choice::Follow { server }),
        Feed::Following(_) if state.watch.compacted > cache.revision => {
            choices.push(Choice::Expire { server });
        }
        Feed::Following(_) => {
            if behind > 0 {
                choices.push(Choice::Apply { server });
            }
            if cache.query.is_none()
                && cache
                    .waiting
                    .values()
                    .any(|need| *need == cache::Need::Question)
            {
                choices.push(Choice::Query { server });
            }
        }
    }
    if cache.query.is_some() {
        choices.push(Choice::Answer { server });
    }
    if cache.revision - cache.floor > world.window {
        choices.push(Choice::Trim { server });
    }
    if state.extras_left > 0 && cache.filled {
        choices.push(Choice::CrashServer { server });
        if matches!(state.feeds[server], Feed::Following(_)) {
            choices.push(Choice::LoseFeed { server });
        }
    }
}

fn of_client(
    world: &WatchWorld,
    state: &State,
    number: usize,
    client: &Client,
    choices: &mut Vec<Choice>,
) {
    let cache = &state.watch.servers[client.server].cache;
    let (list, watch) = world.requests(number);
    let servers = 0..state.feeds.len();
    match client.phase {
        Phase::Outside => {
            for server in servers {
                let ask = |any| Choice::List {
                    client: number,
                    server,
                    any,
                };
                let stream = |any| Choice::Stream {
                    client: number,
                    server,
                    any,
                };
                choices.push(ask(false));
                // Only who has never been told anything may take what is at hand: it could be the past.
                if !client.told {
                    choices.push(ask(true));
                }
                if world.streams {
                    choices.push(stream(false));
                    if !client.told {
                        choices.push(stream(true));
                    }
                }
            }
        }
        Phase::Listing => {
            if client.frames.is_empty() && cache.filled && is_fresh(cache, list) {
                choices.push(Choice::Serve { client: number });
            }
        }
        Phase::Behind => choices.extend(servers.map(|server| Choice::Watch {
            client: number,
            server,
        })),
        Phase::Asking { initial } => {
            if !client.frames.is_empty() || !cache.filled || !is_fresh(cache, watch) {
                // Its answer is on the way, or has to wait.
            } else if !initial && client.revision < cache.floor {
                choices.push(Choice::Refuse { client: number });
            } else {
                choices.push(Choice::Open { client: number });
            }
        }
        Phase::Watching { initial } => {
            if let Some(watch) = cache.watches.get(&watch) {
                of_watch(world, state, number, initial, watch, choices);
            }
        }
    }
    if !client.frames.is_empty() {
        choices.push(Choice::Take { client: number });
    }
}

fn of_watch(
    world: &WatchWorld,
    state: &State,
    client: usize,
    initial: bool,
    watch: &cache::Watch,
    choices: &mut Vec<Choice>,
) {
    let full = state.clients[client].frames.len() >= world.room;
    if watch.lost {
        choices.push(Choice::CutOff { client });
        return;
    }
    let pending = pending(world, state, client, watch);
    let revisions = pending.iter().map(|event| event.revision);
    let (first, last) = (revisions.clone().min(), revisions.max());
    let any = initial || last.is_some();
    if full {
        if any {
            choices.push(Choice::Stall { client });
        }
        return;
    }
    if watch.initial > 0 || !initial && first.is_some() {
        choices.push(Choice::Deliver { client, all: false });
    }
    if !initial && first < last {
        choices.push(Choice::Deliver { client, all: true });
    }
    if initial && watch.initial == 0 {
        choices.push(Choice::EndInitial { client });
    }
    let revision = state.watch.servers[state.clients[client].server]
        .cache
        .revision;
    if !any && state.extras_left > 0 && revision >= watch.sent {
        choices.push(Choice::Bookmark { client });
    }
}

fn is_fresh(cache: &cache::State, request: u64) -> bool {
    match cache.waiting.get(&request) {
        None => true,
        Some(cache::Need::Revision(revision)) => *revision <= cache.revision,
        Some(cache::Need::Question | cache::Need::Answer) => false,
    }
}

/// What a client's watch has not been handed.
pub(super) fn pending(
    world: &WatchWorld,
    state: &State,
    client: usize,
    watch: &cache::Watch,
) -> Vec<Event> {
    let cache = &state.watch.servers[state.clients[client].server].cache;
    let filter = world.watch.filters[client];
    state
        .watch
        .history
        .events(filter, watch.sent, cache.revision)
        .collect()
}
