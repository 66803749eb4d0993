//! An API server's answer.

use anyhow::{Context, bail};
use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http::header::WARNING;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use serde_json::Value;

/// Longest answer that is taken into memory, in bytes.
const BODY_BYTES_MAX: usize = 1 << 30;
/// Longest line of a watch, in bytes.
const LINE_BYTES_MAX: usize = 16 << 20;

/// An answer whose body has not been read.
pub struct Reply {
    request: String,
    response: http::Response<Incoming>,
}

impl Reply {
    pub(super) fn new(request: String, response: http::Response<Incoming>) -> Self {
        Reply { request, response }
    }

    /// The status code.
    pub fn status(&self) -> StatusCode {
        self.response.status()
    }

    /// How many warnings came with it (RFC 9111's `Warning` header, as Kubernetes uses it).
    pub fn warnings(&self) -> usize {
        self.response.headers().get_all(WARNING).iter().count()
    }

    /// The texts of the warnings that came with it.
    pub fn warning_texts(&self) -> Vec<String> {
        let values = self.response.headers().get_all(WARNING).iter();
        values
            .filter_map(|value| value.to_str().ok().map(warning_text))
            .collect()
    }

    /// The whole body, whatever the status.
    ///
    /// # Errors
    /// If the connection breaks, or the body is longer than a GiB.
    pub async fn bytes(self) -> anyhow::Result<Bytes> {
        let body = Limited::new(self.response.into_body(), BODY_BYTES_MAX)
            .collect()
            .await;
        let body = body
            .map_err(|error| anyhow::anyhow!("{error}"))
            .context(self.request)?;
        Ok(body.to_bytes())
    }

    /// The body of an answer that says yes.
    ///
    /// # Errors
    /// What the server says, if it says no.
    pub async fn done(self) -> anyhow::Result<Bytes> {
        let (status, request) = (self.status(), self.request.clone());
        let body = self.bytes().await?;
        if status.is_success() {
            return Ok(body);
        }
        let said = serde_json::from_slice::<Value>(&body).ok();
        let message = said.as_ref().and_then(|status| status["message"].as_str());
        match message {
            Some(message) if !message.is_empty() => bail!("{message}"),
            _ => bail!("{request}: the server answers {status}"),
        }
    }

    /// The JSON of an answer that says yes.
    ///
    /// # Errors
    /// What the server says, if it says no; or if it is not JSON.
    pub async fn json(self) -> anyhow::Result<Value> {
        let request = self.request.clone();
        let body = self.done().await?;
        serde_json::from_slice(&body).with_context(|| format!("{request}: the answer is not JSON"))
    }

    /// The lines of a watch.
    pub fn lines(self) -> Lines {
        Lines {
            request: self.request,
            body: self.response.into_body(),
            buffer: BytesMut::new(),
        }
    }
}

/// The text of `299 - "text"` (RFC 9111, section 5.5: code, agent, quoted text); what has another form, as it is.
fn warning_text(value: &str) -> String {
    let quoted = value
        .splitn(3, ' ')
        .nth(2)
        .and_then(|text| text.strip_prefix('"')?.strip_suffix('"'));
    let Some(quoted) = quoted else {
        return value.to_owned();
    };
    let mut text = String::with_capacity(quoted.len());
    let mut rest = quoted.chars();
    while let Some(next) = rest.next() {
        text.extend(match next {
            '\\' => rest.next(),
            plain => Some(plain),
        });
    }
    text
}

/// A body that is read line by line, as it comes.
pub struct Lines {
    request: String,
    body: Incoming,
    buffer: BytesMut,
}

impl Lines {
    /// The next line without its end; `None` when the server has ended the body.
    ///
    /// # Errors
    /// If the connection breaks or a line is longer than 16 MiB.
    pub async fn next(&mut self) -> anyhow::Result<Option<Bytes>> {
        let mut searched = 0;
        loop {
            if let Some(at) = self.buffer[searched..]
                .iter()
                .position(|byte| *byte == b'\n')
            {
                let mut line = self.buffer.split_to(searched + at + 1);
                line.truncate(searched + at);
                return Ok(Some(line.freeze()));
            }
            searched = self.buffer.len();
            if searched > LINE_BYTES_MAX {
                bail!(
                    "{}: a line of more than {LINE_BYTES_MAX} bytes",
                    self.request
                );
            }
            let Some(frame) = self.body.frame().await else {
                return Ok(None);
            };
            if let Some(data) = frame.with_context(|| self.request.clone())?.data_ref() {
                self.buffer.extend_from_slice(data);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::warning_text;

    #[test]
    fn the_text_of_a_warning_is_unquoted() {
        let told = r#"299 - "unknown field \"spec.a\\b\"""#;
        assert_eq!(warning_text(told), r#"unknown field "spec.a\b""#);
        assert_eq!(warning_text("299 kube plain"), "299 kube plain");
    }
}
