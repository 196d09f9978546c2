//! Byte-level BPE: bytes become tokens, then the pair of neighbours with the lowest rank is merged until none is left.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};

use canon::Fault;

use super::bytes::Speller;
use super::split::{Splitter, Style};

/// Words of at most so many bytes are merged by scanning, longer ones with a heap.
const SCAN_BYTES_MAX: usize = 24;

/// The merges of a vocabulary.
pub(super) struct Bpe {
    splitter: Splitter,
    whole_words: bool,
    /// A vocabulary may lack bytes that its training never saw; they are left out of a prompt, as elsewhere.
    bytes: Box<[Option<u32>; 256]>,
    words: HashMap<Box<[u8]>, u32>,
    merges: HashMap<(u32, u32), Merge, BuildHasherDefault<PairHasher>>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Merge {
    rank: u32,
    token: u32,
}

impl Bpe {
    /// Reads `merges`, each two spellings with a space between them, lowest rank first. `pieces` are the bytes of the
    /// tokens that text may become.
    ///
    /// # Errors
    /// [`canon::Kind::Malformed`] where a byte has no token, or a merge names what is not in the vocabulary.
    pub(super) fn new(style: Style, pieces: &[Option<Vec<u8>>], merges: &[&str]) -> Result<Self, Fault> {
        let mut words = HashMap::with_capacity(pieces.len());
        for (token, piece) in (0_u32..).zip(pieces) {
            if let Some(piece) = piece {
                words.entry(piece.clone().into_boxed_slice()).or_insert(token);
            }
        }
        let mut bytes = Box::new([None; 256]);
        for (byte, slot) in (0..=u8::MAX).zip(bytes.iter_mut()) {
            *slot = words.get([byte].as_slice()).copied();
            if slot.is_none() && (byte == b' ' || byte.is_ascii_graphic()) {
                let problem = format!("no token stands for `{}`", char::from(byte));
                return Err(Fault::malformed("tokenizer.ggml.tokens", problem));
            }
        }
        let speller = Speller::new();
        let mut table = HashMap::with_capacity_and_hasher(merges.len(), BuildHasherDefault::default());
        for (rank, merge) in (0_u32..).zip(merges) {
            let pair = read_merge(&speller, &words, merge).ok_or_else(|| {
                Fault::malformed(format!("tokenizer.ggml.merges[{rank}]"), "it names what is not a token")
            })?;
            table.entry((pair.0, pair.1)).or_insert(Merge { rank, token: pair.2 });
        }
        Ok(Self {
            splitter: Splitter::new(style)?,
            whole_words: style.whole_words(),
            bytes,
            words,
            merges: table,
        })
    }

    /// Appends the tokens of `text`.
    pub(super) fn encode(&self, text: &str, out: &mut Vec<u32>) {
        self.splitter.split(text, |word| self.word(word.as_bytes(), out));
    }

    fn word(&self, word: &[u8], out: &mut Vec<u32>) {
        if self.whole_words
            && let Some(&token) = self.words.get(word)
        {
            out.push(token);
        } else if word.len() <= SCAN_BYTES_MAX {
            let start = out.len();
            out.extend(word.iter().filter_map(|&byte| self.byte(byte)));
            self.scan(start, out);
        } else {
            self.heap(word, out);
        }
    }

    fn byte(&self, byte: u8) -> Option<u32> {
        self.bytes.get(usize::from(byte)).copied().flatten()
    }

    fn merge(&self, left: u32, right: u32) -> Option<Merge> {
        self.merges.get(&(left, right)).copied()
    }

    /// Merges `out[start..]` in place.
    fn scan(&self, start: usize, out: &mut Vec<u32>) {
        loop {
            let word = out.get(start..).unwrap_or_default();
            let best = word.windows(2).enumerate().filter_map(|(at, pair)| match *pair {
                [left, right] => self.merge(left, right).map(|merge| (merge, start + at)),
                _ => None,
            });
            let Some((merge, at)) = best.min() else { return };
            out.remove(at + 1);
            if let Some(slot) = out.get_mut(at) {
                *slot = merge.token;
            }
        }
    }

    /// As [`Self::scan`], in `n log n`: a heap of candidate merges over a linked list of tokens. A merged token leaves
    /// its right neighbour dead, and candidates that no longer match what they saw are passed over.
    fn heap(&self, word: &[u8], out: &mut Vec<u32>) {
        let bytes: Vec<u32> = word.iter().filter_map(|&byte| self.byte(byte)).collect();
        let mut links = Links::new(&bytes);
        let mut heap = BinaryHeap::new();
        let consider = |heap: &mut BinaryHeap<_>, links: &Links, left: usize| {
            if let Some(right) = links.after(left)
                && let (Some(l), Some(r)) = (links.token(left), links.token(right))
                && let Some(merge) = self.merge(l, r)
            {
                heap.push(Reverse((merge, left, l, r)));
            }
        };
        for left in 0..bytes.len() {
            consider(&mut heap, &links, left);
        }
        while let Some(Reverse((merge, left, l, r))) = heap.pop() {
            let right = links.after(left);
            if links.token(left) != Some(l) || right.and_then(|right| links.token(right)) != Some(r) {
                continue;
            }
            links.join(left, merge.token);
            consider(&mut heap, &links, left);
            if let Some(before) = links.before(left) {
                consider(&mut heap, &links, before);
            }
        }
        out.extend(links.tokens());
    }
}

fn read_merge(speller: &Speller, words: &HashMap<Box<[u8]>, u32>, merge: &str) -> Option<(u32, u32, u32)> {
    let (left, right) = merge.split_once(' ')?;
    let (mut left, right) = (speller.bytes(left), speller.bytes(right));
    let ids = (*words.get(left.as_slice())?, *words.get(right.as_slice())?);
    left.extend_from_slice(&right);
    Some((ids.0, ids.1, *words.get(left.as_slice())?))
}

/// A doubly linked list of tokens over a vector.
struct Links(Vec<Link>);

struct Link {
    token: Option<u32>,
    before: Option<usize>,
    after: Option<usize>,
}

impl Links {
    fn new(tokens: &[u32]) -> Self {
        let link = |(at, &token): (usize, &u32)| Link {
            token: Some(token),
            before: at.checked_sub(1),
            after: (at + 1 < tokens.len()).then_some(at + 1),
        };
        Self(tokens.iter().enumerate().map(link).collect())
    }

    /// The token at a place; `None` where it was joined into another.
    fn token(&self, at: usize) -> Option<u32> {
        self.0.get(at).and_then(|link| link.token)
    }

    fn before(&self, at: usize) -> Option<usize> {
        self.0.get(at).and_then(|link| link.before)
    }

    fn after(&self, at: usize) -> Option<usize> {
        self.0.get(at).and_then(|link| link.after)
    }

    /// Makes the token at `at` and the one after it into `token`.
    fn join(&mut self, at: usize, token: u32) {
        let Some(gone) = self.after(at) else { return };
        let next = self.after(gone);
        if let Some(link) = self.0.get_mut(gone) {
            link.token = None;
        }
        if let Some(link) = self.0.get_mut(at) {
            link.token = Some(token);
            link.after = next;
        }
        if let Some(link) = next.and_then(|next| self.0.get_mut(next)) {
            link.before = Some(at);
        }
    }

    fn tokens(&self) -> impl Iterator<Item = u32> {
        self.0.iter().filter_map(|link| link.token)
    }
}

/// A hash for pairs of token ids, which nobody outside chooses: one multiplication, as in the Fx hash.
#[derive(Default)]
struct PairHasher(u64);

impl Hasher for PairHasher {
    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 29)
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u32(u32::from(byte));
        }
    }

    fn write_u32(&mut self, value: u32) {
        self.0 = (self.0.rotate_left(32) ^ u64::from(value)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}
