//! `plimsoll get`: objects, for machines without kubectl.

use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use model::objects::kinds::Kind;
use serde_json::Value;

use super::resource;
use super::table::{Columns, rows_of};
use crate::client::{Connection, Request, Server, find_kubeconfig};

const TABLE: &str = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";

/// Show objects, in the tables that kubectl shows.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Get {
    /// What kind: pods, po, replicasets.apps, …
    kind: String,
    /// Which one; all of them if none is named
    name: Option<String>,
    /// In which namespace [default: the context's]
    #[arg(short, long, value_name = "NAME")]
    namespace: Option<String>,
    /// In every namespace
    #[arg(short = 'A', long, conflicts_with_all = ["namespace", "name"])]
    all_namespaces: bool,
    /// Only objects with these labels, as in app=web,tier!=cache
    #[arg(short = 'l', long, value_name = "LABELS", conflicts_with = "name")]
    selector: Option<String>,
    /// How to show them [default: a table]
    #[arg(short, long, value_enum)]
    output: Option<Output>,
    /// Show every change from now on too
    #[arg(short, long)]
    watch: bool,
    /// How to reach the cluster [default: $KUBECONFIG, else that of `plimsoll up`]
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  plimsoll get pods -A -o wide
  plimsoll get rs web -o yaml
  plimsoll get pod/hello
  plimsoll get pods -l app=web -w";

/// How objects are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// A table with every column
    Wide,
    /// As they are stored
    Json,
    /// The same in YAML
    Yaml,
    /// Kind and name, a line each
    Name,
}

impl Get {
    /// Shows the objects.
    ///
    /// # Errors
    /// What the server says, or why it cannot be asked.
    pub fn execute(mut self) -> anyhow::Result<()> {
        if self.kind.contains(',') {
            super::refuse_usage(
                "get",
                &format!(
                    "{:?} is more than one kind: ask for one at a time",
                    self.kind
                ),
            );
        }
        if let Some((kind, name)) = self.kind.split_once('/') {
            if self.name.is_some() || self.all_namespaces || self.selector.is_some() {
                super::refuse_usage(
                    "get",
                    &format!(
                        "{:?} is one object: it goes with no other name, --all-namespaces or --selector",
                        self.kind
                    ),
                );
            }
            self.name = Some(name.to_owned());
            self.kind = kind.to_owned();
        }
        if self.name.as_deref().is_some_and(str::is_empty) {
            super::refuse_usage("get", "the name of the object is empty");
        }
        let kind = resource::find(&self.kind)?;
        let server = Server::from_kubeconfig(&find_kubeconfig(self.kubeconfig.as_deref()))?;
        super::block_on(self.show(kind, &server))
    }

    async fn show(&self, kind: &Kind, server: &Server) -> anyhow::Result<()> {
        let namespace = self.namespace.as_deref().unwrap_or(&server.namespace);
        let namespace = (!self.all_namespaces).then_some(namespace);
        let mut path = resource::path(kind, namespace, self.name.as_deref());
        path.push_str("?includeObject=Metadata");
        if let Some(labels) = &self.selector {
            path.push_str(&format!("&labelSelector={}", resource::escaped(labels)));
        }
        let mut connection = server.connect().await?;
        let request = Request {
            accept: self.accept(),
            ..Request::get(&path)
        };
        let answer = connection.send(request).await?.json().await?;
        let mut columns = Columns::default();
        self.print(kind, &answer, namespace, &mut columns)?;
        if self.watch {
            let revision = answer["metadata"]["resourceVersion"]
                .as_str()
                .unwrap_or_default()
                .to_owned();
            self.follow(kind, namespace, &revision, connection, &mut columns)
                .await?;
        }
        Ok(())
    }

    fn accept(&self) -> &'static str {
        match self.output {
            None | Some(Output::Wide | Output::Name) => TABLE,
            Some(Output::Json | Output::Yaml) => "application/json",
        }
    }

    fn print(
        &self,
        kind: &Kind,
        answer: &Value,
        namespace: Option<&str>,
        columns: &mut Columns,
    ) -> anyhow::Result<()> {
        let wide = self.output == Some(Output::Wide);
        let text = match self.output {
            Some(Output::Json) => format!("{}\n", serde_json::to_string_pretty(answer)?),
            Some(Output::Yaml) => serde_saphyr::to_string(answer)?,
            Some(Output::Name) => {
                let rows = answer["rows"]
                    .as_array()
                    .context("the server gave no table")?;
                let names = rows
                    .iter()
                    .filter_map(|row| row["object"]["metadata"]["name"].as_str());
                names
                    .map(|name| resource::shown(kind, name) + "\n")
                    .collect()
            }
            None | Some(Output::Wide) => {
                let (header, mut rows) =
                    rows_of(answer, wide, kind.namespaced && self.all_namespaces);
                if rows.is_empty() && !self.watch {
                    match namespace.filter(|_| kind.namespaced) {
                        Some(namespace) => {
                            eprintln!("No resources found in {namespace} namespace.")
                        }
                        None => eprintln!("No resources found"),
                    }
                    return Ok(());
                }
                rows.insert(0, header);
                columns.lines(&rows)
            }
        };
        write_out(&text)
    }

    async fn follow(
        &self,
        kind: &Kind,
        namespace: Option<&str>,
        revision: &str,
        mut connection: Connection,
        columns: &mut Columns,
    ) -> anyhow::Result<()> {
        let mut path = resource::path(kind, namespace, None);
        path.push_str(&format!(
            "?watch=1&includeObject=Metadata&resourceVersion={}",
            resource::escaped(revision)
        ));
        if let Some(labels) = &self.selector {
            path.push_str(&format!("&labelSelector={}", resource::escaped(labels)));
        }
        if let Some(name) = &self.name {
            let only = resource::escaped(&format!("metadata.name={name}"));
            path.push_str(&format!("&fieldSelector={only}"));
        }
        let reply = connection
            .send(Request {
                accept: self.accept(),
                ..Request::get(&path)
            })
            .await?;
        if !reply.status().is_success() {
            return reply.done().await.map(drop);
        }
        let mut lines = reply.lines();
        while let Some(line) = lines.next().await? {
            let event: Value =
                serde_json::from_slice(&line).context("an event of the watch is not JSON")?;
            let object = &event["object"];
            match (event["type"].as_str(), self.output) {
                (Some("ERROR"), _) => bail!(
                    "the watch ended: {}",
                    object["message"].as_str().unwrap_or("no reason")
                ),
                (Some("BOOKMARK"), _) => {}
                (_, None | Some(Output::Wide)) => {
                    let wide = self.output == Some(Output::Wide);
                    let (_, rows) = rows_of(object, wide, kind.namespaced && self.all_namespaces);
                    write_out(&columns.lines(&rows))?;
                }
                _ => self.print(kind, object, namespace, columns)?,
            }
        }
        Ok(())
    }
}

/// Writes to standard output. A reader that has gone (`| head`) is no failure.
fn write_out(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
        written => written.context("standard output cannot be written"),
    }
}
