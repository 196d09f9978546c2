//! Keys and values of past tokens, in pages.
//!
//! A page holds 32 tokens of all layers, in 16-bit floats, or in 8-bit integers with a scale for each token's key and value
//! of a head. Of each layer and head it has first the scales, if any: those of keys, then those of values; then the keys of
//! sixteen tokens, dimension by dimension, so that sixteen scores are made side by side, and those of the other sixteen, so
//! that memory is asked for half the keys where a page is half full; then the values, token by token. Pages take memory
//! when they are first used.

#![expect(unsafe_code, reason = "several threads write to one page, each its own tokens")]

use std::cell::UnsafeCell;
use std::str::FromStr;

use super::lanes::LANES;

/// How many tokens a page holds.
pub(crate) const PAGE_TOKENS: usize = 32;

/// How keys and values are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KvType {
    /// In 16-bit floats.
    #[default]
    F16,
    /// In 8-bit integers, with a 16-bit scale for each token and head: nearly twice as many tokens in the same memory,
    /// and answers that differ a little.
    Int8,
}

impl FromStr for KvType {
    type Err = String;

    /// By the names that people write.
    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "f16" => Ok(Self::F16),
            "int8" => Ok(Self::Int8),
            _ => Err("write f16 or int8".to_owned()),
        }
    }
}

impl KvType {
    /// How many lines the scales of a head take in a page.
    const fn scale_lines(self) -> usize {
        match self {
            Self::F16 => 0,
            Self::Int8 => 2,
        }
    }

    /// The bytes of a number.
    const fn bytes(self) -> usize {
        match self {
            Self::F16 => 2,
            Self::Int8 => 1,
        }
    }
}

/// The sizes of what is kept for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Geometry {
    pub(crate) layers: usize,
    /// Heads of keys and values.
    pub(crate) heads: usize,
    /// Numbers in a head; a multiple of 16.
    pub(crate) head_len: usize,
    /// How they are kept.
    pub(crate) kv: KvType,
}

impl Geometry {
    /// What a page takes.
    pub(crate) const fn page_bytes(self) -> usize {
        self.layers * self.heads * self.head_bytes()
    }

    /// Scales, keys and values of one head in one layer.
    const fn head_bytes(self) -> usize {
        self.kv.scale_lines() * LINE_BYTES + 2 * self.part_len() * self.kv.bytes()
    }

    /// How many numbers the keys, or the values, of one head in one layer are.
    const fn part_len(self) -> usize {
        self.head_len * PAGE_TOKENS
    }
}

/// A line of the CPU's cache, in bytes: heads begin with one, so that no vector lies across two.
const LINE_BYTES: usize = 64;

/// The scales of a page's tokens, in 16-bit floats.
pub(super) type Scales = [u16; PAGE_TOKENS];

/// Keys and values of a head in a page.
#[derive(Clone, Copy)]
pub(super) struct Kept<'a, T> {
    /// Those of sixteen tokens after the other, each dimension by dimension.
    pub(super) keys: &'a [T],
    /// Token by token.
    pub(super) values: &'a [T],
    /// What keys, and values, are multiplied by, where they are integers.
    pub(super) scales: Option<[&'a Scales; 2]>,
}

/// A 16-bit float of a page, or two 8-bit integers.
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
            self.pages[page] = Memory::new(self.geometry.page_bytes() / size_of::<Number>());
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

    /// Where a head begins: its scales, if any, then its keys.
    fn head(&self, page: Page, layer: usize, head: usize) -> *mut u16 {
        let (len, page) = (self.geometry.head_bytes() / size_of::<Number>(), &self.pages[page as usize]);
        let start = page.start + (layer * self.geometry.heads + head) * len;
        page.numbers[start..][..len].as_ptr().cast_mut().cast()
    }

    /// Where the keys of a head begin. Its values follow.
    pub(super) fn keys(&self, page: Page, layer: usize, head: usize) -> *mut u8 {
        self.head(page, layer, head).wrapping_add(self.geometry.kv.scale_lines() * PAGE_TOKENS).cast()
    }

    /// Keys and values of a head.
    ///
    /// # Safety
    /// Nobody writes to this head of the page meanwhile, and any bits are a `T`.
    #[inline(always)]
    pub(super) unsafe fn kept<T>(&self, page: Page, layer: usize, head: usize) -> Kept<'_, T> {
        assert_eq!(size_of::<T>(), self.geometry.kv.bytes(), "numbers of another type");
        let len = self.geometry.part_len();
        // SAFETY: A head has as many keys and values, after lines of scales if it has any; nobody writes to them.
        let (numbers, scales) = unsafe {
            let numbers =
                std::slice::from_raw_parts(self.keys(page, layer, head).cast_const().cast::<T>(), 2 * len);
            let scales = self.head(page, layer, head).cast_const().cast::<Scales>();
            (numbers, (self.geometry.kv.scale_lines() > 0).then(|| [&*scales, &*scales.add(1)]))
        };
        let (keys, values) = numbers.split_at(len);
        Kept { keys, values, scales }
    }

    /// Writes a token's key and value of one head, and their scales, where there are any.
    ///
    /// # Safety
    /// Nobody else uses this head of the page meanwhile, or only other places of it, and those only to write.
    #[inline(always)]
    pub(super) unsafe fn put<T: Copy>(
        &self,
        place: Place,
        (layer, head): (usize, usize),
        (key, value): (&[T], &[T]),
        scales: [u16; 2],
    ) {
        assert_eq!(size_of::<T>(), self.geometry.kv.bytes(), "numbers of another type");
        let (head_len, slot) = (self.geometry.head_len, place.slot as usize);
        assert!(
            slot < PAGE_TOKENS && key.len() == head_len && value.len() == head_len,
            "a head or a place of another size"
        );
        if self.geometry.kv.scale_lines() > 0 {
            let to = self.head(place.page, layer, head);
            for (line, scale) in scales.into_iter().enumerate() {
                // SAFETY: Within the head's scales; the place is the caller's alone.
                unsafe { *to.add(line * PAGE_TOKENS + slot) = scale };
            }
        }
        let to = self.keys(place.page, layer, head).cast::<T>();
        let first = slot / LANES * LANES * head_len + slot % LANES;
        for (dimension, number) in key.iter().enumerate() {
            // SAFETY: Within the head's keys; the place is the caller's alone.
            unsafe { *to.add(first + dimension * LANES) = *number };
        }
        // SAFETY: Within the head's values; the place is the caller's alone.
        unsafe {
            let to = to.add(self.geometry.part_len() + slot * head_len);
            std::ptr::copy_nonoverlapping(value.as_ptr(), to, head_len);
        }
    }
}
