//! What a step computes.

use std::collections::HashSet;
use std::sync::Arc;

use super::draft::Passage;
use super::engine::Engine;
use super::pace::Load;
use super::queue::Queue;
use super::running::{Rank, Running};

/// So many rows of prompts are computed in any case: with fewer, the weights are read for next to nothing.
const PROMPT_ROWS_MIN: usize = 8;

impl Engine {
    /// Decides how many rows of each sequence the step computes: one of each that answers, then prompts, then guesses.
    pub(super) fn plan(&mut self, queue: &Queue) {
        self.running.sort_unstable_by_key(|running| running.rank);
        for running in &mut self.running {
            running.rows = 0;
            running.draft.clear();
        }
        self.plan_answers(queue);
        self.plan_prompts();
        if self.speculate_tokens_max > 0 {
            self.plan_guesses();
        }
    }

    /// A row of each that answers. What comes first in rank has a page for its next row in any case.
    fn plan_answers(&mut self, queue: &Queue) {
        let mut at = 0;
        while let Some(running) = self.running.get(at) {
            let answers = running.is_answering();
            let tokens = running.computed + 1;
            if (answers || at == 0) && !self.hold_by_rank(at, tokens, queue) {
                return;
            }
            self.running[at].rows = usize::from(answers);
            at += 1;
        }
    }

    /// Pieces of prompts: of the most urgent tier, of the caller who was served least, the one with the least left to
    /// compute. Where two prompts go on alike, one is computed and the other waits to take what it finds.
    fn plan_prompts(&mut self) {
        let load = self.load();
        let mut left = self.step_tokens_max - load.rows;
        let mut seconds = (load.rows > 0).then(|| self.pace.spare(load));
        let mut order: Vec<usize> =
            (0..self.running.len()).filter(|at| !self.running[*at].is_answering()).collect();
        order.sort_by_cached_key(|at| {
            let running = &self.running[*at];
            let remaining = running.pending().saturating_sub(running.overtaken);
            (running.rank.tier, running.account.served(), remaining, running.rank.number)
        });
        let mut begun = HashSet::new();
        let mut least = PROMPT_ROWS_MIN;
        for at in order {
            let running = &mut self.running[at];
            self.work.cached_tokens.add(running.adopt(&mut self.kv));
            let next = self.kv.next_block(&running.held, &running.tokens);
            let waits = next.as_ref().is_some_and(|next| begun.contains(next));
            let computed = running.computed;
            let fit =
                seconds.map_or(left, |seconds| self.pace.rows_within(seconds, computed).max(least).min(left));
            if fit == 0 || (waits && running.pending() > 1) {
                continue;
            }
            let rows = self.hold_some(at, self.running[at].pending().min(fit));
            self.running[at].rows = rows;
            left -= rows;
            seconds = seconds.map(|seconds| seconds - self.pace.adds(Load::prompt(computed, rows)));
            least = least.saturating_sub(rows);
            begun.extend(next.filter(|_| rows > 0));
        }
        self.note_overtaken();
    }

    /// What the step computes, as far as it is planned.
    pub(super) fn load(&self) -> Load {
        self.running.iter().map(Running::load).sum()
    }

    /// Notes of each prompt how many rows of the same caller's later ones come before its own, so that a long one has
    /// its turn: no more than it has itself are computed before it.
    fn note_overtaken(&mut self) {
        let rows: Vec<_> = self.running.iter().map(|r| (r.rank, Arc::clone(&r.account), r.rows)).collect();
        for running in self.running.iter_mut().filter(|running| !running.is_answering()) {
            let later = |(rank, account, _): &&(Rank, Arc<_>, usize)| {
                rank.tier == running.rank.tier
                    && *rank > running.rank
                    && Arc::ptr_eq(account, &running.account)
            };
            running.overtaken += rows.iter().filter(later).map(|(_, _, rows)| rows).sum::<usize>();
        }
    }

    /// Guesses what answers say next, where a row more in the step pays.
    fn plan_guesses(&mut self) {
        let mut load = self.load();
        for at in 0..self.running.len() {
            let running = &mut self.running[at];
            let max = self.speculate_tokens_max.min(running.tokens_left.saturating_sub(1));
            let left = max.min(self.step_tokens_max.saturating_sub(load.rows));
            if !running.is_answering() || running.is_new() || left == 0 {
                continue;
            }
            let Some(passage) = Passage::find(&running.tokens) else { continue };
            let trust = running.trusts.of(passage.same);
            let guesses = trust.guesses(self.pace.worth(load), left);
            if guesses == 0 {
                trust.recover();
                continue;
            }
            let ahead = self.hold_some(at, 1 + guesses).saturating_sub(1);
            let running: &mut Running = &mut self.running[at];
            running.draft = passage.follow(&running.tokens).take(ahead).collect();
            running.found_by = passage.same;
            running.rows += running.draft.len();
            load.rows += running.draft.len();
        }
    }
}
