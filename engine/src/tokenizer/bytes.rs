//! GPT-2's spelling of bytes as printable characters, in which byte-level vocabularies are written.

/// The character that stands for each byte: printable Latin-1 for itself, the others from U+0100 on, in order.
const fn alphabet() -> [char; 256] {
    let mut table = ['\0'; 256];
    let mut next = 0x100;
    let mut byte = 0;
    while byte < 256 {
        let printable = matches!(byte, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff);
        let code = if printable {
            byte as u32
        } else {
            next += 1;
            next - 1
        };
        if let Some(c) = char::from_u32(code) {
            table[byte] = c;
        }
        byte += 1;
    }
    table
}

/// The alphabet, by byte.
pub(crate) const ALPHABET: [char; 256] = alphabet();
/// One past the last character of the alphabet.
const END: usize = 0x144;

/// Reads the spelling back.
pub(super) struct Speller([Option<u8>; END]);

impl Speller {
    pub(super) fn new() -> Self {
        let mut table = [None; END];
        for (byte, &c) in (0..=u8::MAX).zip(&ALPHABET) {
            if let Some(slot) = table.get_mut(c as usize) {
                *slot = Some(byte);
            }
        }
        Self(table)
    }

    /// The bytes that `spelling` stands for; a character outside the alphabet stands for its own UTF-8.
    pub(super) fn bytes(&self, spelling: &str) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(spelling.len());
        for c in spelling.chars() {
            match self.0.get(c as usize).copied().flatten() {
                Some(byte) => bytes.push(byte),
                None => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        bytes
    }
}
