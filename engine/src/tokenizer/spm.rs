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
    joining: Joining,
    bytes: Box<[u32; 256]>,
    space_prefix: bool,
}

/// What is joined first.
pub(super) enum Joining {
    /// Neighbours whose join is the token with the highest score.
    Scores(Vec<f32>),
    /// Neighbours that are a merge of the lowest rank, as Hugging Face's `tokenizers` does it. GGUF files have scores.
    Ranks(HashMap<(u32, u32), u32>),
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
    /// `bytes` gives the token of each byte, as the type of the tokens tells. Where there are no scores, `merges` count.
    ///
    /// # Errors
    /// [`canon::Kind::Malformed`] where tokens and scores differ in number, or a merge names what is no token.
    pub(super) fn new<'t>(
        tokens: impl ExactSizeIterator<Item = Option<&'t str>>,
        (scores, merges): (&[f32], &[&str]),
        bytes: Box<[u32; 256]>,
        space_prefix: bool,
    ) -> Result<Self, Fault> {
        let count = tokens.len();
        let named = (0_u32..).zip(tokens).filter_map(|(id, token)| Some((Box::from(token?), id)));
        let words = named.collect();
        let joining = if scores.is_empty() && !merges.is_empty() {
            Joining::Ranks(ranks(&words, merges)?)
        } else if count == scores.len() {
            Joining::Scores(scores.to_vec())
        } else {
            let problem = format!("{} scores for {count} tokens", scores.len());
            return Err(Fault::malformed("tokenizer.ggml.scores", problem));
        };
        Ok(Self { words, joining, bytes, space_prefix })
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
        let token = |start: usize, length| self.words.get(text.get(start..start + length)?).copied();
        let joined = token(l.start, length)?;
        let score = match &self.joining {
            Joining::Scores(scores) => *scores.get(usize::try_from(joined).ok()?)?,
            // Whole up to 2^24, which is more merges than any vocabulary has.
            Joining::Ranks(ranks) => {
                -(*ranks.get(&(token(l.start, l.length)?, token(r.start, r.length)?))? as f32)
            }
        };
        Some(Pair { score, left, right, length })
    }
}

/// The rank of each merge: two spellings with a space between them, lowest rank first.
fn ranks(words: &HashMap<Box<str>, u32>, merges: &[&str]) -> Result<HashMap<(u32, u32), u32>, Fault> {
    let mut ranks = HashMap::with_capacity(merges.len());
    for (rank, merge) in (0_u32..).zip(merges) {
        let pair = merge.split_once(' ');
        let pair = pair.and_then(|(left, right)| Some((*words.get(left)?, *words.get(right)?)));
        let pair = pair.ok_or_else(|| {
            Fault::malformed(format!("tokenizer.ggml.merges[{rank}]"), "it names what is not a token")
        })?;
        ranks.entry(pair).or_insert(rank);
    }
    Ok(ranks)
}
