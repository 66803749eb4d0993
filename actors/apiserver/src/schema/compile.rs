//! From the schemas that `k8s-openapi` publishes to the lean [`Tree`].

use std::collections::BTreeMap;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value};

use super::tree::{Node, NodeId, Struct, Tree};

/// Where the generator puts definitions, and what references begin with.
const REFERENCE: &str = "#/components/schemas/";

/// A generator whose references are those of OpenAPI v3.
pub fn generator() -> SchemaGenerator {
    SchemaSettings::openapi3().into_generator()
}

/// The tree of one type. The full schemas, with their descriptions, live only while this runs.
pub fn compile<T: JsonSchema>() -> Tree {
    let mut generator = generator();
    let root = generator.subschema_for::<T>().to_value();
    let definitions = generator.take_definitions(false);
    let mut compiler = Compiler {
        definitions: &definitions,
        nodes: Vec::new(),
        known: BTreeMap::new(),
    };
    let root = compiler.value(&root);
    let mut nodes = compiler.nodes;
    nodes.shrink_to_fit();
    Tree { nodes, root }
}

struct Compiler<'a> {
    definitions: &'a Map<String, Value>,
    nodes: Vec<Node>,
    known: BTreeMap<&'a str, NodeId>,
}

impl<'a> Compiler<'a> {
    fn add(&mut self, node: Node) -> NodeId {
        self.nodes.push(node);
        (self.nodes.len() - 1) as NodeId
    }

    fn value(&mut self, schema: &Value) -> NodeId {
        if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
            return self.definition(reference.strip_prefix(REFERENCE).unwrap_or(reference));
        }
        if let Some(values) = schema.get("additionalProperties").filter(|s| s.is_object()) {
            let values = self.value(values);
            return self.add(Node::Map(values));
        }
        let format = schema.get("format").and_then(Value::as_str);
        let node = match schema.get("type").and_then(Value::as_str) {
            Some("array") => match schema.get("items") {
                Some(items) => Node::List(self.value(items)),
                None => Node::Any,
            },
            Some("string") if format == Some("byte") => Node::Bytes,
            Some("string") => Node::String,
            Some("integer") if format == Some("int32") => Node::Int32,
            Some("integer") => Node::Int64,
            Some("boolean") => Node::Bool,
            _ => Node::Any,
        };
        self.add(node)
    }

    /// The node of a definition. It is reserved before its fields are walked, because types refer to themselves.
    fn definition(&mut self, name: &str) -> NodeId {
        let Some((name, schema)) = self.definitions.get_key_value(name) else {
            return self.add(Node::Any);
        };
        if let Some(known) = self.known.get(name.as_str()) {
            return *known;
        }
        let id = self.add(Node::Any);
        self.known.insert(name, id);
        let node = match name.rsplit('.').next().unwrap_or_default() {
            "Quantity" => Node::Quantity,
            "IntOrString" => Node::IntOrString,
            "Time" => Node::Time,
            "MicroTime" => Node::MicroTime,
            "FieldsV1" => Node::Any,
            _ => match schema.get("properties").and_then(Value::as_object) {
                Some(properties) => self.fields(name, properties),
                None => Node::Any,
            },
        };
        self.nodes[id as usize] = node;
        id
    }

    fn fields(&mut self, name: &str, properties: &Map<String, Value>) -> Node {
        let mut fields: Vec<(Box<str>, NodeId)> = properties
            .iter()
            .map(|(field, schema)| (field.as_str().into(), self.value(schema)))
            .collect();
        fields.sort();
        Node::Struct(Struct {
            definition: name.into(),
            fields: fields.into(),
        })
    }
}
