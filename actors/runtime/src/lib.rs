//! Containers: the runtime trait in CRI's terms and the embedded runtime.
