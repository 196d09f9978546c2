//! Keys and values of past tokens, in pages.
//!
//! A page holds 32 tokens of all layers, in 16-bit floats, or in 8-bit integers with a scale for each token's key and value
//! of a head. Of each layer and head it has first the scales, if any: those of keys, then those of values; then the keys of
//! sixteen tokens, dimension by dimension, so that sixteen scores are made side by side, and those of the other sixteen, so
//! that memory is asked for half the keys where a page is half full; then the values, token by token. Pages take memory
//! when they are first used, with their neighbours.

#![expect(unsafe_code, reason = "several threads write to one page, each its own tokens")]

use std::alloc::{Layout, handle_alloc_error};
use std::ptr;
use std::str::FromStr;

use super::arena::Piece;
use super::lanes::LANES;

/// Pages come in groups of about this size: some of the system's large pages, which are looked up less often than small
/// ones. Attention over short texts of 16 and 64 sequences takes an eighth less time so.
const GROUP_BYTES: usize = 8 << 20;
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

/// Where a page begins, or nothing if it has no memory.
#[derive(Clone, Copy)]
struct Start(*mut u8);

// SAFETY: It is only a place; whoever reads or writes there says why nobody else does meanwhile.
unsafe impl Send for Start {}
// SAFETY: As above.
unsafe impl Sync for Start {}

impl Start {
    const NONE: Self = Self(ptr::null_mut());
}

/// Neighbouring pages, which lie in large pages of the system.
#[derive(Default)]
struct Group {
    piece: Option<Piece>,
    /// How many of its pages are in use.
    pages: usize,
}

/// The pages.
pub(crate) struct Cache {
    pub(super) geometry: Geometry,
    pages: Vec<Start>,
    groups: Vec<Group>,
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
        Self { geometry, pages: Vec::new(), groups: Vec::new() }
    }

    /// How many pages are a group.
    const fn group_len(&self) -> usize {
        let pages = GROUP_BYTES / self.geometry.page_bytes();
        if pages == 0 { 1 } else { pages }
    }

    /// Makes sure that the page is there. Where the system has no memory to give, the program ends, as with any other memory.
    pub(crate) fn provide(&mut self, page: Page) {
        let (page, group_len, bytes) = (page as usize, self.group_len(), self.geometry.page_bytes());
        if self.pages.len() <= page {
            self.pages.resize(page + 1, Start::NONE);
            self.groups.resize_with(self.pages.len().div_ceil(group_len), Group::default);
        }
        if self.pages[page].0.is_null() {
            let group = &mut self.groups[page / group_len];
            let piece = group.piece.get_or_insert_with(|| {
                let size = Layout::array::<u8>(group_len * bytes).unwrap_or(Layout::new::<u8>());
                Piece::new(size.size()).unwrap_or_else(|_| handle_alloc_error(size))
            });
            self.pages[page] = Start(piece.start().wrapping_add(page % group_len * bytes));
            group.pages += 1;
        }
    }

    /// Gives the page's memory back, once nobody uses its group.
    pub(crate) fn release(&mut self, page: Page) {
        let group_len = self.group_len();
        let Some(start) = self.pages.get_mut(page as usize).filter(|start| !start.0.is_null()) else {
            return;
        };
        *start = Start::NONE;
        let group = &mut self.groups[page as usize / group_len];
        group.pages -= 1;
        if group.pages == 0 {
            group.piece = None;
        }
    }

    /// What the pages take now.
    pub(crate) fn bytes(&self) -> usize {
        self.groups.iter().flat_map(|group| &group.piece).map(Piece::bytes).sum()
    }

    /// Where a head begins: its scales, if any, then its keys.
    fn head(&self, page: Page, layer: usize, head: usize) -> *mut u16 {
        let Geometry { layers, heads, .. } = self.geometry;
        let start = self.pages[page as usize].0;
        assert!(
            !start.is_null() && layer < layers && head < heads,
            "a page that is not there, or no head of it"
        );
        start.wrapping_add((layer * heads + head) * self.geometry.head_bytes()).cast()
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
            ptr::copy_nonoverlapping(value.as_ptr(), to, head_len);
        }
    }
}
