//! `SentencePiece`'s BPE, as Llama 2 uses it: characters are joined by score, highest first, and what has no token is
//! spelt in bytes.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap};

use canon::Fault;

/// How `SentencePiece` writes a space.
pub(super) const SPACE: char = '\u{2581}';

/// A vocabulary with scores.
pub(super) struct Spm {
    words: HashMap<Box<str>, u32>,
    scores: Vec<f32>,
    bytes: Box<[u32; 256]>,
    space_prefix: bool,
}

/// Two neighbours that could be joined.
#[derive(PartialEq)]
struct Pair {
    score: f32,
    left: usize,
    right: usize,
    length: usize,
}

impl Eq for Pair {}

impl Ord for Pair {
    /// The highest score first; of equals, the leftmost.
    fn cmp(&self, other: &Self) -> Ordering {
        self.score.total_cmp(&other.score).then(other.left.cmp(&self.left))
    }
}

impl PartialOrd for Pair {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// A stretch of the text that is one token, or on the way to it. Empty when it was joined into another.
#[derive(Clone, Copy)]
struct Symbol {
    start: usize,
    length: usize,
    before: Option<usize>,
    after: Option<usize>,
}

impl Spm {
    /// `byte` gives the token of each byte, as the type of the tokens tells.
    ///
    /// # Errors
    /// [`canon::Kind::Malformed`] where tokens and scores differ in number.
    pub(super) fn new<'t>(
        tokens: impl ExactSizeIterator<Item = Option<&'t str>>,
        scores: &[f32],
        bytes: Box<[u32; 256]>,
        space_prefix: bool,
    ) -> Result<Self, Fault> {
        if tokens.len() != scores.len() {
            let problem = format!("{} scores for {} tokens", scores.len(), tokens.len());
            return Err(Fault::malformed("tokenizer.ggml.scores", problem));
        }
        let named = (0_u32..).zip(tokens).filter_map(|(id, token)| Some((Box::from(token?), id)));
        Ok(Self { words: named.collect(), scores: scores.to_vec(), bytes, space_prefix })
    }

    /// Appends the tokens of `text`; `first` says that nothing but control tokens stands before it.
    pub(super) fn encode(&self, text: &str, first: bool, out: &mut Vec<u32>) {
        if text.is_empty() {
            return;
        }
        let prefix = if first && self.space_prefix { " " } else { "" };
        let text: String =
            prefix.chars().chain(text.chars()).map(|c| if c == ' ' { SPACE } else { c }).collect();
        for word in self.join(&text) {
            match self.words.get(word) {
                Some(&token) => out.push(token),
                None => out.extend(word.bytes().map(|byte| self.byte(byte))),
            }
        }
    }

    /// Whether a space is put before the first word.
    pub(super) const fn prefixes_space(&self) -> bool {
        self.space_prefix
    }

    fn byte(&self, byte: u8) -> u32 {
        self.bytes.get(usize::from(byte)).copied().unwrap_or_default()
    }

    fn join<'t>(&self, text: &'t str) -> impl Iterator<Item = &'t str> {
        let mut symbols: Vec<Symbol> = text
            .char_indices()
            .enumerate()
            .map(|(at, (start, c))| Symbol {
                start,
                length: c.len_utf8(),
                before: at.checked_sub(1),
                after: Some(at + 1),
            })
            .collect();
        if let Some(last) = symbols.last_mut() {
            last.after = None;
        }
        let mut heap = BinaryHeap::new();
        for right in 1..symbols.len() {
            heap.extend(self.pair(text, &symbols, Some(right - 1), Some(right)));
        }
        while let Some(pair) = heap.pop() {
            let (Some(&left), Some(&right)) = (symbols.get(pair.left), symbols.get(pair.right)) else {
                continue;
            };
            if left.length == 0 || right.length == 0 || left.length + right.length != pair.length {
                continue;
            }
            if let Some(gone) = symbols.get_mut(pair.right) {
                gone.length = 0;
            }
            if let Some(joined) = symbols.get_mut(pair.left) {
                joined.length = pair.length;
                joined.after = right.after;
            }
            if let Some(next) = right.after.and_then(|next| symbols.get_mut(next)) {
                next.before = Some(pair.left);
            }
            heap.extend(self.pair(text, &symbols, left.before, Some(pair.left)));
            heap.extend(self.pair(text, &symbols, Some(pair.left), right.after));
        }
        symbols.into_iter().filter(|s| s.length > 0).filter_map(|s| text.get(s.start..s.start + s.length))
    }

    fn pair(
        &self,
        text: &str,
        symbols: &[Symbol],
        left: Option<usize>,
        right: Option<usize>,
    ) -> Option<Pair> {
        let (left, right) = (left?, right?);
        let (l, r) = (symbols.get(left)?, symbols.get(right)?);
        let length = l.length + r.length;
        let token = *self.words.get(text.get(l.start..l.start + length)?)?;
        let score = *self.scores.get(usize::try_from(token).ok()?)?;
        Some(Pair { score, left, right, length })
    }
}
