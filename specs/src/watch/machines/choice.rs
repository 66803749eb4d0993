//! What can happen in the world of machines.

use std::fmt;

use crate::world::{Happens, Word};

/// One thing that can happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// A writer's transaction becomes durable.
    Write {
        /// Which of those that may be next.
        option: usize,
    },
    /// History up to the newest revision is compacted.
    Compact,
    /// A server hears the next frame of the store's feed.
    HearFeed {
        /// The server.
        server: usize,
    },
    /// A server hears the store's next answer.
    HearAnswer {
        /// The server.
        server: usize,
    },
    /// A server follows the store anew.
    Rest {
        /// The server.
        server: usize,
    },
    /// A server's time for bookmarks has come.
    Bookmarks {
        /// The server.
        server: usize,
    },
    /// A watch was behind for too long.
    Stall {
        /// The server.
        server: usize,
        /// The watch.
        request: u64,
    },
    /// A request waited for too long: 504.
    Overdue {
        /// The server.
        server: usize,
        /// The request.
        request: u64,
    },
    /// A server's connection with the store breaks.
    LoseFeed {
        /// The server.
        server: usize,
    },
    /// A server crashes and starts again.
    CrashServer {
        /// The server.
        server: usize,
    },
    /// What a client wants reaches a server.
    Ask {
        /// The client.
        client: usize,
        /// The server that it happens to reach.
        server: usize,
    },
    /// A client takes what came.
    Take {
        /// The client.
        client: usize,
    },
    /// A client's wait is over.
    Retry {
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
    word("hear feed", Happens::Surely),
    word("hear answer", Happens::Surely),
    word("rest", Happens::Surely),
    word("bookmarks", Happens::Perhaps),
    word("stall", Happens::Perhaps),
    word("overdue", Happens::Fault),
    word("lose feed", Happens::Fault),
    word("crash server", Happens::Fault),
    word("ask", Happens::Surely),
    word("take", Happens::Surely),
    word("retry", Happens::Surely),
    word("break", Happens::Fault),
    word("crash client", Happens::Fault),
];

impl Choice {
    /// Whether it is one of those that are counted.
    pub(super) fn is_extra(&self) -> bool {
        matches!(
            self,
            Choice::Compact
                | Choice::Bookmarks { .. }
                | Choice::Overdue { .. }
                | Choice::LoseFeed { .. }
                | Choice::CrashServer { .. }
                | Choice::Break { .. }
                | Choice::CrashClient { .. }
        )
    }

    pub(super) fn word(&self) -> &'static str {
        match self {
            Choice::Write { .. } => "write",
            Choice::Compact => "compact",
            Choice::HearFeed { .. } => "hear feed",
            Choice::HearAnswer { .. } => "hear answer",
            Choice::Rest { .. } => "rest",
            Choice::Bookmarks { .. } => "bookmarks",
            Choice::Stall { .. } => "stall",
            Choice::Overdue { .. } => "overdue",
            Choice::LoseFeed { .. } => "lose feed",
            Choice::CrashServer { .. } => "crash server",
            Choice::Ask { .. } => "ask",
            Choice::Take { .. } => "take",
            Choice::Retry { .. } => "retry",
            Choice::Break { .. } => "break",
            Choice::CrashClient { .. } => "crash client",
        }
    }

    /// The client or the server that it is about.
    pub(super) fn process(&self) -> u8 {
        let number = match *self {
            Choice::Write { .. } | Choice::Compact => 0,
            Choice::HearFeed { server }
            | Choice::HearAnswer { server }
            | Choice::Rest { server }
            | Choice::Bookmarks { server }
            | Choice::Stall { server, .. }
            | Choice::Overdue { server, .. }
            | Choice::LoseFeed { server }
            | Choice::CrashServer { server } => server,
            Choice::Ask { client, .. }
            | Choice::Take { client }
            | Choice::Retry { client }
            | Choice::Break { client }
            | Choice::CrashClient { client } => client,
        };
        number as u8
    }

    pub(super) fn parties(&self) -> (String, String) {
        let own = || match self {
            Choice::Take { .. } | Choice::Retry { .. } | Choice::CrashClient { .. } => {
                format!("client {}", self.process())
            }
            _ => format!("server {}", self.process()),
        };
        let store = || "store".to_owned();
        match self {
            Choice::Write { .. } => ("writer".to_owned(), store()),
            Choice::Compact => (store(), store()),
            Choice::HearFeed { .. } | Choice::HearAnswer { .. } | Choice::LoseFeed { .. } => {
                (store(), own())
            }
            Choice::Rest { .. } => (own(), store()),
            Choice::Ask { client, server } => {
                (format!("client {client}"), format!("server {server}"))
            }
            Choice::Take { .. } => ("its server".to_owned(), own()),
            Choice::Break { client } => ("its server".to_owned(), format!("client {client}")),
            Choice::Bookmarks { .. }
            | Choice::Stall { .. }
            | Choice::Overdue { .. }
            | Choice::CrashServer { .. }
            | Choice::Retry { .. }
            | Choice::CrashClient { .. } => (own(), own()),
        }
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = self.word();
        match self {
            Choice::Write { option } => write!(f, "write {option}"),
            Choice::Compact => f.write_str(word),
            Choice::Ask { client, server } => write!(f, "client {client}: ask server {server}"),
            Choice::Stall { server, request } | Choice::Overdue { server, request } => {
                write!(f, "server {server}: {word} {request}")
            }
            Choice::Take { .. }
            | Choice::Retry { .. }
            | Choice::Break { .. }
            | Choice::CrashClient { .. } => write!(f, "client {}: {word}", self.process()),
            _ => write!(f, "server {}: {word}", self.process()),
        }
    }
}
