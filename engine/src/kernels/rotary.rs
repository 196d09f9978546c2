//! Rotary position embedding: pairs of numbers in a head turn by angles that grow with the position.

#[cfg(test)]
mod tests;

/// Which numbers of a head are a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Turning {
    /// Neighbours: `LLAMA_ROPE_TYPE_NORM`.
    Neighbours,
    /// One of the first half of the numbers that turn, and its like of the second: `LLAMA_ROPE_TYPE_NEOX`.
    Halves,
}

/// The angles by which the rows of a step turn. Numbers beyond the pairs that have an angle stay as they are.
#[derive(Clone, Debug)]
pub(crate) struct Turns {
    pub(crate) turning: Turning,
    /// Cosine and sine of each pair's angle, row after row.
    pub(crate) angles: Vec<(f32, f32)>,
}

/// The angles of one row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turn<'a> {
    pub(super) turning: Turning,
    pub(super) angles: &'a [(f32, f32)],
}

impl Turns {
    /// The angles of a row, where there are `rows`.
    pub(super) fn of(&self, row: usize, rows: usize) -> Turn<'_> {
        let len = self.angles.len() / rows;
        Turn { turning: self.turning, angles: &self.angles[row * len..][..len] }
    }

    /// Those of these rows, in order.
    pub(super) fn pick(&self, picked: &[usize], rows: usize) -> Self {
        let angles = picked.iter().flat_map(|row| self.of(*row, rows).angles).copied().collect();
        Self { turning: self.turning, angles }
    }
}

/// Rotates each pair of `head` by its angle.
#[inline(always)]
pub(super) fn rotate(head: &mut [f32], turn: Turn<'_>) {
    let turned = |x: f32, y: f32, (cos, sin): (f32, f32)| (x * cos - y * sin, x * sin + y * cos);
    match turn.turning {
        Turning::Neighbours => {
            for ([x, y], angle) in head.as_chunks_mut::<2>().0.iter_mut().zip(turn.angles) {
                (*x, *y) = turned(*x, *y, *angle);
            }
        }
        Turning::Halves => {
            let (low, high) = head.split_at_mut(turn.angles.len());
            for ((x, y), angle) in low.iter_mut().zip(high).zip(turn.angles) {
                (*x, *y) = turned(*x, *y, *angle);
            }
        }
    }
}
