//! What becomes of a text's characters before it is cut into words.

use canon::Fault;
use unicode_normalization::UnicodeNormalization as _;

/// Blocks of Chinese characters, each of which is a word. They are BERT's own list, also where that is odd.
const CHINESE: [(u32, u32); 8] = [
    (0x4e00, 0x9fff),
    (0x3400, 0x4dbf),
    (0x20000, 0x2a6df),
    (0x2a700, 0x2b73f),
    (0x2b740, 0x2b81f),
    (0x2b920, 0x2ceaf),
    (0xf900, 0xfaff),
    (0x2f800, 0x2fa1f),
];

/// What a character is to the words around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// It ends a word.
    Space,
    /// It is a word of its own.
    Alone,
    /// It is part of a word.
    Letter,
}

/// What is done to a text, as `tokenizer.json` says it under `normalizer`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rules {
    pub(super) clean: bool,
    pub(super) space_chinese: bool,
    pub(super) strip_accents: bool,
    pub(super) lowercase: bool,
}

/// Sets of characters. Hugging Face's tables are those of Unicode 8, and vectors differ where tokens do, so newer
/// characters are letters here, too.
pub(super) struct Normalizer {
    rules: Rules,
    marks: Set,
    controls: Set,
    punctuation: Set,
}

/// Characters, as ranges in their order.
pub(super) struct Set(Vec<(char, char)>);

impl Set {
    /// # Errors
    /// [`canon::Kind::Internal`] where the expression is not a class of characters.
    pub(super) fn new(expression: &str) -> Result<Self, Fault> {
        use regex_syntax::hir::{Class, HirKind};
        let hir = regex_syntax::parse(expression).map_err(Fault::internal)?;
        let HirKind::Class(Class::Unicode(class)) = hir.kind() else {
            return Err(Fault::internal("a class of characters is not a class"));
        };
        Ok(Self(class.ranges().iter().map(|range| (range.start(), range.end())).collect()))
    }

    pub(super) fn has(&self, c: char) -> bool {
        let at = self.0.partition_point(|(_, high)| *high < c);
        self.0.get(at).is_some_and(|(low, _)| *low <= c)
    }
}

impl Normalizer {
    /// # Errors
    /// As for [`Set::new`].
    pub(super) fn new(rules: Rules) -> Result<Self, Fault> {
        // Six characters have become marks or ceased to be since Unicode 8, and U+166D and U+111C9 were punctuation then.
        let marks =
            Set::new(r"[[\p{Mn}&&\p{age:8.0}]\u{1734}\u{1171e}--[\u{1885}\u{1886}\u{a9bd}\u{111c9}]]")?;
        let controls = Set::new(r"[\p{Cc}\p{Co}[\p{Cf}&&\p{age:8.0}]]")?;
        let punctuation = Set::new(r"[[:punct:][\p{P}&&\p{age:8.0}]\u{166d}\u{111c9}]")?;
        Ok(Self { rules, marks, controls, punctuation })
    }

    /// Calls `put` with each character that is left of `text`, and what it is.
    pub(super) fn each(&self, text: &str, mut put: impl FnMut(char, Kind)) {
        let Rules { clean, space_chinese, strip_accents, lowercase } = self.rules;
        let mut finish = |c: char| {
            if !lowercase {
                return put(c, self.kind(c));
            }
            for c in c.to_lowercase() {
                put(c, self.kind(c));
            }
        };
        let cleaned = text.chars().filter_map(|c| if clean { self.cleaned(c) } else { Some(c) });
        let spaced = cleaned.flat_map(|c| {
            let chinese = space_chinese && is_chinese(c);
            let space = chinese.then_some(' ');
            space.into_iter().chain([c]).chain(space)
        });
        if strip_accents {
            spaced.nfd().filter(|c| !self.marks.has(*c)).for_each(&mut finish);
        } else {
            spaced.for_each(&mut finish);
        }
    }

    /// `None` for what is taken out.
    fn cleaned(&self, c: char) -> Option<char> {
        match c {
            '\t' | '\n' | '\r' => Some(' '),
            '\0' | '\u{fffd}' => None,
            _ if self.controls.has(c) => None,
            _ if c.is_whitespace() => Some(' '),
            _ => Some(c),
        }
    }

    fn kind(&self, c: char) -> Kind {
        if c.is_ascii_alphanumeric() {
            Kind::Letter
        } else if c.is_whitespace() {
            Kind::Space
        } else if self.punctuation.has(c) {
            Kind::Alone
        } else {
            Kind::Letter
        }
    }
}

fn is_chinese(c: char) -> bool {
    c >= '\u{3400}' && CHINESE.iter().any(|(low, high)| (*low..=*high).contains(&u32::from(c)))
}
