//! Ending in time.
//!
//! A model that is held to a schema at a high temperature may fill a string until its tokens are spent, which leaves a
//! JSON text without an end. So the shortest way to an end is kept in sight, and taken as soon as the next token would
//! make it longer than what is left.

use llguidance::Matcher;

use crate::tokenizer::Tokenizer;

/// Ways to an end that are longer are not sought.
const WAY_BYTES_MAX: usize = 4096;
/// Bytes that lead on from between values, in this order.
const CLOSERS: &[u8] = b"}]\",";
/// Where one of these may stand, the answer is within a string, whose bytes close nothing.
const WORDS: &[u8] = b" ~a";
/// The others that an answer can be ended with, in the order in which they are tried.
const FILLERS: &[u8] =
    b"0123456789:.-@/ aeiounrtslcdmpbfghvkywxzjqABCDEFGHIJKLMNOPQRSTUVWXYZ_[{</>+tfn\\#%&'()*;=?^`|~!$\n";

/// Finds ways to an end.
pub(super) struct Landing {
    /// The token of each byte, where it has one.
    bytes: [Option<u32>; 256],
}

impl Landing {
    pub(super) fn new(tokenizer: &Tokenizer) -> Self {
        let mut bytes = [None; 256];
        for (token, written) in (0_u32..).zip(tokenizer.written()) {
            if let Some(&[byte]) = written
                && let Some(slot) = bytes.get_mut(usize::from(byte))
            {
                slot.get_or_insert(token);
            }
        }
        Self { bytes }
    }

    /// Tokens that complete the answer from where `matcher` stands, as few as can be found; `None` where no way is
    /// found, or none of at most `tokens_max`.
    pub(super) fn way(
        &self,
        matcher: &Matcher,
        tokenizer: &Tokenizer,
        tokens_max: usize,
    ) -> Option<Vec<u32>> {
        let ascending: Vec<u8> = FILLERS.to_vec();
        let descending: Vec<u8> = FILLERS.iter().rev().copied().collect();
        // A choice that leads in circles in one order rarely does in the other.
        let bytes = [ascending, descending].iter().find_map(|order| self.descend(matcher.clone(), order))?;
        let tokens = match String::from_utf8(bytes) {
            Ok(text) => tokenizer.encode(&text),
            Err(bytes) => {
                bytes.into_bytes().into_iter().map(|byte| self.token(byte)).collect::<Option<Vec<u32>>>()?
            }
        };
        (tokens.len() <= tokens_max).then_some(tokens)
    }

    fn token(&self, byte: u8) -> Option<u32> {
        self.bytes.get(usize::from(byte)).copied().flatten()
    }

    /// Goes a byte at a time: what is forced, else what closes, else what was taken least.
    fn descend(&self, mut matcher: Matcher, order: &[u8]) -> Option<Vec<u8>> {
        let mut way = Vec::new();
        let mut tried = [0_u16; 256];
        while !matcher.is_stopped() && !matcher.is_accepting().ok()? {
            let mut step = matcher.compute_ff_bytes();
            if step.is_empty() {
                step.push(self.choose(&mut matcher, order, &mut tried)?);
            }
            for byte in step {
                matcher.consume_token(self.token(byte)?).ok()?;
                way.push(byte);
            }
            if way.len() > WAY_BYTES_MAX {
                return None;
            }
        }
        matcher.stop_reason().is_ok().then_some(way)
    }

    fn choose(&self, matcher: &mut Matcher, order: &[u8], tried: &mut [u16; 256]) -> Option<u8> {
        let mut takes = |byte: u8| {
            self.token(byte)
                .is_some_and(|token| matcher.validate_tokens(&[token]).is_ok_and(|valid| valid == 1))
        };
        let closers = if WORDS.iter().any(|&byte| takes(byte)) { b"\"" } else { CLOSERS };
        if let Some(&byte) = closers.iter().find(|&&byte| takes(byte)) {
            return Some(byte);
        }
        let mut others: Vec<(u16, u8)> =
            order.iter().map(|&byte| (tried.get(usize::from(byte)).copied().unwrap_or(0), byte)).collect();
        others.sort_by_key(|&(times, _)| times);
        // Last, the rest of a character that has begun.
        let byte =
            others.into_iter().map(|(_, byte)| byte).chain(0x80..=u8::MAX).find(|&byte| takes(byte))?;
        if let Some(times) = tried.get_mut(usize::from(byte)) {
            *times = times.saturating_add(1);
        }
        Some(byte)
    }
}
