use canon::Fault;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

/// The length of a seal and of the key that makes it.
pub(crate) const SEAL_BYTES: usize = 32;

/// HMAC-SHA-256 over what must not be changed by anyone who lacks the key.
#[derive(Clone)]
pub(crate) struct Sealer(Hmac<Sha256>);

impl Sealer {
    pub(crate) fn new(key: &[u8; SEAL_BYTES]) -> Result<Self, Fault> {
        Hmac::new_from_slice(key).map(Self).map_err(Fault::internal)
    }

    /// Begins a seal. Seals of different subjects never meet, whatever their members.
    pub(crate) fn of(&self, subject: &str) -> Sealing {
        Sealing(self.0.clone()).bytes(subject.as_bytes())
    }
}

/// What is sealed, member by member. Each is written with its kind and length, so that no two lists look alike.
pub(crate) struct Sealing(Hmac<Sha256>);

impl Sealing {
    pub(crate) fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.update(b"b");
        self.0.update(&(bytes.len() as u64).to_be_bytes());
        self.0.update(bytes);
        self
    }

    pub(crate) fn text(self, text: &str) -> Self {
        self.bytes(text.as_bytes())
    }

    pub(crate) fn maybe(mut self, text: Option<&str>) -> Self {
        match text {
            Some(text) => self.text(text),
            None => {
                self.0.update(b"n");
                self
            }
        }
    }

    pub(crate) fn number(mut self, number: i64) -> Self {
        self.0.update(b"i");
        self.0.update(&number.to_be_bytes());
        self
    }

    pub(crate) fn close(self) -> [u8; SEAL_BYTES] {
        self.0.finalize().into_bytes().into()
    }
}
