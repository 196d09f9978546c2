//! Text to tokens and back, by the vocabulary of a GGUF file.

mod bpe;
mod bytes;
mod marks;
mod parts;
mod seal;
mod split;
mod spm;
mod utf8;
mod wordpiece;

use canon::Fault;

use self::bpe::Bpe;
#[cfg(test)]
pub(crate) use self::bytes::ALPHABET;
use self::bytes::Speller;
use self::marks::Marks;
pub use self::parts::TokenizerParts;
pub(crate) use self::seal::Seal;
use self::split::Style;
use self::spm::Spm;
pub(crate) use self::utf8::Utf8Buffer;
pub use self::wordpiece::WordPiece;

/// What a token is, by its `token_type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Normal,
    Unknown,
    Control,
    UserDefined,
    Unused,
    Byte,
}

impl Kind {
    fn of(kind: i64) -> Self {
        match kind {
            2 => Self::Unknown,
            3 => Self::Control,
            4 => Self::UserDefined,
            5 => Self::Unused,
            6 => Self::Byte,
            _ => Self::Normal,
        }
    }

    /// Whether text can become such a token by merging.
    const fn is_merged(self) -> bool {
        matches!(self, Self::Normal | Self::UserDefined)
    }
}

/// Names of tokens that end a turn, in the vocabularies of the families that are served here. A file names one or two
/// of them as its end; a model may write any.
const END_NAMES: [&str; 9] = [
    "<|im_end|>",
    "<|endoftext|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|end_of_text|>",
    "<|end|>",
    "<end_of_turn>",
    "<EOT>",
    "</s>",
];

/// Text to tokens and back.
pub struct Tokenizer {
    pieces: Vec<Piece>,
    merger: Merger,
    /// Found in any text.
    user_defined: Marks,
    /// Found in the template's own text only.
    control: Marks,
    /// Both.
    marks: Marks,
    bos: Option<u32>,
    add_bos: bool,
    strips_space: bool,
    ends: Vec<u32>,
}

struct Piece {
    kind: Kind,
    bytes: Box<[u8]>,
}

enum Merger {
    Bpe(Bpe),
    Spm(Spm),
}

impl Tokenizer {
    /// Reads a vocabulary.
    ///
    /// # Errors
    /// [`canon::Kind::Unsupported`] for a kind of tokenizer that is not known here, [`canon::Kind::Malformed`] where
    /// the parts contradict one another; either names the key.
    pub fn new(parts: &TokenizerParts<'_>) -> Result<Self, Fault> {
        let count = parts.tokens.len();
        if count == 0 || u32::try_from(count).is_err() {
            return Err(Fault::malformed(
                "tokenizer.ggml.tokens",
                format!("{count} tokens cannot be a vocabulary"),
            ));
        }
        if !parts.kinds.is_empty() && parts.kinds.len() != count {
            let problem = format!("{} types for {count} tokens", parts.kinds.len());
            return Err(Fault::malformed("tokenizer.ggml.token_type", problem));
        }
        if let Some(id) = parts.ends.iter().chain(&parts.bos).find(|&&id| index(id) >= count) {
            let problem = format!("token {id} is outside the vocabulary of {count}");
            return Err(Fault::malformed("tokenizer.ggml.eos_token_id", problem));
        }
        let kind = |at: usize| parts.kinds.get(at).map_or(Kind::Normal, |&kind| Kind::of(kind));
        let kinds: Vec<Kind> = (0..count).map(kind).collect();
        let (pieces, merger) = match parts.model {
            "gpt2" => byte_level(parts, &kinds)?,
            "llama" => sentence_piece(parts, &kinds)?,
            other => {
                return Err(Fault::unsupported(
                    "tokenizer.ggml.model",
                    format!(
                        "the tokenizer `{other}` is not known here; use a file whose tokenizer is gpt2 or llama"
                    ),
                ));
            }
        };
        let of_kind = |wanted: &'static [Kind]| {
            let all = (0_u32..).zip(parts.tokens.iter().zip(&kinds));
            all.filter(move |(_, (_, kind))| wanted.contains(kind)).map(|(id, (token, _))| (*token, id))
        };
        let ends = of_kind(&[Kind::Control, Kind::UserDefined]).filter(|(name, _)| END_NAMES.contains(name));
        let mut ends: Vec<u32> = parts.ends.iter().copied().chain(ends.map(|(_, id)| id)).collect();
        let mut seen = std::collections::BTreeSet::new();
        ends.retain(|&id| seen.insert(id));
        Ok(Self {
            pieces,
            merger,
            user_defined: Marks::new(of_kind(&[Kind::UserDefined])),
            control: Marks::new(of_kind(&[Kind::Control])),
            marks: Marks::new(of_kind(&[Kind::UserDefined, Kind::Control])),
            bos: parts.bos,
            add_bos: parts.add_bos.unwrap_or(parts.model == "llama"),
            strips_space: parts.strips_space,
            ends,
        })
    }

    /// How many tokens there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pieces.len()
    }

    /// Whether there are none, which [`Self::new`] refuses.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// The tokens of a caller's text: control tokens that it spells out are text like any other.
    #[must_use]
    pub fn encode(&self, text: &str) -> Vec<u32> {
        let mut out = Vec::with_capacity(text.len() / 3);
        self.encode_with(&self.user_defined, text, None, &mut out);
        out
    }

    /// The tokens of a rendered template. Control tokens are the template's own; those that the caller wrote are
    /// broken by `seal`.
    pub(crate) fn encode_rendered(&self, rendered: &str, seal: Seal) -> Vec<u32> {
        let mut out = Vec::with_capacity(rendered.len() / 3 + 1);
        self.encode_with(&self.marks, rendered, Some(seal), &mut out);
        if self.add_bos
            && let Some(bos) = self.bos
            && out.first() != Some(&bos)
        {
            out.insert(0, bos);
        }
        out
    }

    /// Breaks the control tokens that a caller's `text` spells out.
    pub(crate) fn close<'t>(&self, seal: Seal, text: &'t str) -> std::borrow::Cow<'t, str> {
        seal.close(&self.control, text)
    }

    fn encode_with(&self, marks: &Marks, text: &str, seal: Option<Seal>, out: &mut Vec<u32>) {
        let mut rest = text;
        let mut first = true;
        loop {
            let found = marks.find(rest);
            let plain = found.as_ref().map_or(rest, |found| rest.get(..found.start).unwrap_or_default());
            let plain = seal.map_or(std::borrow::Cow::Borrowed(plain), |seal| seal.open(plain));
            if !plain.is_empty() {
                match &self.merger {
                    Merger::Bpe(bpe) => bpe.encode(&plain, out),
                    Merger::Spm(spm) => spm.encode(&plain, first, out),
                }
            }
            let Some(found) = found else { return };
            out.push(found.token);
            first = true;
            rest = rest.get(found.end..).unwrap_or_default();
            if self.strips_space_after(found.token) {
                rest = rest.trim_start();
            }
        }
    }

    /// Phi-3's `tokenizer_config.json`: `rstrip` is set for all control tokens but these.
    fn strips_space_after(&self, token: u32) -> bool {
        const EXCEPT: [&str; 3] = ["<s>", "<unk>", "<|endoftext|>"];
        let is_control = || self.pieces.get(index(token)).is_some_and(|piece| piece.kind == Kind::Control);
        let is_excepted = || self.spelling(token).is_some_and(|name| EXCEPT.contains(&name));
        self.strips_space && is_control() && !is_excepted()
    }

    /// The bytes that a token adds to a text: none for a control token.
    #[must_use]
    pub fn bytes(&self, token: u32) -> &[u8] {
        match self.pieces.get(index(token)) {
            Some(piece) if !matches!(piece.kind, Kind::Control | Kind::Unused) => &piece.bytes,
            _ => &[],
        }
    }

    /// The text of `tokens`. The inverse of [`Self::encode`].
    #[must_use]
    pub fn decode(&self, tokens: &[u32]) -> String {
        let mut buffer = Utf8Buffer::default();
        let mut text: String = tokens.iter().map(|&token| buffer.push(self.bytes(token))).collect();
        text.push_str(buffer.finish());
        if self.prefixes_space() && text.starts_with(' ') {
            text.remove(0);
        }
        text
    }

    /// Whether the vocabulary puts a space before the first word of a text, which belongs to nobody's text.
    #[must_use]
    pub fn prefixes_space(&self) -> bool {
        matches!(&self.merger, Merger::Spm(spm) if spm.prefixes_space())
    }

    /// Tokens that end an answer.
    #[must_use]
    pub fn ends(&self) -> &[u32] {
        &self.ends
    }

    /// The text of the token that begins a prompt, for templates that spell it out.
    pub(crate) fn bos_text(&self) -> Option<&str> {
        self.spelling(self.bos?)
    }

    /// The text of the token that ends an answer.
    pub(crate) fn end_text(&self) -> Option<&str> {
        self.spelling(*self.ends.first()?)
    }

    /// A token as the vocabulary spells it, control tokens too.
    pub(crate) fn spelling(&self, token: u32) -> Option<&str> {
        std::str::from_utf8(&self.pieces.get(index(token))?.bytes).ok()
    }

    /// What each token writes, for grammars: `None` for those that write nothing.
    pub(crate) fn written(&self) -> impl Iterator<Item = Option<&[u8]>> {
        self.pieces.iter().map(|piece| {
            let writes = matches!(piece.kind, Kind::Normal | Kind::UserDefined | Kind::Byte);
            writes.then_some(&*piece.bytes)
        })
    }
}

/// A token as an index.
pub(crate) fn index(token: u32) -> usize {
    usize::try_from(token).unwrap_or(usize::MAX)
}

fn byte_level(parts: &TokenizerParts<'_>, kinds: &[Kind]) -> Result<(Vec<Piece>, Merger), Fault> {
    let style = Style::named(parts.pre)?;
    let speller = Speller::new();
    let spelt = |(token, &kind): (&&str, &Kind)| match kind {
        Kind::Control | Kind::UserDefined => Piece { kind, bytes: token.as_bytes().into() },
        _ => Piece { kind, bytes: speller.bytes(token).into() },
    };
    let pieces: Vec<Piece> = parts.tokens.iter().zip(kinds).map(spelt).collect();
    let merged: Vec<Option<Vec<u8>>> =
        pieces.iter().map(|piece| piece.kind.is_merged().then(|| piece.bytes.to_vec())).collect();
    let bpe = Bpe::new(style, &merged, &parts.merges)?;
    Ok((pieces, Merger::Bpe(bpe)))
}

fn sentence_piece(parts: &TokenizerParts<'_>, kinds: &[Kind]) -> Result<(Vec<Piece>, Merger), Fault> {
    let mut bytes = Box::new([0; 256]);
    let mut pieces = Vec::with_capacity(kinds.len());
    for (id, (token, &kind)) in (0_u32..).zip(parts.tokens.iter().zip(kinds)) {
        let piece = match kind {
            Kind::Byte => {
                let byte = read_byte(token).ok_or_else(|| {
                    Fault::malformed(
                        format!("tokenizer.ggml.tokens[{id}]"),
                        "it is a byte, but not spelt as one",
                    )
                })?;
                if let Some(slot) = bytes.get_mut(usize::from(byte)) {
                    *slot = id;
                }
                vec![byte]
            }
            _ => token.replace(spm::SPACE, " ").into_bytes(),
        };
        pieces.push(Piece { kind, bytes: piece.into() });
    }
    let merged = parts.tokens.iter().zip(kinds).map(|(token, kind)| kind.is_merged().then_some(*token));
    let joining = (parts.scores.as_slice(), parts.merges.as_slice());
    let spm = Spm::new(merged, joining, bytes, parts.add_space_prefix.unwrap_or(true))?;
    Ok((pieces, Merger::Spm(spm)))
}

/// Reads `<0x0A>`.
fn read_byte(token: &str) -> Option<u8> {
    u8::from_str_radix(token.strip_prefix("<0x")?.strip_suffix('>')?, 16).ok()
}

#[cfg(test)]
mod tests;
