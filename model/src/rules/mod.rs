//! The rules of Kubernetes as pure functions over objects: quantities, selectors, names, taints, patches.
