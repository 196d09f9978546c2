//! What the owner of a data folder does with it, whether or not a server runs on it: keys, usage, the audit trail.
//!
//! Each function is one look or one change, and blocks for as long as the disk takes. A running server notices changes
//! of keys by itself.

use std::path::Path;
use std::time::Duration;

use access::{ENTROPY_BYTES, Key, Pattern};
use gateway::{Clock as _, Entropy as _};
use store::{Period, Records};

use crate::Failure;
use crate::ports::{SystemEntropy, WallClock};

pub use access::Minted;
pub use store::{Damage, UsageRow, Verdict};

/// A key to be made.
#[derive(Clone, Debug)]
pub struct NewKey {
    /// What people call it.
    pub name: String,
    /// The models that it may use, as globs; empty means all.
    pub models: Vec<String>,
    /// How long it works; `None` means until it is revoked.
    pub lifetime: Option<Duration>,
}

/// Makes a key. What proves its possession is returned, and can be had only now.
///
/// # Errors
/// [`Failure::USAGE`] for a name that cannot be, [`Failure::IO`] where the folder cannot be read or written.
pub fn create_key(dir: &Path, new: &NewKey) -> Result<Minted, Failure> {
    let models = match &new.models[..] {
        [] => vec![Pattern::any()],
        globs => globs.iter().map(|glob| Pattern::new(glob.as_str())).collect(),
    };
    let mut entropy = [0; ENTROPY_BYTES];
    SystemEntropy.fill(&mut entropy);
    let now_ms = WallClock.now_ms();
    let (mut key, minted) = Key::mint(new.name.as_str(), models, now_ms, &entropy);
    key.expires_ms = new.lifetime.map(|lifetime| now_ms.saturating_add(millis(lifetime)));
    Records::open(dir)?.create_key(&key)?;
    Ok(minted)
}

/// What may be shown of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRow {
    /// The access key id.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// The models that it may use, as globs.
    pub models: Vec<String>,
    /// When it was made, in milliseconds since the Unix epoch.
    pub created_ms: u64,
    /// From when on it no longer works, in milliseconds since the Unix epoch.
    pub expires_ms: Option<u64>,
    /// Whether it works.
    pub state: KeyState,
}

/// Whether a key works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyState {
    /// It does.
    Live,
    /// Its time is over.
    Expired,
    /// It was taken back.
    Revoked,
}

impl KeyState {
    /// The state in a word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}

/// Every key, oldest first.
///
/// # Errors
/// [`Failure::IO`] where the folder cannot be read.
pub fn keys(dir: &Path) -> Result<Vec<KeyRow>, Failure> {
    let now_ms = WallClock.now_ms();
    Ok(Records::open(dir)?.keys()?.iter().map(|key| row(key, now_ms)).collect())
}

fn row(key: &Key, now_ms: u64) -> KeyRow {
    KeyRow {
        id: key.id.to_string(),
        name: key.name.to_string(),
        models: key.models.iter().map(|pattern| pattern.as_str().to_owned()).collect(),
        created_ms: key.created_ms,
        expires_ms: key.expires_ms,
        state: match key {
            key if key.revoked => KeyState::Revoked,
            key if key.is_live(now_ms) => KeyState::Live,
            _ => KeyState::Expired,
        },
    }
}

/// Takes a key back for good, by its id or its name. Returns its id.
///
/// # Errors
/// [`Failure::USAGE`] where no such key works, [`Failure::IO`] where the folder cannot be written.
pub fn revoke_key(dir: &Path, id_or_name: &str) -> Result<String, Failure> {
    Ok(Records::open(dir)?.revoke_key(id_or_name, WallClock.now_ms())?.to_string())
}

/// When usage begins to count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Since {
    /// With the first call.
    Ever,
    /// So long ago.
    Ago(Duration),
    /// At this millisecond since the Unix epoch.
    At(u64),
}

/// What was used, by model and key.
///
/// # Errors
/// [`Failure::IO`] where the folder cannot be read.
pub fn usage(dir: &Path, since: Since) -> Result<Vec<UsageRow>, Failure> {
    let from_ms = match since {
        Since::Ever => 0,
        Since::Ago(ago) => WallClock.now_ms().saturating_sub(millis(ago)),
        Since::At(ms) => ms,
    };
    Ok(Records::open(dir)?.usage(Period { from_ms, ..Period::EVER })?)
}

/// Walks the audit trail, up to and through the `head` that was noted elsewhere, where one was.
///
/// # Errors
/// [`Failure::USAGE`] where `head` is none; [`Failure::IO`] where the folder cannot be read. Damage is no error: the
/// verdict lists it.
pub fn verify_audit(dir: &Path, head: Option<&str>) -> Result<Verdict, Failure> {
    let head = head.map(str::parse).transpose();
    let head = head.map_err(|problem: String| {
        Failure::usage(problem).with_help("pass what an earlier `outcrop audit verify` printed as the head")
    })?;
    Ok(Records::open(dir)?.verify(head.as_ref())?)
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
