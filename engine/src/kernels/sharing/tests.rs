use std::collections::HashMap;

use proptest::prelude::*;

use super::{Few, Sharing, Staying, Teams};
use crate::kernels::panel::TILES;

proptest! {
    #[test]
    fn every_row_meets_every_tile_once(
        threads in 1_usize..20,
        rows in 1_usize..400,
        pairs in prop::collection::vec(0_usize..40, 1..4),
        weights_stay: bool,
    ) {
        let sharing = Sharing::new(Teams::of(rows, threads), Few::from_slice(&pairs));
        let staying = if weights_stay { Staying::Weights } else { Staying::Rows };
        let mut met = HashMap::new();
        for number in 0..sharing.tasks() {
            let task = sharing.task(number, staying);
            prop_assert_eq!(task.thread, number / (sharing.tasks() / threads));
            for piece in sharing.pieces(&task) {
                let run = sharing.run(task.thread).find(|run| run.product == piece.product).map(|run| run.tiles);
                let within = run.is_some_and(|run| run.start <= piece.tiles.start && piece.tiles.end <= run.end);
                prop_assert!(within, "a task beyond its thread's run");
                for row in task.rows.clone() {
                    for pair in piece.tiles.clone().step_by(TILES) {
                        *met.entry((piece.product, pair, row)).or_insert(0) += 1;
                    }
                }
            }
        }
        prop_assert_eq!(met.len(), rows * pairs.iter().sum::<usize>());
        prop_assert!(met.values().all(|times| *times == 1));
    }
}

#[test]
fn rows_are_shared_where_each_team_has_enough() {
    let of = |rows, threads| {
        let Teams { count, threads, .. } = Teams::of(rows, threads);
        (count, threads)
    };
    assert_eq!(of(1, 2), (1, 2));
    assert_eq!(of(63, 2), (1, 2));
    assert_eq!(of(64, 2), (2, 1));
    assert_eq!(of(256, 16), (8, 2), "sixteen would have 16 rows each");
    assert_eq!(of(224, 7), (7, 1));
    assert_eq!(of(128, 7), (1, 7), "teams are of the same size");
    assert_eq!(of(1000, 1), (1, 1));
}

#[test]
fn a_short_last_block_is_not_a_block() {
    let blocks = |rows: usize, threads| {
        let teams = Teams::of(rows, threads);
        let of = |team| (0..teams.blocks()).map(move |block| teams.rows(team, block).len());
        (0..teams.count).map(|team| of(team).collect()).collect::<Vec<Vec<usize>>>()
    };
    assert_eq!(blocks(1, 2), [[1]]);
    assert_eq!(blocks(64, 1), [[64]]);
    assert_eq!(blocks(64, 2), [[32], [32]]);
    assert_eq!(blocks(256, 1), [[60, 60, 60, 76]]);
    assert_eq!(blocks(256, 2), [[60, 68], [60, 68]]);
    assert_eq!(blocks(179, 2), [[60, 29], [60, 30]]);
}
