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
/// A body that is refused is read and thrown away up to this size, so that a client that writes before it reads sees its
/// refusal.
const DRAIN_BYTES_MAX: usize = 100_000_000;
/// What is reserved at once on the word of a Content-Length.
const RESERVE_BYTES_MAX: usize = 1 << 20;
/// Bodies up to this size are not counted.
const SMALL_BYTES_MAX: usize = 64 << 10;
/// Larger ones are counted in pieces of this size.
const PIECE_BYTES: usize = 64 << 10;

/// What the bodies of requests may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BodyLimits {
    /// A body that pauses for longer is given up.
    pub(crate) stall: Duration,
    /// The bodies of all calls together. A caller is not known before the body is here, because signatures cover it, so
    /// this is also what strangers can make the process hold.
    pub(crate) bytes_max: usize,
}

impl Default for BodyLimits {
    fn default() -> Self {
        Self { stall: Duration::from_secs(30), bytes_max: 512 << 20 }
    }
}

/// The memory that large bodies share, and how long it waits for them.
pub(crate) struct Room {
    pieces: Arc<Semaphore>,
    stall: Duration,
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
    let mut refused = None;
    while let Some(data) = piece(&mut incoming, room.stall).await? {
        seen = seen.saturating_add(data.len());
        if seen == data.len() && seen <= SMALL_BYTES_MAX && incoming.is_end_stream() {
            // The usual small body comes in one piece, and is kept without being copied.
            return Ok((data, None));
        }
        if seen > DRAIN_BYTES_MAX {
            break;
        }
        if refused.is_none() {
            refused =
                if seen > BODY_BYTES_MAX { Some(too_large()) } else { room.grow(&mut share, seen).err() };
        }
        if refused.is_some() {
            (all, share) = (BytesMut::new(), None);
            continue;
        }
        if all.is_empty() {
            all.reserve(announced.clamp(data.len(), RESERVE_BYTES_MAX.max(data.len())));
        }
        all.extend_from_slice(&data);
    }
    match refused {
        Some(fault) => Err(fault),
        None => Ok((all.freeze(), share)),
    }
}

fn too_large() -> Fault {
    let kind = Kind::TooLarge { bytes_max: BODY_BYTES_MAX as u64 };
    Fault::new(kind, format!("The body is larger than {BODY_BYTES_MAX} bytes; send less."))
}

/// The next piece of a body; `None` at its end.
async fn piece(incoming: &mut Incoming, stall: Duration) -> Result<Option<Bytes>, Fault> {
    loop {
        let Ok(next) = tokio::time::timeout(stall, incoming.frame()).await else {
            let problem = format!("the body stalled for {} ms; send it again", stall.as_millis());
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
    pub(crate) fn new(limits: BodyLimits) -> Self {
        let pieces = Arc::new(Semaphore::new(limits.bytes_max / PIECE_BYTES));
        Self { pieces, stall: limits.stall }
    }

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
        let more = Arc::clone(&self.pieces).try_acquire_many_owned(more).map_err(full)?;
        match share {
            Some(share) => share.merge(more),
            None => *share = Some(more),
        }
        Ok(())
    }
}
