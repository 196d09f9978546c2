use super::*;

fn learned(base: f64, row: f64, steps: &[usize]) -> Pace {
    let mut pace = Pace::default();
    for rows in steps.iter().cycle().take(300) {
        pace.note(*rows, Duration::from_secs_f64(base + row * *rows as f64));
    }
    pace
}

#[test]
fn what_a_step_costs_is_learned_from_steps() {
    let pace = learned(0.004, 0.001, &[1, 9, 40, 2]);
    assert!((pace.base - 0.004).abs() < 1e-4 && (pace.row - 0.001).abs() < 1e-5, "{pace:?}");
    // (4 + 4) ms × 1.5 for prompts.
    assert!((11..=12).contains(&pace.prompt_rows(4)));
    assert!((59..=60).contains(&pace.prompt_rows(36)));
    assert_eq!(learned(0.0, 0.001, &[1, 9, 40, 2]).prompt_rows(2), PROMPT_ROWS_MIN);
}

#[test]
fn steps_alike_keep_what_is_known_of_the_slope() {
    let mut pace = learned(0.004, 0.001, &[1, 9, 40, 2]);
    for _ in 0..1000 {
        pace.note(1, Duration::from_micros(5000));
    }
    assert!((pace.row / pace.predict(1.0) - 0.2).abs() < 0.02, "{pace:?}");
}

#[test]
fn a_guess_pays_where_steps_cost_more_than_their_rows() {
    let pace = learned(0.004, 0.001, &[1, 9, 40, 2]);
    assert!((pace.worth(1) - 0.2).abs() < 0.01);
    assert!(pace.worth(64) > 0.9);
}
