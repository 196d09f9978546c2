use crate::pattern::Pattern;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use canon::Secret;
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::sync::Arc;

/// The randomness that one key needs: 10 bytes for its id, 30 for its secret, 24 for its API key.
pub const ENTROPY_BYTES: usize = 64;

/// The alphabet of RFC 4648 base 32, in which AWS spells access key ids.
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// A key's public name, spelled like an AWS access key id: `AKIA` and 16 base 32 characters. Cloning is cheap.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyId(Arc<str>);

impl KeyId {
    /// Names a key. Whether there is one of this name is for a [`Keyring`](crate::Keyring) to say.
    pub fn new(id: impl Into<Arc<str>>) -> Self {
        Self(id.into())
    }

    /// The id.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl std::borrow::Borrow<str> for KeyId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// A key: a name, what proves that somebody holds it, and what it may be used for.
#[derive(Clone, Debug)]
pub struct Key {
    /// The public id.
    pub id: KeyId,
    /// What people call it.
    pub name: Arc<str>,
    /// The secret access key. It is kept in full because a signature can be checked only by signing again.
    pub secret: Secret,
    /// The SHA-256 of the long-term API key, which itself is kept nowhere.
    pub bearer_sha256: [u8; 32],
    /// The models that it may use. A key without patterns may use none.
    pub models: Vec<Pattern>,
    /// When it was made, in milliseconds since the Unix epoch.
    pub created_ms: u64,
    /// From when on it no longer works, in milliseconds since the Unix epoch.
    pub expires_ms: Option<u64>,
    /// Whether it was taken back.
    pub revoked: bool,
}

/// What the holder of a new key is given, once.
#[derive(Clone, Debug)]
pub struct Minted {
    /// The access key id.
    pub access_key_id: KeyId,
    /// The secret access key: 40 characters.
    pub secret_access_key: Secret,
    /// The long-term API key: `ABSK` and base 64.
    pub api_key: Secret,
}

impl Key {
    /// Makes a key out of `entropy`, which must come from the operating system's random source and serve one key only.
    pub fn mint(
        name: impl Into<Arc<str>>,
        models: Vec<Pattern>,
        now_ms: u64,
        entropy: &[u8; ENTROPY_BYTES],
    ) -> (Self, Minted) {
        let (for_id, rest) = entropy.split_at(10);
        let (for_secret, for_api_key) = rest.split_at(30);
        let id = KeyId::new(format!("AKIA{}", base32(for_id)));
        let secret = Secret::new(STANDARD.encode(for_secret));
        let api_key = api_key(&id, for_api_key);
        let key = Self {
            id: id.clone(),
            name: name.into(),
            secret: secret.clone(),
            bearer_sha256: Sha256::digest(api_key.expose()).into(),
            models,
            created_ms: now_ms,
            expires_ms: None,
            revoked: false,
        };
        (key, Minted { access_key_id: id, secret_access_key: secret, api_key })
    }

    /// Whether it may be used at `now_ms`.
    #[must_use]
    pub fn is_live(&self, now_ms: u64) -> bool {
        !self.revoked && self.expires_ms.is_none_or(|end| now_ms < end)
    }
}

/// Five bits a character. Whole groups only: the ten bytes of an id make sixteen characters.
fn base32(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 8 / 5);
    let (mut bits, mut held) = (0_u16, 0);
    for &byte in bytes {
        bits = bits << 8 | u16::from(byte);
        held += 8;
        while held >= 5 {
            held -= 5;
            let letter = BASE32.get(usize::from(bits >> held & 31));
            text.extend(letter.map(|&letter| char::from(letter)));
        }
        bits &= (1 << held) - 1;
    }
    text
}

/// The shape of Bedrock's own long-term keys: base 64 of a user name with an account, a colon, and a password.
fn api_key(id: &KeyId, random: &[u8]) -> Secret {
    let inner = Secret::new(format!(
        "BedrockAPIKey-{}-at-000000000000:{}",
        id.as_str().to_ascii_lowercase(),
        STANDARD.encode(random)
    ));
    Secret::new(format!("ABSK{}", STANDARD.encode(inner.expose())))
}
