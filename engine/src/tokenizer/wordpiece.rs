//! `WordPiece`, the tokenizer of BERT and its kin, as Hugging Face's `tokenizer.json` describes it.
//!
//! A text is normalised (control characters out, white space to spaces, spaces around Chinese characters, accents off,
//! small letters), cut at white space and around punctuation, and each word is taken apart from its start, always by the
//! longest piece that the vocabulary has. A word that cannot be taken apart is one unknown token.
//!
//! What a text says that looks like a special token, such as `[SEP]`, is text like any other.

mod normal;
mod read;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use self::normal::Normalizer;

/// Text to tokens, for models that read and do not write.
pub struct WordPiece {
    normalizer: Normalizer,
    /// Pieces that begin a word.
    heads: HashMap<Box<str>, u32>,
    /// Pieces that go on, without the mark that they are spelt with.
    tails: HashMap<Box<str>, u32>,
    /// The longest piece, in bytes.
    piece_bytes_max: usize,
    /// A word of more characters is unknown.
    word_chars_max: usize,
    unknown: u32,
    /// What stands before a text.
    before: Vec<u32>,
    /// What stands behind it.
    after: Vec<u32>,
    len: usize,
}

impl WordPiece {
    /// The tokens of a text, without those that mark its beginning and its end.
    #[must_use]
    pub fn encode(&self, text: &str) -> Vec<u32> {
        let mut out = Vec::with_capacity(text.len() / 4);
        let mut word = String::new();
        self.normalizer.each(text, |c, kind| match kind {
            normal::Kind::Space => self.flush(&mut word, &mut out),
            normal::Kind::Alone => {
                self.flush(&mut word, &mut out);
                word.push(c);
                self.flush(&mut word, &mut out);
            }
            normal::Kind::Letter => word.push(c),
        });
        self.flush(&mut word, &mut out);
        out
    }

    /// What stands before a text's tokens, and what behind them.
    #[must_use]
    pub fn frame(&self) -> (&[u32], &[u32]) {
        (&self.before, &self.after)
    }

    /// How many tokens there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none, which cannot be read.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Takes the word apart and leaves it empty.
    fn flush(&self, word: &mut String, out: &mut Vec<u32>) {
        if !word.is_empty() {
            let start = out.len();
            let short = word.len() <= self.word_chars_max || word.chars().count() <= self.word_chars_max;
            if !short || !self.take_apart(word, out) {
                out.truncate(start);
                out.push(self.unknown);
            }
            word.clear();
        }
    }

    fn take_apart(&self, word: &str, out: &mut Vec<u32>) -> bool {
        let mut rest = word;
        let mut pieces = &self.heads;
        while !rest.is_empty() {
            let mut end = word_end(rest, self.piece_bytes_max);
            let found = loop {
                let Some(piece) = rest.get(..end).filter(|piece| !piece.is_empty()) else { return false };
                if let Some(id) = pieces.get(piece) {
                    break *id;
                }
                end -= piece.chars().next_back().map_or(1, char::len_utf8);
            };
            out.push(found);
            rest = rest.get(end..).unwrap_or_default();
            pieces = &self.tails;
        }
        true
    }
}

/// The longest prefix of at most `bytes_max` bytes that ends with a character.
fn word_end(text: &str, bytes_max: usize) -> usize {
    (0..=text.len().min(bytes_max)).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0)
}
