//! Panics of a simulation's thread: a task that panics ends alone, and nobody else would notice.

use std::cell::RefCell;
use std::sync::Once;

use super::process::current;

thread_local! {
    static NOTED: RefCell<Option<Vec<String>>> = const { RefCell::new(None) };
}

/// Notes the panics of this thread for as long as it lives.
pub struct Noted(());

/// Begins to note the panics of this thread, instead of printing them.
pub fn noted() -> Noted {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let otherwise = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            let process = current();
            let process = process.as_deref().unwrap_or("the simulation");
            let told = NOTED.with_borrow_mut(|noted| {
                noted
                    .as_mut()
                    .map(|noted| noted.push(format!("{process} panicked: {panic}")))
            });
            if told.is_none() {
                otherwise(panic);
            }
        }));
    });
    NOTED.set(Some(Vec::new()));
    Noted(())
}

impl Noted {
    /// Those that were noted so far.
    pub fn take(&self) -> Vec<String> {
        NOTED.with_borrow_mut(|noted| noted.as_mut().map(std::mem::take).unwrap_or_default())
    }
}

impl Drop for Noted {
    fn drop(&mut self) {
        NOTED.set(None);
    }
}
