//! Blocks that are kept for a time.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::kernels::Page;

/// That a block is kept, and how long.
#[derive(Clone, Debug)]
pub(super) struct Pin {
    /// How long after its last use.
    keep: Duration,
    until: Instant,
    /// When it was last made or renewed, in the order of all pins.
    renewed: u64,
}

/// All pins, by when they end and by when they were renewed.
#[derive(Default)]
pub(super) struct Pins {
    by_end: BTreeSet<(Instant, Page)>,
    by_renewal: BTreeSet<(u64, Page)>,
    renewals: u64,
    pinned_max: usize,
}

impl Pins {
    pub(super) fn new(pinned_max: usize) -> Self {
        Self { pinned_max, ..Self::default() }
    }

    pub(super) fn too_many(&self) -> bool {
        self.by_end.len() > self.pinned_max
    }

    /// A pin for a page that may have one already: it is kept for the longer of the two.
    pub(super) fn pin(&mut self, page: Page, old: Option<Pin>, (keep, now): (Duration, Instant)) -> Pin {
        let mut pin = Pin { keep, until: now + keep, renewed: 0 };
        if let Some(old) = old {
            self.end(page, &old);
            pin.keep = keep.max(old.keep);
            pin.until = pin.until.max(old.until);
        }
        self.begin(page, &mut pin);
        pin
    }

    /// The page is used: its time begins anew.
    pub(super) fn renew(&mut self, page: Page, pin: &mut Pin, now: Instant) {
        self.end(page, pin);
        pin.until = pin.until.max(now + pin.keep);
        self.begin(page, pin);
    }

    fn begin(&mut self, page: Page, pin: &mut Pin) {
        self.renewals += 1;
        pin.renewed = self.renewals;
        self.by_end.insert((pin.until, page));
        self.by_renewal.insert((pin.renewed, page));
    }

    pub(super) fn end(&mut self, page: Page, pin: &Pin) {
        self.by_end.remove(&(pin.until, page));
        self.by_renewal.remove(&(pin.renewed, page));
    }

    /// The pages whose time is over.
    pub(super) fn expired(&self, now: Instant) -> Vec<Page> {
        self.by_end.iter().take_while(|(until, _)| *until <= now).map(|(_, page)| *page).collect()
    }

    pub(super) fn next_expiry(&self) -> Option<Instant> {
        self.by_end.first().map(|(until, _)| *until)
    }

    /// The page whose pin was renewed longest ago.
    pub(super) fn oldest(&self) -> Option<Page> {
        self.by_renewal.first().map(|(_, page)| *page)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.by_end.len()
    }

    #[cfg(test)]
    pub(super) fn has(&self, page: Page, pin: Option<&Pin>) -> bool {
        pin.is_some_and(|pin| {
            self.by_end.contains(&(pin.until, page)) && self.by_renewal.contains(&(pin.renewed, page))
        })
    }
}
