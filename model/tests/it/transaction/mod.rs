//! The write path's scenarios, its transition table, and what holds under any interleaving of writers.

mod objects;
mod player;
mod room;
mod store;
mod walk;
