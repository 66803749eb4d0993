//! API objects: the whole body as bytes, and the small views of it that machines read.
//!
//! A body is the object's JSON and is never lossy: fields nobody interprets survive every write. A machine
//! parses only a view of it ([`meta::Meta`], a `PodView`, …), small enough to be hashed, compared and sent.

pub mod bytes;
pub mod condition;
pub mod fields;
pub mod key;
pub mod kinds;
pub mod meta;
pub mod object;
pub mod pod;
pub mod pod_volumes;
pub mod status;
