//! The lean form of a kind's schema: what a decoder has to know, without descriptions.

use std::sync::LazyLock;

/// A node of a [`Tree`].
pub type NodeId = u32;

/// The shape of every value that one kind's objects may hold.
///
/// One definition is one node, so that shared types (`ObjectMeta`, `Container`) are held once.
#[derive(Debug)]
pub struct Tree {
    pub(super) nodes: Vec<Node>,
    pub(super) root: NodeId,
}

impl Tree {
    /// The shape of any value.
    pub fn anything() -> &'static Tree {
        static ANYTHING: LazyLock<Tree> = LazyLock::new(|| Tree {
            nodes: vec![Node::Any],
            root: 0,
        });
        &ANYTHING
    }

    /// The node of the whole object.
    pub fn root(&self) -> NodeId {
        self.root
    }

    /// A node.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id as usize]
    }

    /// The Go type that Kubernetes names in decode errors: `string`, `[]v1.Container`, `map[string]string`.
    pub(super) fn go_type(&self, id: NodeId) -> String {
        match self.node(id) {
            Node::Struct(fields) => fields.go_type(),
            Node::Map(value) => format!("map[string]{}", self.go_type(*value)),
            Node::List(item) => format!("[]{}", self.go_type(*item)),
            Node::String => "string".to_owned(),
            Node::Bytes => "[]uint8".to_owned(),
            Node::Time => "v1.Time".to_owned(),
            Node::MicroTime => "v1.MicroTime".to_owned(),
            Node::Int32 => "int32".to_owned(),
            Node::Int64 => "int64".to_owned(),
            Node::Bool => "bool".to_owned(),
            Node::Quantity => "resource.Quantity".to_owned(),
            Node::IntOrString => "intstr.IntOrString".to_owned(),
            Node::Any => "map[string]interface {}".to_owned(),
        }
    }
}

/// The shape of a value.
#[derive(Debug)]
pub enum Node {
    /// An object with these fields and no others.
    Struct(Struct),
    /// An object with any keys, and values of one shape.
    Map(NodeId),
    /// A list of values of one shape.
    List(NodeId),
    /// Text.
    String,
    /// Bytes in base64.
    Bytes,
    /// RFC 3339 by the second.
    Time,
    /// RFC 3339 by the microsecond.
    MicroTime,
    /// A signed number of 32 bits.
    Int32,
    /// A signed number of 64 bits.
    Int64,
    /// `true` or `false`.
    Bool,
    /// Amount with a suffix; a number in JSON is read as its digits.
    Quantity,
    /// A number of 32 bits or a text.
    IntOrString,
    /// Anything.
    Any,
}

/// The fields of a struct.
#[derive(Debug)]
pub struct Struct {
    /// Name of the definition, as in `io.k8s.api.core.v1.Container`.
    pub(super) definition: Box<str>,
    /// Fields in the order of their names.
    pub(super) fields: Box<[(Box<str>, NodeId)]>,
}

impl Struct {
    /// The field of this name.
    pub fn field(&self, name: &str) -> Option<NodeId> {
        let found = self
            .fields
            .binary_search_by(|(own, _)| (**own).cmp(name))
            .ok()?;
        Some(self.fields[found].1)
    }

    /// `Container`.
    pub(super) fn name(&self) -> &str {
        self.definition.rsplit('.').next().unwrap_or_default()
    }

    /// `v1.Container`.
    fn go_type(&self) -> String {
        let mut parts = self.definition.rsplit('.');
        let name = parts.next().unwrap_or_default();
        format!("{}.{name}", parts.next().unwrap_or_default())
    }
}
