//! `resourceVersion`, `resourceVersionMatch` and `continue` of reads: how fresh an answer must be.
//!
//! Source: "Resource versions" in the Kubernetes API concepts,
//! <https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions>.

use bincode::{Decode, Encode};

use crate::objects::status::{Reason, Status};

/// How fresh a read must be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub enum ReadAt {
    /// Everything that was acknowledged before the read began: `resourceVersion` unset.
    #[default]
    Consistent,
    /// Whatever is at hand: `resourceVersion=0`.
    Any,
    /// Not older than a revision.
    AtLeast(u64),
    /// The state as of exactly this revision.
    Exact(u64),
}

impl ReadAt {
    /// The freshness of a get: only `resourceVersion` is known there.
    ///
    /// # Errors
    /// 400 if it is not a number.
    pub fn of_get(resource_version: &str) -> Result<Self, Status> {
        Ok(match parse(resource_version)? {
            None => ReadAt::Consistent,
            Some(0) => ReadAt::Any,
            Some(revision) => ReadAt::AtLeast(revision),
        })
    }

    /// The freshness of a list without `continue`. With `limit` and without a match rule, Kubernetes serves
    /// a `resourceVersion` other than 0 as "not older than" too.
    ///
    /// # Errors
    /// 400 or 422 in Kubernetes' words if the two do not go together.
    pub fn of_list(resource_version: &str, resource_version_match: &str) -> Result<Self, Status> {
        let revision = parse(resource_version)?;
        match (resource_version_match, revision) {
            ("", None) => Ok(ReadAt::Consistent),
            ("" | "NotOlderThan", Some(0)) => Ok(ReadAt::Any),
            ("" | "NotOlderThan", Some(revision)) => Ok(ReadAt::AtLeast(revision)),
            ("Exact", Some(0)) => Err(invalid(
                "resourceVersionMatch: Forbidden: resourceVersionMatch \"Exact\" is forbidden for \
                 resourceVersion \"0\"",
            )),
            ("Exact", Some(revision)) => Ok(ReadAt::Exact(revision)),
            (_, None) => Err(invalid(
                "resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is \
                 provided",
            )),
            (other, Some(_)) => Err(invalid(&format!(
                "resourceVersionMatch: Unsupported value: \"{other}\": supported values: \"Exact\", \
                 \"NotOlderThan\""
            ))),
        }
    }
}

/// Reads a `resourceVersion`; `None` if it is empty.
///
/// # Errors
/// 400 if it is not a number.
pub fn parse(text: &str) -> Result<Option<u64>, Status> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| {
        Status::new(
            Reason::BadRequest,
            format!("Invalid value: \"{text}\": resourceVersion must be a number"),
        )
    })
}

fn invalid(fault: &str) -> Status {
    Status::new(
        Reason::Invalid,
        format!("ListOptions.meta.k8s.io \"\" is invalid: {fault}"),
    )
}
