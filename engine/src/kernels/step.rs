//! Attention with the rows of a step, on all threads.

use super::attention::Query;
use super::isa::call;
use super::rotary::Turn;
use super::{Attention, Cache, Floats, Geometry, Kernels, Page, Places, Turns};

/// The rows of a step, as attention sees them.
pub(crate) struct Step<'a> {
    /// Where each row's key and value go.
    pub(crate) places: Places,
    /// The last position that each row attends to: its own, or the sequence's last where rows see what follows them.
    pub(crate) positions: Vec<usize>,
    /// Each row's sequence.
    pub(crate) sequences: Vec<usize>,
    /// The pages of each sequence. Those before a layer's window are not read.
    pub(crate) pages: Vec<&'a [Page]>,
    /// The turns that layers choose from.
    pub(crate) turns: Vec<Turns>,
}

impl Step<'_> {
    fn turn(&self, attention: &Attention<'_>, row: usize) -> Option<Turn<'_>> {
        attention.turns.map(|turns| self.turns[turns].of(row, self.places.len()))
    }

    fn check(&self, attention: &Attention<'_>, head_len: usize) {
        let fits = |turns: usize| self.turns[turns].angles.len() * 2 <= self.places.len() * head_len;
        assert!(attention.turns.is_none_or(fits), "more angles than pairs");
        let norms = [attention.query_norm, attention.key_norm];
        assert!(norms.iter().flatten().all(|norm| norm.0.len() == head_len), "a norm of another length");
        assert!(attention.window != Some(0), "a window without its own position");
    }
}

impl Kernels {
    /// Keeps the rows' keys and values of a layer.
    pub(crate) fn remember(
        &mut self,
        cache: &mut Cache,
        attention: &Attention<'_>,
        step: &Step<'_>,
        (keys, values): (&Floats, &Floats),
    ) {
        let isa = self.isa;
        let Geometry { heads, head_len, .. } = cache.geometry;
        assert!(keys.len == heads * head_len && values.len == keys.len, "keys of another size");
        step.check(attention, head_len);
        let rows = step.places.len();
        let share = self.pool.share(rows);
        let writer = cache.writer(attention.layer);
        self.pool.run(rows.div_ceil(share), &|task| {
            for row in task * share..rows.min((task + 1) * share) {
                let how = (attention.key_norm, step.turn(attention, row));
                // `Places` are distinct, so each row has its place to itself.
                call!(isa, remember(&writer, step.places.at(row), how, (keys.row(row), values.row(row))));
            }
        });
    }

    /// Attends with every row's queries in a layer.
    pub(crate) fn attend(
        &mut self,
        cache: &Cache,
        attention: &Attention<'_>,
        step: &Step<'_>,
        (queries, out): (&Floats, &mut Floats),
    ) {
        let isa = self.isa;
        let Geometry { heads, head_len, .. } = cache.geometry;
        let width = queries.len / heads;
        assert!(width.is_multiple_of(head_len) && out.len == queries.len, "queries of another size");
        step.check(attention, head_len);
        let tasks = step.places.len() * heads;
        let share = self.pool.share(tasks);
        self.pool.split(&mut out.data[..tasks * width], share * width, &|start, pieces| {
            for (at, out) in pieces.chunks_exact_mut(width).enumerate() {
                let (row, head) = ((start / width + at) / heads, (start / width + at) % heads);
                let query = Query {
                    attention,
                    head,
                    pages: step.pages[step.sequences[row]],
                    last: step.positions[row],
                    turn: step.turn(attention, row),
                };
                call!(isa, attend(cache, &query, &queries.row(row)[head * width..][..width], out));
            }
        });
    }
}
