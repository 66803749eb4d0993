//! The store's own record, held against the store's specification.

use specs::store::StoreSpecification;

use super::cases::Cases;
use super::{Examiner, Rejection, Verdict};
use crate::said::Said;
use crate::timeline::Moment;

pub(super) struct Stores(Cases<String, StoreSpecification>);

impl Default for Stores {
    fn default() -> Self {
        Stores(Cases::new("store", StoreSpecification))
    }
}

impl Examiner for Stores {
    fn see(&mut self, moment: &Moment) {
        if let Said::Store(action) = &moment.said {
            let store = moment.place.component.to_string();
            self.0.accept(&store, &moment.place, action);
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
