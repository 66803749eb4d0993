//! Reading the body of a request, within bounds of size and time.

use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Body;
use model::objects::status::{Reason, Status};

use super::Limits;

/// The whole body.
///
/// # Errors
/// 413 for one that is too large, 400 for one that does not arrive whole or in time.
pub(super) async fn read<B>(body: B, limits: &Limits) -> Result<Bytes, Status>
where
    B: Body<Data = Bytes>,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let limit = limits.body_bytes_max;
    if body.size_hint().lower() > limit as u64 {
        return Err(too_large(limit));
    }
    let collected =
        tokio::time::timeout(limits.body_time_max, Limited::new(body, limit).collect()).await;
    match collected {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large(limit)),
        Ok(Err(error)) => Err(Status::new(
            Reason::BadRequest,
            format!("the body of the request could not be read: {error}"),
        )),
        Err(_) => Err(Status::new(
            Reason::BadRequest,
            format!(
                "the body of the request did not arrive within {} s",
                limits.body_time_max.as_secs()
            ),
        )),
    }
}

fn too_large(limit: usize) -> Status {
    Status::new(
        Reason::RequestEntityTooLarge,
        format!("Request entity too large: limit is {limit}"),
    )
}
