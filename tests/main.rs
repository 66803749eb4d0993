//! End-to-end tests and the repository's own rules.

mod tidy;
