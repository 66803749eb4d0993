//! What names an object: its resource, namespace and name.

use std::fmt;

use bincode::{Decode, Encode};
use serde::{Deserialize, Serialize};

/// A resource as paths name it: API group (empty for the core group) and plural, as in `apps` / `replicasets`.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize,
)]
pub struct GroupResource {
    /// The API group; empty for the core group.
    pub group: String,
    /// The plural in lower case.
    pub resource: String,
}

impl GroupResource {
    /// The resource `resource` of the API group `group`.
    pub fn new(group: &str, resource: &str) -> Self {
        GroupResource {
            group: group.to_owned(),
            resource: resource.to_owned(),
        }
    }

    /// The prefix under which the store keeps every object of this resource: `/registry/GROUP/RESOURCE/`,
    /// with `core` for the core group.
    pub fn prefix(&self) -> String {
        let group = if self.group.is_empty() {
            "core"
        } else {
            &self.group
        };
        format!("/registry/{group}/{}/", self.resource)
    }

    /// The prefix of a namespace's objects of this resource.
    pub fn namespace_prefix(&self, namespace: &str) -> String {
        format!("{}{namespace}/", self.prefix())
    }
}

/// `replicasets.apps`, `pods`: as error messages and `kubectl` write it.
impl fmt::Display for GroupResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.resource)?;
        if !self.group.is_empty() {
            write!(f, ".{}", self.group)?;
        }
        Ok(())
    }
}

/// Names one object. The namespace is empty for objects of cluster scope.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize,
)]
pub struct ObjectKey {
    /// Which resource it is of.
    pub resource: GroupResource,
    /// Its namespace; empty for cluster scope.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl ObjectKey {
    /// The object `namespace`/`name` of a resource.
    pub fn new(resource: GroupResource, namespace: &str, name: &str) -> Self {
        ObjectKey {
            resource,
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }

    /// The store's key: `/registry/GROUP/RESOURCE/NAMESPACE/NAME`, without the namespace for cluster scope.
    pub fn path(&self) -> String {
        if self.namespace.is_empty() {
            format!("{}{}", self.resource.prefix(), self.name)
        } else {
            format!(
                "{}{}",
                self.resource.namespace_prefix(&self.namespace),
                self.name
            )
        }
    }

    /// The inverse of [`path`](Self::path); `None` if `path` is not one that it makes.
    pub fn parse(path: &str) -> Option<Self> {
        let mut parts = path.strip_prefix("/registry/")?.split('/');
        let group = match parts.next()? {
            "core" => "",
            group => group,
        };
        let resource = GroupResource::new(group, parts.next()?);
        let (first, second) = (parts.next()?, parts.next());
        if parts.next().is_some() {
            return None;
        }
        Some(match second {
            Some(name) => ObjectKey::new(resource, first, name),
            None => ObjectKey::new(resource, "", first),
        })
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            write!(f, "{}/{}", self.resource, self.name)
        } else {
            write!(f, "{}/{}/{}", self.resource, self.namespace, self.name)
        }
    }
}
