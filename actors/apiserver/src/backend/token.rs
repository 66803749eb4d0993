//! `continue` tokens, in the form that Kubernetes gives them: base64 of the revision and the last key.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::messages::api::ListPlace;
use model::objects::status::{Reason, Status};
use serde::{Deserialize, Serialize};

const VERSION: &str = "meta.k8s.io/v1";

/// Where a list goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    /// As of which revision; `None` for the newest, whatever has changed since the first part.
    pub(super) revision: Option<u64>,
    /// After which key, relative to the prefix of the list.
    pub(super) after: String,
}

#[derive(Serialize, Deserialize)]
struct Written {
    v: String,
    rv: i64,
    start: String,
}

impl Token {
    pub(super) fn encode(&self) -> String {
        let written = Written {
            v: VERSION.to_owned(),
            rv: self
                .revision
                .map_or(-1, |revision| i64::try_from(revision).unwrap_or(i64::MAX)),
            start: format!("{}\0", self.after),
        };
        // Three strings and numbers always have a JSON form.
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(&written).unwrap_or_default())
    }

    /// Where a list under a prefix goes on, as a component names it.
    ///
    /// # Errors
    /// 400 for an object that does not lie under the prefix.
    pub(super) fn after(place: &ListPlace, prefix: &str) -> Result<Self, Status> {
        let path = place.key.path();
        let after = path.strip_prefix(prefix).filter(|after| !after.is_empty());
        let after = after.ok_or_else(|| {
            let why = format!("{} is not among what is listed", place.key);
            Status::new(Reason::BadRequest, why)
        })?;
        Ok(Token {
            revision: Some(place.revision),
            after: after.to_owned(),
        })
    }

    /// # Errors
    /// 400 if it is not a token of this form.
    pub(super) fn decode(text: &str) -> Result<Self, Status> {
        let bad = |why: &str| {
            Status::new(
                Reason::BadRequest,
                format!("continue key is not valid: {why}"),
            )
        };
        let bytes = URL_SAFE_NO_PAD
            .decode(text.trim_end_matches('='))
            .map_err(|error| bad(&error.to_string()))?;
        let written: Written =
            serde_json::from_slice(&bytes).map_err(|error| bad(&error.to_string()))?;
        if written.v != VERSION {
            return Err(bad(&format!(
                "server does not recognize this encoded version \"{}\"",
                written.v
            )));
        }
        if written.rv == 0 {
            return Err(bad(
                "incorrect encoded start resourceVersion (version meta.k8s.io/v1)",
            ));
        }
        let after = written.start.strip_suffix('\0').unwrap_or(&written.start);
        if after.is_empty() || after.split('/').any(|part| part == "..") {
            return Err(bad(&format!("{:?}", written.start)));
        }
        Ok(Token {
            revision: u64::try_from(written.rv).ok(),
            after: after.to_owned(),
        })
    }
}

/// 410 in Kubernetes' words, with a token that goes on all the same.
pub(super) fn expired(after: String) -> Status {
    let mut status = Status::new(
        Reason::Expired,
        "The provided continue parameter is too old to display a consistent list result. You can start a new list \
         without the continue parameter, or use the continue token in this response to retrieve the remainder of \
         the results. Continuing with the provided token results in an inconsistent list - objects that were \
         created, modified, or deleted between the time the first chunk was returned and now may show up in the \
         list.",
    );
    let token = Token {
        revision: None,
        after,
    };
    status.details.continue_token = token.encode();
    status
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_says_what_it_was_made_of() {
        for revision in [None, Some(1), Some(123_456)] {
            let token = Token {
                revision,
                after: "default/web-1".to_owned(),
            };
            assert_eq!(Token::decode(&token.encode()), Ok(token));
        }
    }

    #[test]
    fn what_is_no_token_is_a_bad_request() {
        let crossing = Token {
            revision: Some(3),
            after: "../../secrets/a".to_owned(),
        };
        for text in ["x", "====", "e30", "bm9uZQ", &crossing.encode()] {
            let refused = Token::decode(text).expect_err("not a token");
            assert_eq!(refused.reason, Reason::BadRequest, "{text}");
        }
    }
}
