//! Keeping a caller's words from becoming control tokens.
//!
//! A chat template mixes its own text, whose `<|im_end|>` ends a turn, with the caller's, whose `<|im_end|>` is ten
//! characters that somebody typed. Once rendered the two look alike. So before rendering, each control token that is
//! spelt out in the caller's text is broken by a character that occurs nowhere else (the seal); what is whole in the
//! rendered text can only be the template's. The seal is taken out again where plain text becomes tokens, so that the
//! model reads exactly what was typed.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::marks::Marks;

/// Characters that Unicode sets aside for a program's own use and that no text should hold.
const NONCHARACTERS: std::ops::RangeInclusive<char> = '\u{fdd0}'..='\u{fdef}';

/// A character that occurs in none of the texts of one prompt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seal(char);

impl Seal {
    /// A seal for a prompt made of `texts`; `None` where they hold every character that could serve.
    pub(crate) fn for_texts<'t>(texts: impl Iterator<Item = &'t str>) -> Option<Self> {
        // All of them begin with this byte, which is rare.
        let rare = texts.filter(|text| text.as_bytes().contains(&0xef));
        let used: BTreeSet<char> = rare.flat_map(str::chars).filter(|c| NONCHARACTERS.contains(c)).collect();
        NONCHARACTERS.into_iter().find(|c| !used.contains(c)).map(Self)
    }

    /// Takes the seal out.
    pub(super) fn open(self, text: &str) -> Cow<'_, str> {
        if text.contains(self.0) { Cow::Owned(text.replace(self.0, "")) } else { Cow::Borrowed(text) }
    }

    /// Breaks every control token of `text`, and also what could become one beside the template's own text or another
    /// of the caller's: a beginning of one at the end, and an end of one at the beginning. White space around the
    /// text does not hide them, as templates trim it.
    pub(super) fn close<'t>(self, control: &Marks, text: &'t str) -> Cow<'t, str> {
        let mut breaks = BTreeSet::new();
        let mut from = 0;
        while let Some(found) = text.get(from..).and_then(|rest| control.find(rest)) {
            breaks.insert(from + found.start + first_char(text, from + found.start));
            // One character on, since marks may overlap.
            from += found.start + first_char(text, from + found.start);
        }
        let head = text.len() - text.trim_start().len();
        let tail = text.trim_end().len();
        let body = text.get(head..tail).unwrap_or_default();
        for mark in control.texts() {
            for (cut, _) in mark.char_indices().skip(1) {
                let (start, end) = mark.split_at(cut);
                if body.ends_with(start) {
                    let at = tail - start.len();
                    breaks.insert(at + first_char(text, at));
                }
                if body.starts_with(end) {
                    breaks.insert(head + last_char(end));
                }
            }
        }
        if breaks.is_empty() {
            return Cow::Borrowed(text);
        }
        let mut sealed = String::with_capacity(text.len() + 3 * breaks.len());
        let mut from = 0;
        for at in breaks {
            sealed.push_str(text.get(from..at).unwrap_or_default());
            sealed.push(self.0);
            from = at;
        }
        sealed.push_str(text.get(from..).unwrap_or_default());
        Cow::Owned(sealed)
    }
}

/// Bytes of the character at `at`.
fn first_char(text: &str, at: usize) -> usize {
    text.get(at..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8)
}

/// Where the last character of `text` begins.
fn last_char(text: &str) -> usize {
    text.char_indices().next_back().map_or(0, |(at, _)| at)
}
