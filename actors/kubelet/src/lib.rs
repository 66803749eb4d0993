//! The kubelet's shell: a node's machine over a container runtime.
