//! Patches of objects: RFC 7386 merge patch and Kubernetes' strategic merge patch.
//!
//! JSON patch (RFC 6902) needs no rules of ours and is applied by the API server with a crate.

mod merge;
mod order;
mod strategic;
mod table;

pub use merge::merge;
pub use strategic::{PatchError, strategic_merge};
pub use table::{Field, ListType, TABLE, definition, field};
