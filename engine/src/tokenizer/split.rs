//! How text is cut into words before merging.
//!
//! Published as regular expressions; written out here because a backtracking matcher is the slowest part of a
//! tokenizer. `tests.rs` holds each cutter to its expression.

mod cased;

use canon::Fault;

use self::cased::Cased;

/// How one family of tokenizers cuts text, by the name that GGUF gives it (`tokenizer.ggml.pre`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// `gpt-2`: `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`.
    Gpt2,
    /// `smollm`: each `\p{N}` alone, then as GPT-2 between them.
    SmolLm,
    /// `llama-bpe`: `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`.
    Llama3,
    /// `dbrx`, which is Phi-4's: as Llama 3, but a word that is a token is merged like any other.
    Dbrx,
    /// `qwen2`: as Llama 3, with digits one by one.
    Qwen2,
    /// `gpt-4o`, which is Phi-4-mini's: as Llama 3, but words also end where an upper-case letter follows a lower-case one, marks
    /// are letters, contractions stay with their word, and slashes with what is neither letter, number nor space:
    /// `[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`.
    Gpt4o,
    /// `tekken`, which is Mistral's since Nemo: as GPT-4o, without contractions, with digits one by one.
    Tekken,
}

/// Names of pre-tokenizers, and how they cut.
const NAMES: [(&str, Style); 11] = [
    ("gpt-2", Style::Gpt2),
    ("default", Style::Gpt2),
    ("smollm", Style::SmolLm),
    ("llama-bpe", Style::Llama3),
    ("llama3", Style::Llama3),
    ("llama-v3", Style::Llama3),
    // SmolLM 3's, whose vocabulary is Llama 3's.
    ("smaug-bpe", Style::Llama3),
    ("dbrx", Style::Dbrx),
    ("qwen2", Style::Qwen2),
    ("gpt-4o", Style::Gpt4o),
    ("tekken", Style::Tekken),
];

impl Style {
    /// # Errors
    /// [`canon::Kind::Unsupported`] for a name that is not known here.
    pub(super) fn named(pre: &str) -> Result<Self, Fault> {
        let found = NAMES.iter().find(|(name, _)| *name == pre);
        found.map(|(_, style)| *style).ok_or_else(|| {
            let names: Vec<&str> = NAMES.iter().map(|(name, _)| *name).collect();
            let remedy = format!(
                "the pre-tokenizer `{pre}` is not known here; use a file whose pre-tokenizer is one of {}",
                names.join(", ")
            );
            Fault::unsupported("tokenizer.ggml.pre", remedy)
        })
    }

    /// Whether a word that is itself a token is taken as it is, without merging.
    pub(super) const fn whole_words(self) -> bool {
        matches!(self, Self::Llama3 | Self::Tekken)
    }
}

/// Cuts text into words.
pub(super) struct Splitter {
    style: Style,
    /// `\p{L}`; the standard library's `is_alphabetic` is a larger set.
    letters: Table,
    /// For styles that tell upper from lower case.
    cased: Option<Cased>,
}

/// The ranges of a class of characters, in order.
struct Table(Vec<(char, char)>);

impl Table {
    fn new(class: &str) -> Result<Self, Fault> {
        use regex_syntax::hir::{Class as HirClass, HirKind};
        let hir = regex_syntax::parse(class).map_err(Fault::internal)?;
        let HirKind::Class(HirClass::Unicode(class)) = hir.kind() else {
            return Err(Fault::internal("a class of characters is not a class"));
        };
        Ok(Self(class.ranges().iter().map(|range| (range.start(), range.end())).collect()))
    }

    fn has(&self, c: char) -> bool {
        use std::cmp::Ordering;
        let found = self.0.binary_search_by(|&(low, high)| {
            if high < c {
                Ordering::Less
            } else if low > c {
                Ordering::Greater
            } else {
                Ordering::Equal
            }
        });
        found.is_ok()
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Letter,
    Number,
    Space,
    Other,
}

impl Splitter {
    /// # Errors
    /// [`canon::Kind::Internal`] where a table of characters cannot be made.
    pub(super) fn new(style: Style) -> Result<Self, Fault> {
        let is_cased = matches!(style, Style::Gpt4o | Style::Tekken);
        let cased = is_cased.then(Cased::new).transpose()?;
        Ok(Self { style, letters: Table::new(r"\p{L}")?, cased })
    }

    /// Calls `word` with each word of `text`, in order; together they are the text.
    pub(super) fn split<'t>(&self, text: &'t str, mut word: impl FnMut(&'t str)) {
        match self.style {
            Style::Gpt2 => self.each(text, Self::gpt2, &mut word),
            Style::Llama3 | Style::Dbrx => self.each(text, |this, rest| this.llama(rest, 3), &mut word),
            Style::Qwen2 => self.each(text, |this, rest| this.llama(rest, 1), &mut word),
            Style::Gpt4o => self.each(text, |this, rest| this.gpt4o(rest, 3, true), &mut word),
            Style::Tekken => self.each(text, |this, rest| this.gpt4o(rest, 1, false), &mut word),
            Style::SmolLm => {
                let mut rest = text;
                while let Some((at, digit)) = rest.char_indices().find(|(_, c)| c.is_numeric()) {
                    let (before, from) = rest.split_at(at);
                    self.each(before, Self::gpt2, &mut word);
                    let (number, after) = from.split_at(digit.len_utf8());
                    word(number);
                    rest = after;
                }
                self.each(rest, Self::gpt2, &mut word);
            }
        }
    }

    fn each<'t>(&self, text: &'t str, length: impl Fn(&Self, &str) -> usize, word: &mut impl FnMut(&'t str)) {
        let mut rest = text;
        while !rest.is_empty() {
            let (first, after) = rest.split_at(length(self, rest));
            word(first);
            rest = after;
        }
    }

    fn class(&self, c: char) -> Class {
        if c.is_ascii_alphabetic() {
            Class::Letter
        } else if c.is_whitespace() {
            Class::Space
        } else if c.is_numeric() {
            Class::Number
        } else if !c.is_ascii() && self.letters.has(c) {
            Class::Letter
        } else {
            Class::Other
        }
    }

    fn class_at(&self, text: &str) -> Option<Class> {
        text.chars().next().map(|c| self.class(c))
    }

    /// Bytes of the run of `class` that `text` begins with.
    fn run(&self, text: &str, class: Class) -> usize {
        text.char_indices().find(|&(_, c)| self.class(c) != class).map_or(text.len(), |(at, _)| at)
    }

    /// Bytes of the first word of a text that is not empty.
    fn gpt2(&self, text: &str) -> usize {
        if let Some(length) = contraction(text, false) {
            return length;
        }
        let spaced = usize::from(text.starts_with(' '));
        let body = text.get(spaced..).unwrap_or_default();
        match self.class_at(body) {
            Some(class) if class != Class::Space => spaced + self.run(body, class),
            _ => self.spaces(text),
        }
    }

    /// As [`Self::gpt2`], for Llama 3 and Qwen 2.
    fn llama(&self, text: &str, digits_max: usize) -> usize {
        if let Some(length) = contraction(text, true) {
            return length;
        }
        let Some(first) = text.chars().next() else { return 0 };
        let class = self.class(first);
        let after = text.get(first.len_utf8()..).unwrap_or_default();
        let joins = !matches!(class, Class::Letter | Class::Number) && !matches!(first, '\r' | '\n');
        if class == Class::Letter || (joins && self.class_at(after) == Some(Class::Letter)) {
            return first.len_utf8() + self.run(after, Class::Letter);
        }
        self.wordless(text, digits_max, &['\r', '\n'])
    }

    /// As [`Self::llama`], for GPT-4o and Tekken.
    fn gpt4o(&self, text: &str, digits_max: usize, contracts: bool) -> usize {
        let Some(first) = text.chars().next() else { return 0 };
        let joins =
            !matches!(self.class(first), Class::Letter | Class::Number) && !matches!(first, '\r' | '\n');
        if let Some(end) = self.cased.as_ref().and_then(|cased| cased.word(text, joins)) {
            let rest = text.get(end..).filter(|_| contracts).unwrap_or_default();
            return end + contraction(rest, true).unwrap_or(0);
        }
        self.wordless(text, digits_max, &['\r', '\n', '/'])
    }

    /// `\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`, with so many digits and with what else may
    /// `follow` what is neither letter, number nor space.
    fn wordless(&self, text: &str, digits_max: usize, follow: &[char]) -> usize {
        if self.class_at(text) == Some(Class::Number) {
            let digits = text.chars().take(digits_max).take_while(|&c| self.class(c) == Class::Number);
            return digits.map(char::len_utf8).sum();
        }
        let spaced = usize::from(text.starts_with(' '));
        let body = text.get(spaced..).unwrap_or_default();
        if self.class_at(body) == Some(Class::Other) {
            let end = spaced + self.run(body, Class::Other);
            let rest = text.get(end..).unwrap_or_default();
            return end + (rest.len() - rest.trim_start_matches(follow).len());
        }
        let space = text.get(..self.run(text, Class::Space)).unwrap_or_default();
        match space.rfind(['\r', '\n']) {
            Some(at) => at + 1,
            None => self.spaces(text),
        }
    }

    /// `\s+(?!\S)|\s+`: a run of white space, without its last character where something follows.
    fn spaces(&self, text: &str) -> usize {
        let end = self.run(text, Class::Space);
        let last = text.get(..end).and_then(|run| run.chars().next_back()).map_or(0, char::len_utf8);
        if end < text.len() && last < end { end - last } else { end }
    }
}

/// Bytes of the English contraction that `text` begins with.
fn contraction(text: &str, any_case: bool) -> Option<usize> {
    let rest = text.strip_prefix('\'')?.as_bytes();
    ["s", "t", "re", "ve", "m", "ll", "d"].into_iter().find_map(|ending| {
        let head = rest.get(..ending.len())?;
        let same =
            if any_case { head.eq_ignore_ascii_case(ending.as_bytes()) } else { head == ending.as_bytes() };
        same.then_some(1 + ending.len())
    })
}

#[cfg(test)]
mod tests;
