//! What can happen in the abstract world.

use std::fmt;

use crate::world::{Happens, Word};

/// One thing that can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// A writer's transaction is durable and acknowledged.
    Write {
        /// Which of those that may be next.
        option: usize,
    },
    /// The store forgets its history.
    Compact,
    /// A server reads everything; watches whose changes are then not known end with 410.
    Fill {
        /// The server.
        server: usize,
    },
    /// A server takes in the next revision.
    Apply {
        /// The server.
        server: usize,
    },
    /// The store tells a server that what it would follow from is compacted.
    Expire {
        /// The server.
        server: usize,
    },
    /// A server follows the store again.
    Follow {
        /// The server.
        server: usize,
    },
    /// A server's connection to the store breaks.
    LoseFeed {
        /// The server.
        server: usize,
    },
    /// The oldest revision leaves a server's window.
    Trim {
        /// The server.
        server: usize,
    },
    /// A server asks the store for its revision.
    Query {
        /// The server.
        server: usize,
    },
    /// The store tells it.
    Answer {
        /// The server.
        server: usize,
    },
    /// A server crashes and starts again.
    CrashServer {
        /// The server.
        server: usize,
    },
    /// A client's list is answered.
    Serve {
        /// The client.
        client: usize,
    },
    /// A client's watch is opened.
    Open {
        /// The client.
        client: usize,
    },
    /// A client's watch is refused with 410.
    Refuse {
        /// The client.
        client: usize,
    },
    /// A client's watch is handed the next revision, or all there are.
    Deliver {
        /// The client.
        client: usize,
        /// Whether all.
        all: bool,
    },
    /// The end of the initial events is told by a bookmark.
    EndInitial {
        /// The client.
        client: usize,
    },
    /// A client's watch is told how far it is.
    Bookmark {
        /// The client.
        client: usize,
    },
    /// A watch whose place has left the window is closed.
    CutOff {
        /// The client.
        client: usize,
    },
    /// A watch whose client takes nothing is closed.
    Stall {
        /// The client.
        client: usize,
    },
    /// A client asks for a list: consistent, or as it is at hand.
    List {
        /// The client.
        client: usize,
        /// Of which server.
        server: usize,
        /// Whether as it is at hand.
        any: bool,
    },
    /// A client asks for a watch that begins with the present objects (KEP-3157).
    Stream {
        /// The client.
        client: usize,
        /// Of which server.
        server: usize,
        /// Whether as they are at hand.
        any: bool,
    },
    /// A client asks for a watch after its revision.
    Watch {
        /// The client.
        client: usize,
        /// Of which server.
        server: usize,
    },
    /// A client takes what came.
    Take {
        /// The client.
        client: usize,
    },
    /// A client's connection breaks.
    Break {
        /// The client.
        client: usize,
    },
    /// A client crashes and starts again.
    CrashClient {
        /// The client.
        client: usize,
    },
}

const fn word(name: &'static str, kind: Happens) -> Word {
    Word { name, kind }
}

/// Every word.
pub const WORDS: &[Word] = &[
    word("write", Happens::Perhaps),
    word("compact", Happens::Perhaps),
    word("fill", Happens::Surely),
    word("apply", Happens::Surely),
    word("expire", Happens::Surely),
    word("follow", Happens::Surely),
    word("lose feed", Happens::Fault),
    word("trim", Happens::Perhaps),
    word("query", Happens::Surely),
    word("answer", Happens::Surely),
    word("crash server", Happens::Fault),
    word("serve", Happens::Surely),
    word("open", Happens::Surely),
    word("refuse", Happens::Surely),
    word("deliver", Happens::Surely),
    word("deliver all", Happens::Perhaps),
    word("end initial", Happens::Surely),
    word("bookmark", Happens::Perhaps),
    word("cut off", Happens::Surely),
    word("stall", Happens::Perhaps),
    word("list", Happens::Surely),
    word("list any", Happens::Perhaps),
    word("stream", Happens::Perhaps),
    word("stream any", Happens::Perhaps),
    word("watch", Happens::Surely),
    word("take", Happens::Surely),
    word("break", Happens::Fault),
    word("crash client", Happens::Fault),
];

impl Choice {
    pub(super) fn word(&self) -> &'static str {
        match self {
            Choice::Write { .. } => "write",
            Choice::Compact => "compact",
            Choice::Fill { .. } => "fill",
            Choice::Apply { .. } => "apply",
            Choice::Expire { .. } => "expire",
            Choice::Follow { .. } => "follow",
            Choice::LoseFeed { .. } => "lose feed",
            Choice::Trim { .. } => "trim",
            Choice::Query { .. } => "query",
            Choice::Answer { .. } => "answer",
            Choice::CrashServer { .. } => "crash server",
            Choice::Serve { .. } => "serve",
            Choice::Open { .. } => "open",
            Choice::Refuse { .. } => "refuse",
            Choice::Deliver { all: false, .. } => "deliver",
            Choice::Deliver { all: true, .. } => "deliver all",
            Choice::EndInitial { .. } => "end initial",
            Choice::Bookmark { .. } => "bookmark",
            Choice::CutOff { .. } => "cut off",
            Choice::Stall { .. } => "stall",
            Choice::List { any: false, .. } => "list",
            Choice::List { any: true, .. } => "list any",
            Choice::Stream { any: false, .. } => "stream",
            Choice::Stream { any: true, .. } => "stream any",
            Choice::Watch { .. } => "watch",
            Choice::Take { .. } => "take",
            Choice::Break { .. } => "break",
            Choice::CrashClient { .. } => "crash client",
        }
    }

    /// The client or the server that it is about.
    pub(super) fn process(&self) -> u8 {
        let number = match self.client() {
            Some(client) => client,
            None => self.server().unwrap_or_default(),
        };
        number as u8
    }

    fn client(&self) -> Option<usize> {
        match *self {
            Choice::Serve { client }
            | Choice::Open { client }
            | Choice::Refuse { client }
            | Choice::Deliver { client, .. }
            | Choice::EndInitial { client }
            | Choice::Bookmark { client }
            | Choice::CutOff { client }
            | Choice::Stall { client }
            | Choice::List { client, .. }
            | Choice::Stream { client, .. }
            | Choice::Watch { client, .. }
            | Choice::Take { client }
            | Choice::Break { client }
            | Choice::CrashClient { client } => Some(client),
            _ => None,
        }
    }

    fn server(&self) -> Option<usize> {
        match *self {
            Choice::Fill { server }
            | Choice::Apply { server }
            | Choice::Expire { server }
            | Choice::Follow { server }
            | Choice::LoseFeed { server }
            | Choice::Trim { server }
            | Choice::Query { server }
            | Choice::Answer { server }
            | Choice::CrashServer { server }
            | Choice::List { server, .. }
            | Choice::Stream { server, .. }
            | Choice::Watch { server, .. } => Some(server),
            _ => None,
        }
    }

    pub(super) fn parties(&self) -> (String, String) {
        let store = || "store".to_owned();
        let server = |number: usize| format!("server {number}");
        let client = |number: usize| format!("client {number}");
        match (*self, self.client(), self.server()) {
            (Choice::Write { .. }, ..) => ("writer".to_owned(), store()),
            (Choice::Query { server: number }, ..) => (server(number), store()),
            (Choice::Trim { server: number } | Choice::CrashServer { server: number }, ..) => {
                (server(number), server(number))
            }
            (Choice::CrashClient { client: number }, ..) => (client(number), client(number)),
            (_, Some(asker), Some(asked)) => (client(asker), server(asked)),
            (_, Some(told), None) => ("its server".to_owned(), client(told)),
            (_, None, Some(told)) => (store(), server(told)),
            (_, None, None) => (store(), store()),
        }
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Choice::Write { option } => write!(f, "write {option}"),
            Choice::List { client, server, .. }
            | Choice::Stream { client, server, .. }
            | Choice::Watch { client, server } => {
                write!(f, "client {client}: {} from server {server}", self.word())
            }
            _ => match (self.client(), self.server()) {
                (Some(client), _) => write!(f, "client {client}: {}", self.word()),
                (None, Some(server)) => write!(f, "server {server}: {}", self.word()),
                (None, None) => f.write_str(self.word()),
            },
        }
    }
}
