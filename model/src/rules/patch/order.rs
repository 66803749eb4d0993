//! The order of a merged list: what the patch names stands in the patch's order, the rest keeps its own, and
//! the two are interleaved as they were (`normalizeElementOrder`).

use serde_json::Value;

/// What tells elements of a list apart: the element itself, or one of its fields.
#[derive(Clone, Copy)]
pub(super) enum Identity<'a> {
    Itself,
    Key(&'a str),
}

impl Identity<'_> {
    /// What an element is known by; `None` if it lacks the key.
    pub(super) fn of<'v>(&self, element: &'v Value) -> Option<&'v Value> {
        match self {
            Identity::Itself => Some(element),
            Identity::Key(key) => element.get(key),
        }
    }

    /// Where an element stands in a list.
    pub(super) fn position(&self, list: &[Value], element: &Value) -> Option<usize> {
        let wanted = self.of(element)?;
        list.iter().position(|one| self.of(one) == Some(wanted))
    }
}

/// Puts merged elements in order. `named` is the order that the patch asks for, `before` the list as it was.
pub(super) fn arrange(
    merged: Vec<Value>,
    named: &[Value],
    before: &[Value],
    identity: Identity<'_>,
) -> Vec<Value> {
    let place_of = |list: &[Value], one: &Value| identity.position(list, one);
    let (mut asked, mut others): (Vec<Value>, Vec<Value>) = merged
        .into_iter()
        .partition(|one| place_of(named, one).is_some());
    asked.sort_by_key(|one| place_of(named, one));
    others.sort_by_key(|one| place_of(before, one).unwrap_or(usize::MAX));
    let mut arranged = Vec::with_capacity(asked.len() + others.len());
    let (mut asked, mut others) = (asked.into_iter().peekable(), others.into_iter().peekable());
    while let (Some(next_asked), Some(next_other)) = (asked.peek(), others.peek()) {
        let stood_first = match (place_of(before, next_other), place_of(before, next_asked)) {
            (Some(other), Some(asked)) => other < asked,
            _ => false,
        };
        let next = if stood_first {
            others.next()
        } else {
            asked.next()
        };
        arranged.extend(next);
    }
    arranged.extend(asked);
    arranged.extend(others);
    arranged
}
