//! Where the clusters of tests keep their objects: in the embedded store, or, with `PLIMSOLL_TEST_STORE` set when the tests
//! are built and run, in an etcd.

use std::path::Path;

use crate::etcd_server::EtcdServer;

/// `etcd` for an etcd of its own for each data directory, gone with it; `etcd=URL[,URL…]` for one that runs, in which each
/// data directory has a prefix of its own, which stays.
const SWITCH: Option<&str> = option_env!("PLIMSOLL_TEST_STORE");

/// Where the objects of one data directory are.
pub(super) enum Engine {
    /// In the data directory.
    Embedded,
    /// In an etcd that goes with the data directory.
    Own(EtcdServer),
    /// In an etcd that others use too.
    Shared(&'static str),
}

impl Engine {
    /// The engine that the tests were asked to use.
    pub(super) fn chosen() -> Self {
        match SWITCH {
            None => Engine::Embedded,
            Some("etcd") => Engine::Own(EtcdServer::start()),
            Some(shared) if shared.starts_with("etcd=") => Engine::Shared(shared),
            Some(other) => panic!("PLIMSOLL_TEST_STORE={other}: give etcd, or etcd=URL"),
        }
    }

    /// What `up` is told of it for a data directory.
    pub(super) fn options(&self, home: &Path) -> Vec<String> {
        let own = home.file_name().unwrap_or_default().display();
        match self {
            Engine::Embedded => Vec::new(),
            Engine::Own(etcd) => vec!["--store".to_owned(), format!("etcd={}", etcd.url())],
            Engine::Shared(engine) => {
                let prefixed: Vec<String> = engine
                    .split(',')
                    .map(|url| format!("{}/{own}", url.trim_end_matches('/')))
                    .collect();
                vec!["--store".to_owned(), prefixed.join(",")]
            }
        }
    }
}
