//! Finding the caller's stop sequences in text that comes in pieces.

/// Passes text on, except what could be the beginning of a stop sequence.
///
/// Of several stop sequences the one that is complete first counts, so that the answer does not depend on where the
/// text is cut into tokens.
#[derive(Debug, Default)]
pub(crate) struct StopScanner {
    stops: Vec<String>,
    held: String,
}

/// What may be passed on.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Passed {
    /// Text that belongs to no stop sequence.
    pub(crate) text: String,
    /// The stop sequence that comes after it. The rest of the text is then in [`StopScanner::finish`].
    pub(crate) stop: Option<String>,
}

impl StopScanner {
    pub(crate) fn new(stops: &[String]) -> Self {
        let stops = stops.iter().filter(|stop| !stop.is_empty()).cloned().collect();
        Self { stops, held: String::new() }
    }

    pub(crate) fn push(&mut self, text: &str) -> Passed {
        if self.stops.is_empty() {
            return Passed { text: text.to_owned(), stop: None };
        }
        self.held.push_str(text);
        let found = self.stops.iter().filter_map(|stop| {
            let start = self.held.find(stop.as_str())?;
            Some((start + stop.len(), start, stop))
        });
        if let Some((end, start, stop)) = found.min() {
            let stop = stop.clone();
            let text = self.held.get(..start).unwrap_or_default().to_owned();
            self.held.drain(..end);
            return Passed { text, stop: Some(stop) };
        }
        let keep = self.stops.iter().map(|stop| overlap(&self.held, stop)).max().unwrap_or(0);
        let rest = self.held.split_off(self.held.len() - keep);
        Passed { text: std::mem::replace(&mut self.held, rest), stop: None }
    }

    /// Whether nothing is held back.
    pub(crate) const fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// What was held back, when no more will come.
    pub(crate) fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }
}

/// Bytes at the end of `text` that `stop` begins with; fewer than all of `stop`.
fn overlap(text: &str, stop: &str) -> usize {
    let beginnings = stop.char_indices().map(|(at, _)| at).filter(|&at| at > 0);
    beginnings.rev().find(|&at| stop.get(..at).is_some_and(|start| text.ends_with(start))).unwrap_or(0)
}

#[cfg(test)]
mod tests;
