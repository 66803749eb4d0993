//! What can go wrong with containers, in the kinds that the kubelet tells apart.

/// The result of a runtime call.
pub type Result<T> = std::result::Result<T, Error>;

/// A failed runtime call. [`Error::reason`] is what Kubernetes shows for it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No such sandbox or container.
    #[error("{what} {id:?} not found")]
    NotFound {
        /// `pod sandbox` or `container`.
        what: &'static str,
        /// The id asked for.
        id: String,
    },
    /// The sandbox could not be made or taken down.
    #[error("pod sandbox {pod}: {message}")]
    Sandbox {
        /// Namespace and name of the pod, or the sandbox's id.
        pod: String,
        /// What failed.
        message: String,
    },
    /// The text is not an image reference.
    #[error("couldn't parse image name {image:?}: {message}")]
    InvalidImageName {
        /// The text as given.
        image: String,
        /// What is wrong with it.
        message: String,
    },
    /// The image is not in the store, and nobody asked to pull it.
    #[error("image {image:?} is not present on this node")]
    ImageNotPresent {
        /// The image asked for.
        image: String,
    },
    /// The image could not be fetched.
    #[error("failed to pull image {image:?}: {message}")]
    PullImage {
        /// The image asked for.
        image: String,
        /// What failed and what helps.
        message: String,
    },
    /// An image on disk or in a tar file is damaged, hostile or beyond a limit.
    #[error("image {image}: {message}")]
    Image {
        /// File or reference.
        image: String,
        /// The part that was refused and why.
        message: String,
    },
    /// The container as asked for can never be made.
    #[error("container {container:?}: {message}")]
    ContainerConfig {
        /// The container's name.
        container: String,
        /// What to mend.
        message: String,
    },
    /// The container could not be made.
    #[error("failed to create container {container:?}: {message}")]
    CreateContainer {
        /// The container's name.
        container: String,
        /// What failed.
        message: String,
    },
    /// The container could not be started.
    #[error("failed to start container {container:?}: {message}")]
    RunContainer {
        /// The container's id.
        container: String,
        /// What failed.
        message: String,
    },
    /// The container could not be stopped or removed.
    #[error("failed to stop container {container:?}: {message}")]
    KillContainer {
        /// The container's id.
        container: String,
        /// What failed.
        message: String,
    },
    /// A command could not be run in a container.
    #[error("failed to exec in container {container:?}: {message}")]
    Exec {
        /// The container's id.
        container: String,
        /// What failed.
        message: String,
    },
    /// The runtime itself does not work: its directory, its network, its shim.
    #[error("container runtime: {0}")]
    Runtime(String),
}

impl Error {
    /// The reason as the kubelet reports it in a container's waiting state or an event
    /// (kubernetes `pkg/kubelet/images/types.go`, `kuberuntime/kuberuntime_container.go`, `container/sync_result.go`).
    pub fn reason(&self) -> &'static str {
        match self {
            Error::NotFound { .. } => "NotFound",
            Error::Sandbox { .. } => "FailedCreatePodSandBox",
            Error::InvalidImageName { .. } => "InvalidImageName",
            Error::ImageNotPresent { .. } => "ErrImageNeverPull",
            Error::PullImage { .. } => "ErrImagePull",
            Error::Image { .. } => "ImageInspectError",
            Error::ContainerConfig { .. } => "CreateContainerConfigError",
            Error::CreateContainer { .. } => "CreateContainerError",
            Error::RunContainer { .. } => "RunContainerError",
            Error::KillContainer { .. } => "KillContainerError",
            Error::Exec { .. } => "ExecError",
            Error::Runtime(_) => "ContainerRuntimeError",
        }
    }
}
