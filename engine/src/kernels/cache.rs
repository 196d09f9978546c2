//! Keys and values of past tokens, in pages.
//!
//! A page holds 32 tokens of all layers, in 16-bit floats. Of each layer and head it has first the keys, dimension by
//! dimension, so that 32 scores are made side by side; then the values, token by token. Pages take memory when they are
//! first used.

#![expect(unsafe_code, reason = "several threads write to one page, each its own tokens")]

use std::cell::UnsafeCell;

/// How many tokens a page holds.
pub(crate) const PAGE_TOKENS: usize = 32;

/// The sizes of what is kept for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Geometry {
    pub(crate) layers: usize,
    /// Heads of keys and values.
    pub(crate) heads: usize,
    /// Numbers in a head; a multiple of 16.
    pub(crate) head_len: usize,
}

impl Geometry {
    /// What a page takes.
    pub(crate) const fn page_bytes(self) -> usize {
        self.page_len() * 2
    }

    const fn page_len(self) -> usize {
        self.layers * self.heads * self.part_len() * 2
    }

    /// The keys, or the values, of one head in one layer.
    const fn part_len(self) -> usize {
        self.head_len * PAGE_TOKENS
    }
}

/// A line of the CPU's cache, in bytes: heads begin with one, so that no vector lies across two.
const LINE_BYTES: usize = 64;

/// A 16-bit float of a page.
#[repr(transparent)]
struct Number(UnsafeCell<u16>);

// SAFETY: Whoever writes to a number says why nobody else uses that place.
unsafe impl Sync for Number {}

/// A page: its numbers, and before them what the allocator left to the next line of the CPU's cache.
#[derive(Default)]
struct Memory {
    numbers: Box<[Number]>,
    /// Where the page begins.
    start: usize,
}

impl Memory {
    /// Zeros. The system gives them when they are first touched, by the thread that does so.
    fn new(len: usize) -> Self {
        let numbers = Box::new_zeroed_slice(len + LINE_BYTES / size_of::<Number>());
        // SAFETY: A number is sixteen bits, which may all be zero.
        let numbers: Box<[Number]> = unsafe { numbers.assume_init() };
        let start = numbers.as_ptr().align_offset(LINE_BYTES);
        Self { numbers, start }
    }
}

/// The pages.
pub(crate) struct Cache {
    pub(super) geometry: Geometry,
    pages: Vec<Memory>,
}

/// The number of a page.
pub(crate) type Page = u32;

/// Where a row's token goes: its page, and its place in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) page: Page,
    pub(crate) slot: u32,
}

/// The places of all rows of a step, no two the same.
#[derive(Default)]
pub(crate) struct Places(Vec<Place>);

impl Places {
    /// # Panics
    /// Two places are the same, or one is beyond its page.
    pub(crate) fn new(places: Vec<Place>) -> Self {
        let mut sorted = places.clone();
        sorted.sort_unstable();
        assert!(sorted.windows(2).all(|pair| pair[0] != pair[1]), "two rows have the same place");
        assert!(places.iter().all(|place| (place.slot as usize) < PAGE_TOKENS), "a place beyond its page");
        Self(places)
    }

    pub(super) fn at(&self, row: usize) -> Place {
        self.0[row]
    }

    pub(super) const fn len(&self) -> usize {
        self.0.len()
    }
}

impl Cache {
    /// Nothing is allocated yet.
    pub(crate) const fn new(geometry: Geometry) -> Self {
        Self { geometry, pages: Vec::new() }
    }

    /// Makes sure that the page is there.
    pub(crate) fn provide(&mut self, page: Page) {
        let page = page as usize;
        if self.pages.len() <= page {
            self.pages.resize_with(page + 1, Memory::default);
        }
        if self.pages[page].numbers.is_empty() {
            self.pages[page] = Memory::new(self.geometry.page_len());
        }
    }

    /// Gives the page's memory back.
    pub(crate) fn release(&mut self, page: Page) {
        if let Some(page) = self.pages.get_mut(page as usize) {
            *page = Memory::default();
        }
    }

    /// What the pages take now.
    pub(crate) fn bytes(&self) -> usize {
        self.pages.iter().filter(|page| !page.numbers.is_empty()).count() * self.geometry.page_bytes()
    }

    /// Where the keys of a head begin, dimension by dimension. Its values follow, token by token.
    pub(super) fn head(&self, page: Page, layer: usize, head: usize) -> *mut u16 {
        let (len, page) = (self.geometry.part_len() * 2, &self.pages[page as usize]);
        let start = page.start + (layer * self.geometry.heads + head) * len;
        page.numbers[start..][..len].as_ptr().cast_mut().cast()
    }

    /// Keys of a head, dimension by dimension, and its values, token by token.
    ///
    /// # Safety
    /// Nobody writes to this head of the page meanwhile.
    pub(super) unsafe fn pair(&self, page: Page, layer: usize, head: usize) -> (&[u16], &[u16]) {
        let len = self.geometry.part_len();
        // SAFETY: A head has keys and values, side by side; nobody writes to them.
        let numbers = unsafe { std::slice::from_raw_parts(self.head(page, layer, head), 2 * len) };
        numbers.split_at(len)
    }

    /// Writes a token's key and value of one head.
    ///
    /// # Safety
    /// Nobody else uses this head of the page meanwhile, or only other places of it, and those only to write.
    #[inline(always)]
    pub(super) unsafe fn put(
        &self,
        place: Place,
        (layer, head): (usize, usize),
        (key, value): (&[u16], &[u16]),
    ) {
        let (head_len, slot) = (self.geometry.head_len, place.slot as usize);
        assert!(
            slot < PAGE_TOKENS && key.len() == head_len && value.len() == head_len,
            "a head or a place of another size"
        );
        let to = self.head(place.page, layer, head);
        for (dimension, number) in key.iter().enumerate() {
            // SAFETY: Within the head's keys; the place is the caller's alone.
            unsafe { *to.add(dimension * PAGE_TOKENS + slot) = *number };
        }
        // SAFETY: Within the head's values; the place is the caller's alone.
        unsafe {
            let to = to.add(self.geometry.part_len() + slot * head_len);
            std::ptr::copy_nonoverlapping(value.as_ptr(), to, head_len);
        }
    }
}
