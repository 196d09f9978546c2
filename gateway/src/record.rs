use std::fmt;
use std::sync::Arc;

use access::KeyId;
use canon::{ModelId, Usage};

/// Names one call, in its answer, in its receipt and in the logs. Shown as a UUID.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId([u8; 16]);

impl RequestId {
    /// A version 4 UUID (RFC 9562 §5.4) of random bytes.
    #[must_use]
    pub const fn from_random(mut bytes: [u8; 16]) -> Self {
        let [_, _, _, _, _, _, version, _, variant, ..] = &mut bytes;
        *version = (*version & 0x0f) | 0x40;
        *variant = (*variant & 0x3f) | 0x80;
        Self(bytes)
    }

    /// The id that was stored as these bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes to store.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, byte) in self.0.iter().enumerate() {
            if matches!(position, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The record that a call was admitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntentRecord {
    /// The call.
    pub id: RequestId,
    /// When it came, in milliseconds since the Unix epoch.
    pub arrived_ms: u64,
    /// The key that it came with.
    pub key: KeyId,
    /// The model that it resolved to.
    pub model: ModelId,
    /// The format that it was written in.
    pub format: &'static str,
    /// The tokens that were set aside for it: an estimate of its prompt, and the answer that it may have.
    pub reserved_tokens: u64,
}

/// The record of how a call ended and what it used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The call.
    pub id: RequestId,
    /// When it ended, in milliseconds since the Unix epoch.
    pub settled_ms: u64,
    /// The deployment that answered; `None` if none began to.
    pub deployment: Option<Arc<str>>,
    /// How it ended.
    pub outcome: Outcome,
    /// What it used.
    pub usage: Usage,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The answer was completed.
    Completed,
    /// It failed, with a fault of this code.
    Failed(&'static str),
    /// The caller went away before the end.
    Cancelled,
    /// This process died before the end; settled by the next start.
    Interrupted,
}

impl Outcome {
    /// The outcome's name in receipts, without a failure's code.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed(_) => "failed",
            Self::Cancelled => "cancelled",
            Self::Interrupted => "interrupted",
        }
    }
}
