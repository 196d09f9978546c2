//! Tokens that are found in text as they stand, before anything is merged.

/// A set of literal texts, each with its token.
#[derive(Default)]
pub(super) struct Marks {
    /// By first byte, longest first.
    by_first: Vec<Vec<(Box<str>, u32)>>,
}

/// Where a mark stands in a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) token: u32,
}

impl Marks {
    pub(super) fn new<'t>(marks: impl Iterator<Item = (&'t str, u32)>) -> Self {
        let mut by_first = vec![Vec::new(); 256];
        for (text, token) in marks {
            if let Some(list) = text.bytes().next().and_then(|first| by_first.get_mut(usize::from(first))) {
                list.push((Box::from(text), token));
            }
        }
        for list in &mut by_first {
            list.sort_by_key(|(text, _): &(Box<str>, u32)| std::cmp::Reverse(text.len()));
        }
        Self { by_first }
    }

    /// The leftmost mark of `text`, and of those the longest.
    pub(super) fn find(&self, text: &str) -> Option<Found> {
        text.bytes().enumerate().find_map(|(start, first)| {
            let list = self.by_first.get(usize::from(first)).filter(|list| !list.is_empty())?;
            let rest = text.get(start..)?;
            let (mark, token) = list.iter().find(|(mark, _)| rest.starts_with(&**mark))?;
            Some(Found { start, end: start + mark.len(), token: *token })
        })
    }

    /// Every mark.
    pub(super) fn texts(&self) -> impl Iterator<Item = &str> {
        self.by_first.iter().flatten().map(|(text, _)| &**text)
    }
}
