//! A list of every pod of a namespace.

use std::time::Instant;

use anyhow::Context;
use serde::Serialize;
use serde_json::Value;

use super::fleet;
use super::latency::Latency;
use crate::client::{Request, Server};

/// How often the list is taken.
const TIMES: usize = 5;

/// What it took.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Listing {
    /// How many pods are in the list.
    pub pods: usize,
    /// Its length as JSON.
    pub bytes: usize,
    /// From before the request is sent until the last byte is read.
    #[serde(flatten)]
    pub latency: Latency,
}

/// Lists the pods of a namespace, consistently and in one piece.
pub(super) fn measure(server: &Server, namespace: &str) -> anyhow::Result<Listing> {
    let path = format!("/api/v1/namespaces/{namespace}/pods");
    fleet::block_on(async {
        let mut connection = server.connect().await?;
        let (mut times, mut body) = (Vec::new(), bytes::Bytes::new());
        for _ in 0..TIMES {
            let begun = Instant::now();
            body = connection.send(Request::get(&path)).await?.done().await?;
            times.push(begun.elapsed());
        }
        let list: Value = serde_json::from_slice(&body).context("the list is not JSON")?;
        let pods = list["items"].as_array().map_or(0, Vec::len);
        Ok(Listing {
            pods,
            bytes: body.len(),
            latency: Latency::of(times),
        })
    })
}
