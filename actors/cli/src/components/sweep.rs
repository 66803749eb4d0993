//! Takes down what a kubelet held that could not do it itself.

use anyhow::Context;
use runtime::{EmbeddedRuntime, Options, Runtime};

use super::Kubelet;
use super::start::shim;

/// Ends every pod of a node whose kubelet was killed before it had stopped them, and gives back the node's network
/// and control groups. Only for a kubelet that does not run.
///
/// # Errors
/// What could not be taken down.
pub async fn sweep(kubelet: &Kubelet) -> anyhow::Result<()> {
    let options = Options {
        root: kubelet.directory().join("runtime"),
        images: kubelet.images(),
        node_name: kubelet.node.clone(),
        pod_cidr: kubelet.pod_cidr,
        shim: shim()?,
    };
    let runtime = EmbeddedRuntime::open(options)
        .await
        .with_context(|| format!("what is left of {}", kubelet.node))?;
    for sandbox in runtime.list_pod_sandboxes().await? {
        runtime.remove_pod_sandbox(&sandbox.id).await?;
    }
    runtime.close().await?;
    Ok(())
}
