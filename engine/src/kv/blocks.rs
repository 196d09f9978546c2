//! Blocks by what they hold, and which of them may go.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use super::Scope;
use super::pin::{Pin, Pins};
use crate::kernels::{PAGE_TOKENS, Page};

/// What identifies a block: its tokens, and the block before it, which stands for all tokens before. Keys are compared
/// whole, and no two blocks ever have the same number, so one prompt is never taken for another.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(super) parent: Parent,
    pub(super) tokens: [u32; PAGE_TOKENS],
}

/// What a block comes after.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Parent {
    /// Nothing: it is the first.
    Scope(Scope),
    /// The block of this number.
    Block(u64),
}

/// The blocks that there are.
#[derive(Default)]
pub(super) struct Blocks {
    by_key: HashMap<Key, Page>,
    by_page: HashMap<Page, Block>,
    /// What may go: nobody holds it, it is not pinned, and no block comes after it. By when it was used last.
    leaves: BTreeSet<(u64, Page)>,
    /// How many are neither held nor pinned. Each of them can be a leaf in its turn.
    idle: usize,
    pins: Pins,
    serials: u64,
    uses: u64,
}

#[derive(Debug)]
struct Block {
    key: Key,
    serial: u64,
    parent: Option<Page>,
    /// How many blocks come after it.
    children: usize,
    /// How many sequences hold it. A sequence that holds a block holds all before it.
    holders: usize,
    pin: Option<Pin>,
    /// When it was used last, in uses.
    used: u64,
}

impl Block {
    const fn is_idle(&self) -> bool {
        self.holders == 0 && self.pin.is_none()
    }

    const fn is_leaf(&self) -> bool {
        self.is_idle() && self.children == 0
    }
}

impl Blocks {
    pub(super) fn new(pinned_max: usize) -> Self {
        Self { pins: Pins::new(pinned_max), ..Self::default() }
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.by_page.len()
    }

    /// How many can be evicted, one after the other.
    pub(super) const fn idle(&self) -> usize {
        self.idle
    }

    pub(super) fn find(&self, key: &Key) -> Option<Page> {
        self.by_key.get(key).copied()
    }

    /// The block's number.
    pub(super) fn serial(&self, page: Page) -> u64 {
        self.by_page.get(&page).map_or(0, |block| block.serial)
    }

    /// A new block, held once, after `parent`.
    pub(super) fn insert(&mut self, key: Key, page: Page, parent: Option<Page>) {
        self.serials += 1;
        let (serial, used) = (self.serials, self.uses);
        self.by_key.insert(key.clone(), page);
        let block = Block { key, serial, parent, children: 0, holders: 1, pin: None, used };
        self.by_page.insert(page, block);
        if let Some(parent) = parent {
            self.change(parent, |parent| parent.children += 1);
        }
    }

    /// One more holds it.
    pub(super) fn take(&mut self, page: Page) {
        self.change(page, |block| block.holders += 1);
    }

    /// A prefix is used: the time of what is pinned of it begins anew.
    pub(super) fn renew(&mut self, prefix: &[Page], now: Instant) {
        // From the last to the first, so that the end of a prefix loses before its beginning.
        for page in prefix.iter().rev() {
            if let Some(pin) = self.by_page.get_mut(page).and_then(|block| block.pin.as_mut()) {
                self.pins.renew(*page, pin, now);
            }
        }
    }

    /// One fewer holds it.
    pub(super) fn leave(&mut self, page: Page) {
        self.uses += 1;
        let used = self.uses;
        self.change(page, |block| {
            block.holders -= 1;
            block.used = used;
        });
    }

    /// Takes the page of the leaf that was used longest ago.
    pub(super) fn evict(&mut self) -> Option<Page> {
        let (_, page) = self.leaves.pop_first()?;
        let block = self.by_page.remove(&page)?;
        self.idle -= 1;
        self.by_key.remove(&block.key);
        if let Some(parent) = block.parent {
            self.change(parent, |parent| parent.children -= 1);
        }
        Some(page)
    }

    /// Pins a prefix, from its first block on, for at least as long as `keep`; then, where too many are pinned, those
    /// that were pinned or used longest ago lose.
    pub(super) fn pin(&mut self, prefix: &[Page], keep: Duration, now: Instant) {
        // From the last to the first, so that the end of a prefix loses before its beginning.
        for page in prefix.iter().rev() {
            let pin = self.by_page.get(page).and_then(|block| block.pin.clone());
            let pin = self.pins.pin(*page, pin, (keep, now));
            self.change(*page, |block| block.pin = Some(pin));
        }
        while self.pins.too_many() && self.unpin_oldest() {}
    }

    pub(super) fn is_pinned(&self, page: Page) -> bool {
        self.by_page.get(&page).is_some_and(|block| block.pin.is_some())
    }

    /// Pins that are over end.
    pub(super) fn expire(&mut self, now: Instant) {
        for page in self.pins.expired(now) {
            self.unpin(page);
        }
    }

    /// When the next pin is over.
    pub(super) fn next_expiry(&self) -> Option<Instant> {
        self.pins.next_expiry()
    }

    /// The pin that was renewed longest ago ends; says whether there was one.
    pub(super) fn unpin_oldest(&mut self) -> bool {
        let oldest = self.pins.oldest();
        oldest.into_iter().for_each(|page| self.unpin(page));
        oldest.is_some()
    }

    fn unpin(&mut self, page: Page) {
        if let Some(pin) = self.by_page.get(&page).and_then(|block| block.pin.as_ref()) {
            self.pins.end(page, pin);
            self.change(page, |block| block.pin = None);
        }
    }

    /// Changes a block, and notes whether it may go now.
    fn change(&mut self, page: Page, change: impl FnOnce(&mut Block)) {
        let Some(block) = self.by_page.get_mut(&page) else { return };
        if block.is_leaf() {
            self.leaves.remove(&(block.used, page));
        }
        self.idle -= usize::from(block.is_idle());
        change(block);
        self.idle += usize::from(block.is_idle());
        if block.is_leaf() {
            self.leaves.insert((block.used, page));
        }
    }

    #[cfg(test)]
    pub(super) fn pages(&self) -> impl Iterator<Item = Page> {
        self.by_page.keys().copied()
    }

    /// Every promise that this type makes about itself. `holders` says how many sequences hold a page.
    #[cfg(test)]
    pub(super) fn check(&self, holders: impl Fn(Page) -> usize) {
        assert_eq!(self.by_key.len(), self.by_page.len());
        for (page, block) in &self.by_page {
            assert_eq!(self.by_key.get(&block.key), Some(page));
            assert_eq!(block.holders, holders(*page), "holders of {page}");
            let children = self.by_page.values().filter(|child| child.parent == Some(*page));
            assert_eq!(block.children, children.count(), "children of {page}");
            assert_eq!(self.leaves.contains(&(block.used, *page)), block.is_leaf());
            assert_eq!(self.pins.has(*page, block.pin.as_ref()), block.pin.is_some());
            if let Some(parent) = block.parent {
                let parent = &self.by_page[&parent];
                assert_eq!(block.key.parent, Parent::Block(parent.serial));
                assert!(parent.holders >= block.holders, "who holds a block holds all before it");
                assert!(!parent.is_idle() || block.is_idle(), "what is idle has nothing but idle after it");
            }
        }
        assert_eq!(self.idle, self.by_page.values().filter(|block| block.is_idle()).count());
        assert_eq!(self.leaves.len(), self.by_page.values().filter(|block| block.is_leaf()).count());
        assert_eq!(self.pins.len(), self.by_page.values().filter(|block| block.pin.is_some()).count());
    }
}
