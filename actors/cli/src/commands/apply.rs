//! `plimsoll apply`: objects from a file, for machines without kubectl.

use std::io::Read;
use std::path::PathBuf;

use anyhow::{Context, bail};
use bytes::Bytes;
use clap::Args;
use http::{Method, StatusCode};
use model::objects::kinds::{Kind, find_kind};
use serde_json::Value;

use super::resource;
use crate::client::{Connection, Reply, Request, Server, find_kubeconfig};

/// Longest file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// Create the objects in a file, or change those that exist.
///
/// The file holds YAML or JSON, one or several documents, or a List. What exists is changed by a merge patch
/// (RFC 7386): fields that the file does not name stay as they are.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Apply {
    /// The file; `-` for standard input
    #[arg(short, long, value_name = "FILE")]
    filename: PathBuf,
    /// Namespace of objects that name none [default: the context's]
    #[arg(short, long, value_name = "NAME")]
    namespace: Option<String>,
    /// How to reach the cluster [default: $KUBECONFIG, else that of `plimsoll up`]
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  plimsoll apply -f web.yaml
  some-generator | plimsoll apply -f -";

impl Apply {
    /// Applies every document, in order, and stops at the first that is refused.
    ///
    /// # Errors
    /// What the server says, or why the file or the server cannot be read.
    pub fn execute(self) -> anyhow::Result<()> {
        let objects = self
            .objects()
            .with_context(|| self.filename.display().to_string())?;
        let server = Server::from_kubeconfig(&find_kubeconfig(self.kubeconfig.as_deref()))?;
        super::block_on(async {
            let mut connection = server.connect().await?;
            let namespace = self.namespace.as_deref().unwrap_or(&server.namespace);
            for object in objects {
                println!("{}", apply(&mut connection, object, namespace).await?);
            }
            Ok(())
        })
    }

    fn objects(&self) -> anyhow::Result<Vec<Value>> {
        let mut text = String::new();
        let read = if self.filename.as_os_str() == "-" {
            std::io::stdin()
                .take(FILE_BYTES_MAX + 1)
                .read_to_string(&mut text)
        } else {
            std::fs::File::open(&self.filename)?
                .take(FILE_BYTES_MAX + 1)
                .read_to_string(&mut text)
        };
        if read? as u64 > FILE_BYTES_MAX {
            bail!("is longer than {FILE_BYTES_MAX} bytes");
        }
        parse(&text)
    }
}

/// The objects of a text: its documents, and the items of those that are lists.
fn parse(text: &str) -> anyhow::Result<Vec<Value>> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(text).map_err(|error| {
        anyhow::anyhow!(
            "is neither YAML nor JSON: {}",
            error.to_string().replace('\n', " ")
        )
    })?;
    let mut objects = Vec::new();
    for document in documents {
        match document {
            Value::Null => {}
            Value::Object(mut fields) if fields.get("kind").is_some_and(|kind| kind == "List") => {
                match fields.remove("items") {
                    Some(Value::Array(items)) => objects.extend(items),
                    _ => bail!("holds a List without items"),
                }
            }
            other => objects.push(other),
        }
    }
    if objects.is_empty() {
        bail!("holds no object");
    }
    Ok(objects)
}

fn kind_of(object: &Value) -> anyhow::Result<&'static Kind> {
    let (version, kind) = (&object["apiVersion"], &object["kind"]);
    let (Some(version), Some(kind)) = (version.as_str(), kind.as_str()) else {
        bail!("an object without apiVersion and kind");
    };
    let group = version.split_once('/').map_or("", |(group, _)| group);
    find_kind(group, kind)
        .filter(|row| row.api_version() == version)
        .with_context(|| format!("there is no kind {kind:?} in {version:?}"))
}

/// Creates or patches one object; a line that says what came of it.
async fn apply(
    connection: &mut Connection,
    object: Value,
    namespace: &str,
) -> anyhow::Result<String> {
    let kind = kind_of(&object)?;
    let name = object["metadata"]["name"]
        .as_str()
        .context("an object without metadata.name")?
        .to_owned();
    let namespace = object["metadata"]["namespace"]
        .as_str()
        .unwrap_or(namespace)
        .to_owned();
    let shown = resource::shown(kind, &name);
    let path = resource::path(kind, Some(&namespace), Some(&name));
    let present = connection.send(Request::get(&path)).await?;
    if present.status() == StatusCode::NOT_FOUND {
        present.bytes().await?;
        let collection = resource::path(kind, Some(&namespace), None);
        let body = Bytes::from(serde_json::to_vec(&object)?);
        told(connection.send(Request::post(&collection, body)).await?)
            .done()
            .await
            .with_context(|| shown.clone())?;
        return Ok(format!("{shown} created"));
    }
    let before = present.json().await.with_context(|| shown.clone())?;
    let body = Bytes::from(serde_json::to_vec(&object)?);
    let patch = Request {
        body: Some(("application/merge-patch+json", body)),
        ..Request::new(Method::PATCH, &path)
    };
    let after = told(connection.send(patch).await?)
        .json()
        .await
        .with_context(|| shown.clone())?;
    let same = before["metadata"]["resourceVersion"] == after["metadata"]["resourceVersion"];
    Ok(format!(
        "{shown} {}",
        if same { "unchanged" } else { "configured" }
    ))
}

/// The answer, once its warnings stand on standard error, as kubectl shows them.
fn told(reply: Reply) -> Reply {
    for warning in reply.warning_texts() {
        eprintln!("Warning: {warning}");
    }
    reply
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_and_lists_are_taken_apart() {
        let names = |text: &str| -> Vec<String> {
            let objects = parse(text).expect("objects");
            objects
                .iter()
                .map(|object| {
                    object["metadata"]["name"]
                        .as_str()
                        .unwrap_or("?")
                        .to_owned()
                })
                .collect()
        };
        assert_eq!(
            names("metadata: {name: a}\n---\nmetadata: {name: b}\n---\n"),
            ["a", "b"]
        );
        assert_eq!(
            names("kind: List\nitems:\n- metadata: {name: a}\n- metadata: {name: b}\n"),
            ["a", "b"]
        );
        assert_eq!(names("{\"metadata\": {\"name\": \"a\"}}"), ["a"]);
        assert!(
            parse("")
                .expect_err("nothing")
                .to_string()
                .contains("holds no object")
        );
        assert!(
            parse("a: [")
                .expect_err("broken")
                .to_string()
                .contains("neither YAML nor JSON")
        );
    }

    #[test]
    fn what_is_not_served_is_named() {
        let error = kind_of(&serde_json::json!({"apiVersion": "apps/v2", "kind": "ReplicaSet"}));
        assert_eq!(
            error.expect_err("no v2").to_string(),
            "there is no kind \"ReplicaSet\" in \"apps/v2\""
        );
    }
}
