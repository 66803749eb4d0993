//! The worlds, explored whole; and their documents, held against the code.

mod store;
