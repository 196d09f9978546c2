//! Who is let in, and who gives way.

use std::sync::Arc;

use super::engine::Engine;
use super::queue::Queue;
use super::running::{FLEX, Running};
use crate::kernels::PAGE_TOKENS;

impl Engine {
    /// Starts sequences as the queue gives them, as long as there are seats, and pages for what they have yet to compute,
    /// and one more for each that is answering.
    pub(super) fn admit(&mut self, queue: &Queue) {
        while let Some(mut next) = queue.take() {
            if self.has_seat(&next, queue) && self.has_room(&mut next, queue) {
                self.running.push(next);
            } else {
                queue.put_back(next);
                return;
            }
        }
    }

    /// Whether there is a seat, or one is made: a flex sequence gives its own to any other, and a prompt that is being
    /// computed for a caller with at least two seats more gives its own to one who has fewer.
    fn has_seat(&mut self, next: &Running, queue: &Queue) -> bool {
        if self.running.len() < self.sequences_max {
            return true;
        }
        if self.put_off_flex(next, queue) {
            return true;
        }
        let seats = |of: &Running| {
            let same = self.running.iter().filter(|running| Arc::ptr_eq(&running.account, &of.account));
            same.count()
        };
        let own = seats(next);
        let waits = |running: &&Running| {
            running.rank.tier >= next.rank.tier && !running.is_answering() && seats(running) > own + 1
        };
        let gives = self.running.iter().filter(waits).max_by_key(|running| (seats(running), running.rank));
        let rank = gives.map(|running| running.rank);
        let at = self.running.iter().position(|running| Some(running.rank) == rank);
        at.is_some_and(|at| self.put_off(at, queue))
    }

    /// Whether there are pages for it.
    fn has_room(&mut self, next: &mut Running, queue: &Queue) -> bool {
        let cached = next.adopt(&mut self.kv);
        loop {
            let missing = |running: &Running| running.held.missing(running.tokens.len());
            let owed: usize = self.running.iter().map(missing).sum();
            let needed = owed + missing(next) + self.running.len();
            // What runs alone fits, if need be in the place of pins.
            if self.running.is_empty() || needed <= self.kv.available() {
                self.work.cached_tokens.add(cached);
                return true;
            }
            if !self.put_off_flex(next, queue) {
                next.put_off(&mut self.kv);
                return false;
            }
        }
    }

    /// Puts the latest flex sequence off for `next`, if that is more urgent.
    fn put_off_flex(&mut self, next: &Running, queue: &Queue) -> bool {
        let flex = self.running.iter().enumerate().filter(|(_, running)| running.rank.tier == FLEX);
        let latest = flex.max_by_key(|(_, running)| running.rank).map(|(at, _)| at);
        latest.filter(|_| next.rank.tier < FLEX).is_some_and(|at| self.put_off(at, queue))
    }

    /// Takes the pages of a sequence; it is computed again when there is room.
    pub(super) fn put_off(&mut self, at: usize, queue: &Queue) -> bool {
        let mut running = self.running.remove(at);
        tracing::debug!(tokens = running.tokens.len(), "a sequence is put off");
        self.work.put_off.add(1);
        running.put_off(&mut self.kv);
        queue.put_back(running);
        true
    }

    /// Holds pages for so many tokens of a sequence. The least urgent and latest sequence gives way where pages are too
    /// few, be it this one; then the answer is false. The most urgent and earliest keeps its pages and fits by itself, so
    /// something always goes on. Sequences are in the order of their ranks.
    pub(super) fn hold_by_rank(&mut self, at: usize, tokens: usize, queue: &Queue) -> bool {
        while !self.kv.hold(&mut self.running[at].held, tokens) {
            if self.running.len() == 1 {
                return self.kv.hold_before_pins(&mut self.running[at].held, tokens);
            }
            self.put_off(self.running.len() - 1, queue);
            if at == self.running.len() {
                return false;
            }
        }
        true
    }

    /// Holds pages for as many of `rows` more rows as there are pages for without taking any from others.
    pub(super) fn hold_some(&mut self, at: usize, rows: usize) -> usize {
        let running = &mut self.running[at];
        let pages = running.held.pages().len() + self.kv.available();
        let rows = rows.min((pages * PAGE_TOKENS).saturating_sub(running.computed));
        if self.kv.hold(&mut running.held, running.computed + rows) { rows } else { 0 }
    }
}
