//! Who holds which page of keys and values.
//!
//! A page is free, or one sequence's own, or a *block*: full, never written again, and shared by every sequence whose
//! tokens are the same from the first to the block's last. A block stays when nobody holds it any more, until its page is
//! wanted; the one that was used longest ago goes first. A block that is pinned stays until its time is over.

mod blocks;
mod pin;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::kernels::{Cache, Geometry, PAGE_TOKENS, Page};
use blocks::{Blocks, Key, Parent};

/// What pages that nobody holds may keep while nothing runs.
const IDLE_BYTES_MAX: usize = 8 << 20;
/// So long after the last sequence, blocks that are not pinned give their memory back, down to [`IDLE_BYTES_MAX`].
const IDLE_AFTER: Duration = Duration::from_secs(60);
/// At most this part of all pages is pinned: one half. Beyond it the oldest pin loses.
const PINNED_PART: usize = 2;

/// The pages that there may be, under a limit of memory.
pub(crate) struct Kv {
    pub(crate) cache: Cache,
    free: Vec<Page>,
    pages: usize,
    page_bytes: usize,
    blocks: Blocks,
    /// Full pages become blocks.
    shares: bool,
    now: Instant,
    /// Since when nothing runs.
    idle_since: Option<Instant>,
}

/// Among whom blocks are shared: those whose keys and values are computed with the same weights, for the same caller.
/// Callers do not share, because how fast a prompt is answered would tell one what another has asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Scope {
    /// The adapter; 0 is the base model.
    pub(crate) adapter: u32,
    /// The caller, where callers are told apart.
    pub(crate) caller: Option<Arc<str>>,
}

/// The pages of one sequence, in the order of its tokens.
#[derive(Debug, Default)]
pub(crate) struct Held {
    pages: Vec<Page>,
    /// How many of them are blocks; these come first.
    blocks: usize,
    scope: Scope,
}

impl Held {
    /// None yet; its blocks are shared in `scope`.
    pub(crate) fn new(scope: Scope) -> Self {
        Self { scope, ..Self::default() }
    }

    /// The pages.
    pub(crate) fn pages(&self) -> &[Page] {
        &self.pages
    }

    /// How many of the tokens, from the first, are in blocks.
    pub(crate) const fn shared_tokens(&self) -> usize {
        self.blocks * PAGE_TOKENS
    }

    /// How many more pages so many tokens need.
    pub(crate) fn missing(&self, tokens: usize) -> usize {
        tokens.div_ceil(PAGE_TOKENS).saturating_sub(self.pages.len())
    }
}

impl Kv {
    /// As many pages as fit in `bytes_max`. None takes memory yet.
    pub(crate) fn new(geometry: Geometry, bytes_max: usize) -> Self {
        let pages = (bytes_max / geometry.page_bytes()).min(Page::MAX as usize);
        Self {
            cache: Cache::new(geometry),
            // The lowest numbers are taken first, so that memory stays near what was used at most.
            free: (0..pages as Page).rev().collect(),
            pages,
            page_bytes: geometry.page_bytes(),
            blocks: Blocks::new(pages / PINNED_PART),
            shares: true,
            now: Instant::now(),
            idle_since: None,
        }
    }

    /// Where `shares` is false, no page is ever a block.
    pub(crate) const fn sharing(mut self, shares: bool) -> Self {
        self.shares = shares;
        self
    }

    /// How many tokens fit in all pages.
    pub(crate) const fn tokens_max(&self) -> usize {
        self.pages * PAGE_TOKENS
    }

    /// How many pages can be had without taking any from a sequence or a pin.
    pub(crate) fn available(&self) -> usize {
        self.free.len() + self.blocks.idle()
    }

    /// Time goes on: pins end.
    pub(crate) fn tick(&mut self, now: Instant) {
        self.now = now;
        self.blocks.expire(now);
    }

    /// Holds pages for so many tokens, or says that there are too few.
    pub(crate) fn hold(&mut self, held: &mut Held, tokens: usize) -> bool {
        let more = held.missing(tokens);
        if more > self.available() {
            return false;
        }
        self.idle_since = None;
        while self.free.len() < more {
            let Some(page) = self.blocks.evict() else { return false };
            self.free.push(page);
        }
        for page in self.free.drain(self.free.len() - more..).rev() {
            self.cache.provide(page);
            held.pages.push(page);
        }
        true
    }

    /// As [`Self::hold`], and where pages are too few, pins lose theirs, the oldest first.
    pub(crate) fn hold_before_pins(&mut self, held: &mut Held, tokens: usize) -> bool {
        while held.missing(tokens) > self.available() && self.blocks.unpin_oldest() {}
        self.hold(held, tokens)
    }

    /// Takes over the blocks that hold what comes next in `tokens`. The last token is left to be computed, because the
    /// logits after it are wanted. Gives how many blocks were taken; a page of the sequence's own that such a block
    /// replaces is free again.
    pub(crate) fn adopt(&mut self, held: &mut Held, tokens: &[u32]) -> usize {
        let before = held.blocks;
        while (held.blocks + 1) * PAGE_TOKENS < tokens.len()
            && let Some(page) = self.next_block(held, tokens).and_then(|key| self.blocks.find(&key))
        {
            self.idle_since = None;
            self.blocks.take(page);
            self.replace(held, page);
        }
        if held.blocks > before {
            self.blocks.renew(&held.pages[..held.blocks], self.now);
        }
        held.blocks - before
    }

    /// What identifies the block that a sequence completes next; `None` where `tokens` end before that.
    pub(crate) fn next_block(&self, held: &Held, tokens: &[u32]) -> Option<Key> {
        if !self.shares {
            return None;
        }
        let next = tokens[held.blocks * PAGE_TOKENS..].first_chunk::<PAGE_TOKENS>()?;
        let parent = match held.blocks.checked_sub(1) {
            None => Parent::Scope(held.scope.clone()),
            Some(last) => Parent::Block(self.blocks.serial(held.pages[last])),
        };
        Some(Key { parent, tokens: *next })
    }

    /// Makes blocks of the pages that are full: `computed` are the tokens that the pages hold. Where there is such a
    /// block already, the sequence takes that one, whose content is the same to the bit.
    pub(crate) fn share(&mut self, held: &mut Held, computed: &[u32]) {
        while let Some(key) = self.next_block(held, computed) {
            if let Some(page) = self.blocks.find(&key) {
                self.blocks.take(page);
                self.replace(held, page);
            } else {
                let parent = held.blocks.checked_sub(1).map(|last| held.pages[last]);
                self.blocks.insert(key, held.pages[held.blocks], parent);
                held.blocks += 1;
            }
        }
    }

    /// The next block of the sequence is `page`.
    fn replace(&mut self, held: &mut Held, page: Page) {
        match held.pages.get_mut(held.blocks) {
            Some(own) => self.free.push(std::mem::replace(own, page)),
            None => held.pages.push(page),
        }
        held.blocks += 1;
    }

    /// Pins the blocks of the first `tokens` tokens. Gives how many tokens are pinned now, which are fewer where the
    /// limit is reached.
    pub(crate) fn pin(&mut self, held: &Held, tokens: usize, keep: Duration) -> usize {
        let blocks = &held.pages[..(tokens / PAGE_TOKENS).min(held.blocks)];
        self.blocks.pin(blocks, keep, self.now);
        blocks.iter().take_while(|page| self.blocks.is_pinned(**page)).count() * PAGE_TOKENS
    }

    /// The sequence holds nothing any more.
    pub(crate) fn give_back(&mut self, held: &mut Held) {
        let own = held.pages.split_off(held.blocks);
        self.free.extend(own.into_iter().rev());
        // From the last to the first, so that the end of a prefix goes before its beginning.
        held.pages.drain(..).rev().for_each(|page| self.blocks.leave(page));
        held.blocks = 0;
    }

    /// Every page is free, in one sequence's own hands or a block, and only one of them.
    #[cfg(test)]
    pub(crate) fn check<'a>(&self, held: impl Iterator<Item = &'a Held> + Clone) {
        let own = held.clone().flat_map(|held| &held.pages[held.blocks..]);
        let blocks = held.flat_map(|held| &held.pages[..held.blocks]);
        let mut all: Vec<Page> = self.free.iter().chain(own).copied().chain(self.blocks.pages()).collect();
        all.sort_unstable();
        assert!(all.iter().copied().eq(0..self.pages as Page), "each page is in one place");
        let mut holders = std::collections::HashMap::<Page, usize>::new();
        blocks.for_each(|page| *holders.entry(*page).or_default() += 1);
        self.blocks.check(|page| holders.get(&page).copied().unwrap_or(0));
    }

    /// Nothing runs: gives memory back to the system. Gives when there is more to give, if there is.
    pub(crate) fn rest(&mut self) -> Option<Instant> {
        let since = *self.idle_since.get_or_insert(self.now);
        let later = since + IDLE_AFTER;
        if self.now >= later {
            while self.blocks.len() * self.page_bytes > IDLE_BYTES_MAX
                && let Some(page) = self.blocks.evict()
            {
                self.free.push(page);
            }
        }
        if self.cache.bytes() > IDLE_BYTES_MAX {
            self.free.iter().for_each(|page| self.cache.release(*page));
        }
        let waits = self.blocks.idle() > 0 && self.now < later;
        waits.then_some(later).into_iter().chain(self.blocks.next_expiry()).min()
    }
}
