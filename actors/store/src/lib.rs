//! The store's shell: the revisioned machine over redb.

pub mod disk;
