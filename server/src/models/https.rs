use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use tokio::fs::{File, OpenOptions};
use tokio::io::{AsyncWriteExt as _, BufWriter};

use super::trouble::{Trouble, cannot_write};
use super::{KnownFile, Progress, Step};
use crate::client::send_abroad;

const REDIRECTS_MAX: usize = 8;
/// In a row, without a byte gained.
const ATTEMPTS_MAX: u32 = 3;
const BACKOFF: Duration = Duration::from_millis(500);
const STALL_TIMEOUT: Duration = Duration::from_secs(30);
const BUFFER_BYTES: usize = 256 << 10;

/// Fetches `url` into `part`, going on from what is there already.
///
/// A source that has never answered is given up at once; one that broke off is asked for the rest.
pub(super) async fn fetch(
    known: &KnownFile,
    url: &str,
    part: &Path,
    progress: &dyn Progress,
) -> Result<(), Trouble> {
    let url: Uri = url.parse().map_err(|error| Trouble::Source(format!("its address is wrong: {error}")))?;
    let mut transfer = Transfer { known, part, progress, bytes: have(known, part).await };
    let (mut answered, mut failed) = (false, 0);
    while transfer.bytes < known.bytes {
        let before = transfer.bytes;
        let Err(trouble) = transfer.attempt(&url).await else { continue };
        let gained = transfer.bytes > before;
        answered |= gained;
        failed = if gained { 0 } else { failed + 1 };
        match trouble {
            Trouble::Source(reason) if answered && failed < ATTEMPTS_MAX => {
                progress.step(Step::Resuming { reason: &reason });
                tokio::time::sleep(BACKOFF * 2_u32.pow(failed)).await;
            }
            other => return Err(other),
        }
    }
    Ok(())
}

/// How much of the file an earlier attempt left. More than all of it is not the file's.
async fn have(known: &KnownFile, part: &Path) -> u64 {
    let bytes = tokio::fs::metadata(part).await.map_or(0, |found| found.len());
    if bytes > known.bytes { 0 } else { bytes }
}

struct Transfer<'a> {
    known: &'a KnownFile,
    part: &'a Path,
    progress: &'a dyn Progress,
    /// So many bytes from the file's beginning are in `part`.
    bytes: u64,
}

impl Transfer<'_> {
    async fn attempt(&mut self, url: &Uri) -> Result<(), Trouble> {
        let answer = self.ask(url).await?;
        let starts_at = self.starts_at(&answer)?;
        self.bytes = starts_at;
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(self.part).await;
        let mut file = file.map_err(|error| self.cannot_write(&error))?;
        let prepared = async {
            file.set_len(starts_at).await?;
            tokio::io::AsyncSeekExt::seek(&mut file, std::io::SeekFrom::Start(starts_at)).await
        };
        prepared.await.map_err(|error| self.cannot_write(&error))?;
        let mut file = BufWriter::with_capacity(BUFFER_BYTES, file);
        let copied = self.copy(answer.into_body(), &mut file).await;
        // What came before the transfer broke off is kept, so that the next attempt need not ask for it.
        let flushed = file.flush().await;
        let outcome = copied.and_then(|()| flushed.map_err(|error| self.cannot_write(&error)));
        if matches!(outcome, Err(Trouble::Machine(_))) {
            self.bytes = 0;
            drop(tokio::fs::remove_file(self.part).await);
        }
        outcome
    }

    /// Follows redirects, but never from a protected connection to an open one.
    async fn ask(&self, url: &Uri) -> Result<Response<Incoming>, Trouble> {
        let mut url = url.clone();
        for _ in 0..=REDIRECTS_MAX {
            let request = Request::get(&url)
                .header(header::ACCEPT_ENCODING, "identity")
                .header(header::RANGE, format!("bytes={}-", self.bytes))
                .body(Full::<Bytes>::default())
                .map_err(|error| Trouble::Source(format!("its address is wrong: {error}")))?;
            let answer = send_abroad(request).await.map_err(Trouble::Source)?;
            if !answer.status().is_redirection() {
                return Ok(answer);
            }
            let location = answer.headers().get(header::LOCATION).and_then(|location| location.to_str().ok());
            let next = location.and_then(|location| resolve(&url, location));
            url =
                next.ok_or_else(|| Trouble::Source("it redirects to nowhere that may be followed".into()))?;
        }
        Err(Trouble::Source(format!("it redirects more than {REDIRECTS_MAX} times")))
    }

    /// Where in the file the answer's body begins.
    fn starts_at(&self, answer: &Response<Incoming>) -> Result<u64, Trouble> {
        let starts_at = match answer.status() {
            StatusCode::OK => 0,
            StatusCode::PARTIAL_CONTENT => self.bytes,
            other => return Err(Trouble::Source(format!("it answered {other}"))),
        };
        let rest =
            answer.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        match rest.map(|rest: u64| starts_at.saturating_add(rest)) {
            Some(total) if total != self.known.bytes => {
                Err(Trouble::Source(format!("its file has {total} bytes, not {}", self.known.bytes)))
            }
            _ => Ok(starts_at),
        }
    }

    async fn copy(&mut self, mut body: Incoming, file: &mut BufWriter<File>) -> Result<(), Trouble> {
        loop {
            let frame = tokio::time::timeout(STALL_TIMEOUT, body.frame()).await;
            let frame = match frame {
                Err(_) => return Err(broke_off(&format!("nothing came for {} s", STALL_TIMEOUT.as_secs()))),
                Ok(None) if self.bytes < self.known.bytes => return Err(broke_off("it ended early")),
                Ok(None) => return Ok(()),
                Ok(Some(frame)) => frame.map_err(|error| broke_off(&error.to_string()))?,
            };
            let Ok(data) = frame.into_data() else { continue };
            let bytes = self.bytes.saturating_add(data.len() as u64);
            if bytes > self.known.bytes {
                return Err(Trouble::Source(format!("its file has more than {} bytes", self.known.bytes)));
            }
            file.write_all(&data).await.map_err(|error| self.cannot_write(&error))?;
            self.bytes = bytes;
            self.progress.step(Step::Received { bytes });
        }
    }

    fn cannot_write(&self, error: &std::io::Error) -> Trouble {
        cannot_write(self.known.bytes, self.part, error)
    }
}

fn broke_off(reason: &str) -> Trouble {
    Trouble::Source(format!("the transfer broke off: {reason}"))
}

/// `location` as seen from `base`; `None` where it must not be followed.
fn resolve(base: &Uri, location: &str) -> Option<Uri> {
    let target: Uri = location.parse().ok()?;
    let mut parts = target.into_parts();
    if parts.authority.is_none() {
        // A path that is not absolute does not parse as an address, so nothing is left to join.
        parts.scheme = base.scheme().cloned();
        parts.authority = base.authority().cloned();
    }
    let target = Uri::from_parts(parts).ok()?;
    let downgraded = base.scheme_str() == Some("https") && target.scheme_str() != Some("https");
    (!downgraded).then_some(target)
}

#[cfg(test)]
mod tests;
