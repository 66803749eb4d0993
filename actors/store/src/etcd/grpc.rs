//! Calls of etcd's services over one HTTP/2 connection: gRPC's framing is tonic's, the messages are ours.

use std::marker::PhantomData;
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use http::uri::PathAndQuery;
use prost::Message;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::metadata::MetadataValue;
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Status, Streaming};

/// How long a connection may take to be made.
const CONNECT_TIME: Duration = Duration::from_secs(2);
/// How long one call may take: a little more than etcd's own limit for a proposal, 7 s by default.
const CALL_TIME: Duration = Duration::from_secs(10);
/// A peer that is silent for so long is asked whether it is there, and has as long again to answer.
const SILENCE_TIME: Duration = Duration::from_secs(5);
/// Bytes of one message that are read at most. A page of a range that is larger is asked for in smaller ones; a watch
/// is sent in fragments of at most etcd's `--max-request-bytes`, and one event with its previous value fits in any case.
pub(super) const MESSAGE_BYTES: usize = 64 << 20;

/// A connection that is made when it is needed, and again when it broke.
pub(super) fn channel(url: &str) -> Result<Channel, tonic::transport::Error> {
    let endpoint = Endpoint::from_shared(url.to_owned())?
        .connect_timeout(CONNECT_TIME)
        .http2_keep_alive_interval(SILENCE_TIME)
        .keep_alive_timeout(SILENCE_TIME)
        .keep_alive_while_idle(true)
        .tcp_nodelay(true);
    Ok(endpoint.connect_lazy())
}

/// Asks once.
pub(super) async fn call<A, B>(
    channel: &Channel,
    path: &'static str,
    request: A,
) -> Result<B, Status>
where
    A: Message + 'static,
    B: Message + Default + 'static,
{
    let mut client = ready(channel).await?;
    let mut request = Request::new(request);
    request.set_timeout(CALL_TIME);
    let path = PathAndQuery::from_static(path);
    let asked = client.unary(request, path, Prost::<A, B>::default());
    let answer = tokio::time::timeout(CALL_TIME, asked)
        .await
        .map_err(|_| Status::deadline_exceeded("etcd gave no answer in time"))?;
    Ok(answer?.into_inner())
}

/// Sends one message and reads what comes of it. The sending side stays open as long as the stream is read: etcd ends
/// a watch whose client has stopped to talk.
pub(super) async fn open<A, B>(
    channel: &Channel,
    path: &'static str,
    request: A,
) -> Result<Streaming<B>, Status>
where
    A: Message + 'static,
    B: Message + Default + 'static,
{
    let mut client = ready(channel).await?;
    let path = PathAndQuery::from_static(path);
    let once = stream::iter([request]).chain(stream::pending());
    let mut request = Request::new(once);
    // A member that has lost its leader ends the stream, instead of being silent for as long as that lasts.
    let require_leader = MetadataValue::from_static("true");
    request.metadata_mut().insert("hasleader", require_leader);
    let asked = client.streaming(request, path, Prost::<A, B>::default());
    let answer = tokio::time::timeout(CALL_TIME, asked)
        .await
        .map_err(|_| Status::deadline_exceeded("etcd opened no stream in time"))?;
    Ok(answer?.into_inner())
}

/// Sends one message and reads the first that comes of it.
pub(super) async fn first<A, B>(
    channel: &Channel,
    path: &'static str,
    request: A,
) -> Result<B, Status>
where
    A: Message + 'static,
    B: Message + Default + 'static,
{
    let mut stream = open::<A, B>(channel, path, request).await?;
    let first = tokio::time::timeout(CALL_TIME, stream.message())
        .await
        .map_err(|_| Status::deadline_exceeded("etcd gave no answer in time"))?;
    Ok(first?.unwrap_or_default())
}

async fn ready(channel: &Channel) -> Result<Grpc<Channel>, Status> {
    let mut client = Grpc::new(channel.clone()).max_decoding_message_size(MESSAGE_BYTES);
    client
        .ready()
        .await
        .map_err(|error| Status::from_error(error.into()))?;
    Ok(client)
}

/// Protocol buffers by prost's derive.
struct Prost<A, B>(PhantomData<(A, B)>);

impl<A, B> Default for Prost<A, B> {
    fn default() -> Self {
        Prost(PhantomData)
    }
}

impl<A: Message + 'static, B: Message + Default + 'static> Codec for Prost<A, B> {
    type Encode = A;
    type Decode = B;
    type Encoder = Prost<A, B>;
    type Decoder = Prost<A, B>;

    fn encoder(&mut self) -> Self::Encoder {
        Prost::default()
    }

    fn decoder(&mut self) -> Self::Decoder {
        Prost::default()
    }
}

impl<A: Message, B> Encoder for Prost<A, B> {
    type Item = A;
    type Error = Status;

    fn encode(&mut self, item: A, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        item.encode(buffer)
            .map_err(|error| Status::internal(error.to_string()))
    }
}

impl<A, B: Message + Default> Decoder for Prost<A, B> {
    type Item = B;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<B>, Status> {
        B::decode(buffer)
            .map(Some)
            .map_err(|error| Status::internal(format!("etcd's answer cannot be read: {error}")))
    }
}
