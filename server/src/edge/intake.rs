//! A request, read: its line, its headers as presented, and its body within limits.

use std::sync::Arc;
use std::time::Duration;

use access::Presented;
use bytes::{Bytes, BytesMut};
use canon::{Fault, Kind};
use http::request::Parts;
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The largest body that is read. Source: the length limit of InvokeModel's body in Bedrock's service model.
pub(crate) const BODY_BYTES_MAX: usize = 25_000_000;
/// How much more than that is read and thrown away, so that a client that writes before it reads sees its refusal.
const DRAIN_BYTES_MAX: usize = 100_000_000;
/// What is reserved at once on the word of a Content-Length.
const RESERVE_BYTES_MAX: usize = 1 << 20;
/// A body that pauses for longer is given up.
const BODY_STALL: Duration = Duration::from_secs(30);
/// What the bodies of all calls may take together. A caller is not known before the body is here, because signatures
/// cover it, so this is also what strangers can make the process hold.
const BODIES_BYTES_MAX: usize = 512 << 20;
/// Bodies up to this size are not counted.
const SMALL_BYTES_MAX: usize = 64 << 10;
/// Larger ones are counted in pieces of this size.
const PIECE_BYTES: usize = 64 << 10;

/// The memory that large bodies share.
pub(crate) struct Room(Arc<Semaphore>);

impl Default for Room {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(BODIES_BYTES_MAX / PIECE_BYTES)))
    }
}

/// A request, read.
pub(crate) struct Intake {
    parts: Parts,
    /// HTTP/2's name for the host, which some clients sign under that name.
    authority: Option<String>,
    pub(crate) body: Bytes,
    /// The body's share of the room.
    _share: Option<OwnedSemaphorePermit>,
}

impl Intake {
    /// # Errors
    /// [`Kind::TooLarge`]; [`Kind::Overloaded`] where too many large bodies are held already; [`Kind::Malformed`] where
    /// the body ends before its announced length, or stalls.
    pub(crate) async fn read(request: http::Request<Incoming>, room: &Room) -> Result<Self, Fault> {
        let (parts, incoming) = request.into_parts();
        let (body, share) = body(&parts, incoming, room).await?;
        let authority = parts.uri.authority().map(ToString::to_string);
        Ok(Self { parts, authority, body, _share: share })
    }

    /// The headers as received. Over HTTP/2 the pseudo-header for the host is among them, under both of its names.
    pub(crate) fn headers(&self) -> Vec<(&str, &[u8])> {
        let mut headers: Vec<(&str, &[u8])> =
            self.parts.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        if let Some(authority) = &self.authority {
            headers.push((":authority", authority.as_bytes()));
            if !self.parts.headers.contains_key(http::header::HOST) {
                headers.push(("host", authority.as_bytes()));
            }
        }
        headers
    }

    /// What the caller presented to prove who they are.
    pub(crate) fn presented<'a>(&'a self, headers: &'a [(&'a str, &'a [u8])]) -> Presented<'a> {
        let uri = &self.parts.uri;
        Presented {
            method: self.parts.method.as_str(),
            path: uri.path(),
            query: uri.query().unwrap_or_default(),
            headers,
            body: &self.body,
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.parts.headers.get(name)?.to_str().ok()
    }
}

async fn body(
    parts: &Parts,
    mut incoming: Incoming,
    room: &Room,
) -> Result<(Bytes, Option<OwnedSemaphorePermit>), Fault> {
    let announced = parts.headers.get(http::header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    let announced: usize = announced.and_then(|value| value.parse().ok()).unwrap_or(0);
    let mut share = None;
    let mut all = BytesMut::new();
    let mut seen = 0usize;
    while let Some(data) = piece(&mut incoming).await? {
        seen = seen.saturating_add(data.len());
        if seen == data.len() && seen <= SMALL_BYTES_MAX && incoming.is_end_stream() {
            // The usual small body comes in one piece, and is kept without being copied.
            return Ok((data, None));
        }
        if seen > DRAIN_BYTES_MAX {
            break;
        }
        if seen > BODY_BYTES_MAX {
            (all, share) = (BytesMut::new(), None);
            continue;
        }
        room.grow(&mut share, seen)?;
        if all.is_empty() {
            all.reserve(announced.clamp(data.len(), RESERVE_BYTES_MAX.max(data.len())));
        }
        all.extend_from_slice(&data);
    }
    if seen > BODY_BYTES_MAX {
        let kind = Kind::TooLarge { bytes_max: BODY_BYTES_MAX as u64 };
        return Err(Fault::new(kind, format!("The body is larger than {BODY_BYTES_MAX} bytes; send less.")));
    }
    Ok((all.freeze(), share))
}

/// The next piece of a body; `None` at its end.
async fn piece(incoming: &mut Incoming) -> Result<Option<Bytes>, Fault> {
    loop {
        let Ok(next) = tokio::time::timeout(BODY_STALL, incoming.frame()).await else {
            let problem = format!("the body stalled for {} s; send it again", BODY_STALL.as_secs());
            return Err(Fault::malformed("", problem));
        };
        let Some(frame) = next else { return Ok(None) };
        let frame = frame.map_err(|error| {
            Fault::malformed("", "the body ended before it was complete; send it again").with_detail(error)
        })?;
        if let Ok(data) = frame.into_data() {
            return Ok(Some(data));
        }
    }
}

impl Room {
    /// Lets a body that has grown to `bytes` take its share.
    fn grow(&self, share: &mut Option<OwnedSemaphorePermit>, bytes: usize) -> Result<(), Fault> {
        let held = share.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let wanted = bytes.saturating_sub(SMALL_BYTES_MAX).div_ceil(PIECE_BYTES);
        let Some(more) =
            wanted.checked_sub(held).and_then(|more| u32::try_from(more).ok()).filter(|more| *more > 0)
        else {
            return Ok(());
        };
        let full =
            |_| Fault::new(Kind::Overloaded, "Too many large requests are being read. Retry with backoff.");
        let more = Arc::clone(&self.0).try_acquire_many_owned(more).map_err(full)?;
        match share {
            Some(share) => share.merge(more),
            None => *share = Some(more),
        }
        Ok(())
    }
}
