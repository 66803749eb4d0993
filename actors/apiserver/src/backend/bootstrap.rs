//! What must exist before anything else can: the system's namespaces.

use model::machines::transaction::{Write, WriteVerb};
use model::objects::key::ObjectKey;
use model::objects::kinds;
use model::objects::status::{Reason, Status};

use super::{Backend, Served};

/// The namespaces that every cluster has.
pub const SYSTEM_NAMESPACES: [&str; 4] =
    ["default", "kube-node-lease", "kube-public", "kube-system"];

impl<S: Served> Backend<S> {
    /// Creates the namespaces that every cluster has, those that do not exist. `change` makes the create's
    /// change of a namespace's JSON.
    ///
    /// # Errors
    /// What a create is refused for, other than that the namespace exists.
    pub async fn bootstrap(
        &self,
        change: impl Fn(serde_json::Value) -> Result<S::Change, Status>,
    ) -> Result<(), Status> {
        for name in SYSTEM_NAMESPACES {
            let object = serde_json::json!({
                "apiVersion": "v1",
                "kind": "Namespace",
                "metadata": { "name": name },
            });
            let write = Write {
                key: ObjectKey::new(kinds::namespaces(), "", name),
                verb: WriteVerb::Create(change(object)?),
                dry_run: false,
            };
            match self.write(write).await {
                Ok(_) => {}
                Err(status) if status.reason == Reason::AlreadyExists => {}
                Err(status) => return Err(status),
            }
        }
        Ok(())
    }
}
