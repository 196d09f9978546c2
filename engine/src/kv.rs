//! Who holds which page of keys and values.

use crate::kernels::{Cache, Geometry, PAGE_TOKENS, Page};

/// What pages that nobody holds may keep while nothing runs.
const IDLE_BYTES_MAX: usize = 8 << 20;

/// The pages that there may be, under a limit of memory.
pub(crate) struct Kv {
    pub(crate) cache: Cache,
    free: Vec<Page>,
    pages: usize,
}

/// The pages of one sequence, in the order of its tokens.
#[derive(Debug, Default)]
pub(crate) struct Held(Vec<Page>);

impl Held {
    /// The pages.
    pub(crate) fn pages(&self) -> &[Page] {
        &self.0
    }
}

impl Kv {
    /// As many pages as fit in `bytes_max`. None takes memory yet.
    pub(crate) fn new(geometry: Geometry, bytes_max: usize) -> Self {
        let pages = (bytes_max / geometry.page_bytes()).min(Page::MAX as usize);
        // The lowest numbers are taken first, so that memory stays near what was used at most.
        Self { cache: Cache::new(geometry), free: (0..pages as Page).rev().collect(), pages }
    }

    /// How many tokens fit in all pages.
    pub(crate) const fn tokens_max(&self) -> usize {
        self.pages * PAGE_TOKENS
    }

    /// How many pages nobody holds.
    pub(crate) const fn free_pages(&self) -> usize {
        self.free.len()
    }

    /// Holds pages for so many tokens, or says that there are too few.
    pub(crate) fn hold(&mut self, held: &mut Held, tokens: usize) -> bool {
        let more = tokens.div_ceil(PAGE_TOKENS).saturating_sub(held.0.len());
        if more > self.free.len() {
            return false;
        }
        for page in self.free.drain(self.free.len() - more..).rev() {
            self.cache.provide(page);
            held.0.push(page);
        }
        true
    }

    /// Nobody holds these any more.
    pub(crate) fn give_back(&mut self, held: &mut Held) {
        self.free.extend(held.0.drain(..).rev());
    }

    /// Nothing runs: gives memory back to the system.
    pub(crate) fn rest(&mut self) {
        if self.cache.bytes() > IDLE_BYTES_MAX {
            self.free.iter().for_each(|page| self.cache.release(*page));
        }
    }
}
