//! Does a running system do what the specifications say: traces read, replayed, judged.
