//! Watch caches and reflectors, each start of each held against the watch specification.

use specs::watch::cache::Cache;
use specs::watch::reflector::Reflector;

use super::cases::Cases;
use super::{Examiner, Rejection, Verdict};
use crate::said::Said;
use crate::timeline::{Moment, Place};

/// The caches of API servers: what they took in, and what they told their watches.
pub(super) struct Caches(Cases<String, Cache>);

/// Reflectors: what they believe of it.
pub(super) struct Reflectors(Cases<String, Reflector>);

impl Default for Caches {
    fn default() -> Self {
        Caches(Cases::new("watch cache", Cache))
    }
}

impl Default for Reflectors {
    fn default() -> Self {
        Reflectors(Cases::new("reflector", Reflector))
    }
}

impl Examiner for Caches {
    fn see(&mut self, moment: &Moment) {
        if let Said::WatchCache(action) = &moment.said {
            self.0.accept(&start(&moment.place), &moment.place, action);
        }
    }

    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn rejections(&self) -> &[Rejection] {
        self.0.rejections()
    }

    fn verdict(self: Box<Self>) -> Verdict {
        self.0.verdict()
    }
}

impl Examiner for Reflectors {
    fn see(&mut self, moment: &Moment) {
        if let Said::Reflector(action) = &moment.said {
            self.0.accept(&start(&moment.place), &moment.place, action);
        }
    }

    fn name(&self) -> &'static str {
        self.0.name()
    }

    fn rejections(&self) -> &[Rejection] {
        self.0.rejections()
    }

    fn verdict(self: Box<Self>) -> Verdict {
        self.0.verdict()
    }
}

/// One start of a machine: it knows nothing of the one before.
fn start(place: &Place) -> String {
    format!(
        "{}.{}.{}",
        place.component, place.machine, place.incarnation
    )
}
