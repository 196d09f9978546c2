use std::hash::{DefaultHasher, Hash, Hasher};

/// What padding is cut from.
const LETTERS: &str = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";

/// Lengths of padding for the events of one stream.
///
/// An observer of an encrypted stream sees the lengths of its frames, and from them could guess the words. Bedrock
/// therefore adds a member `p` of random length to every event, and so do we. The lengths follow from the call's id, a
/// random UUID that the observer does not know, so that wire needs no source of randomness.
#[derive(Debug, Default)]
pub(crate) struct Padding(u64);

impl Padding {
    pub(crate) fn new(request_id: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        request_id.hash(&mut hasher);
        Self(hasher.finish())
    }

    /// The next event's padding.
    pub(crate) fn next(&mut self) -> &'static str {
        // One step of SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        let len = usize::try_from(bits % LETTERS.len() as u64).unwrap_or(0) + 1;
        LETTERS.get(..len).unwrap_or(LETTERS)
    }
}
