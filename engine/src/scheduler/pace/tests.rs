use super::*;

/// 4 ms a step, 1 ms a row, 2 µs a token read, 1 µs a token shared.
const COSTS: [f64; KINDS] = [4e-3, 1e-3, 2e-6, 1e-6];

fn seconds(load: Load, costs: [f64; KINDS]) -> Duration {
    Duration::from_secs_f64(load.times().iter().zip(costs).map(|(times, cost)| times * cost).sum())
}

/// Answers of different lengths, alone and beside prompts.
fn mixed() -> impl Iterator<Item = Load> {
    (0..2000_usize).map(|at| {
        let answers = (0..1 + at % 7).map(|number| Load::answer(100 + 37 * ((at + number) % 50), 1));
        let prompt = Load::prompt(11 * (at % 97), 13 * (at % 5));
        answers.chain([prompt]).sum()
    })
}

fn learned(costs: [f64; KINDS]) -> Pace {
    let mut pace = Pace::default();
    mixed().for_each(|load| pace.note(load, seconds(load, costs)));
    pace
}

fn assert_learned(pace: &Pace, costs: [f64; KINDS]) {
    for (cost, is) in pace.costs.iter().zip(costs) {
        assert!((cost - is).abs() <= 0.1 * is + 1e-9, "{:?} and not {costs:?}", pace.costs);
    }
}

#[test]
fn what_steps_cost_is_learned_from_steps() {
    assert_learned(&learned(COSTS), COSTS);
    let flat = [4e-3, 1e-3, 0.0, 0.0];
    assert_learned(&learned(flat), flat);
}

#[test]
fn what_holds_a_step_up_says_little() {
    let mut pace = Pace::default();
    for (at, load) in mixed().enumerate() {
        let time = seconds(load, COSTS);
        pace.note(load, if at % 20 == 7 { 30 * time } else { time });
    }
    let load = Load::answer(500, 1);
    assert!((pace.predict(load) / seconds(load, COSTS).as_secs_f64() - 1.0).abs() < 0.1);
}

#[test]
fn steps_alike_say_nothing_of_how_costs_compare() {
    let mut pace = learned(COSTS);
    let load = Load::answer(500, 1);
    // The machine slows down, until all takes twice as long.
    for at in 0..20_000 {
        pace.note(load, seconds(load, COSTS).mul_f64(f64::from(20_000 + at) / 20_000.0));
    }
    let expected = COSTS.map(|cost| 2.0 * cost);
    assert!(pace.costs.iter().zip(expected).all(|(cost, is)| (cost / is - 1.0).abs() < 0.3), "{pace:?}");
}

#[test]
fn prompts_fill_what_answers_leave_of_a_step() {
    let mut pace = learned(COSTS);
    let answers: Load = (0..4).map(|_| Load::answer(249, 1)).sum();
    // 10 ms for answers, and one and a half as many for prompts.
    let spare = (0..5000).map(|_| pace.spare(answers)).last().unwrap();
    assert!((spare - 15e-3).abs() < 1e-3, "{spare}");
    assert_eq!([0.0, -1.0].map(|seconds| pace.rows_within(seconds, 0)), [0, 0]);
    assert_eq!([0, 2000].map(|computed| pace.rows_within(15.1e-3, computed)), [14, 5]);
    assert!((pace.adds(Load::prompt(2000, 5)) - 15.015e-3).abs() < 1e-3);
    // A single answer leaves more to them, and many that come at once still a third.
    assert!((pace.spare(Load::answer(249, 1)) - 19.5e-3).abs() < 1e-3);
    let many: Load = (0..40).map(|_| Load::answer(249, 1)).sum();
    let (own, spare) = (pace.predict(many), pace.spare(many));
    assert!((spare / (own + spare) - PROMPTS_MIN).abs() < 1e-9);
}

#[test]
fn a_guess_pays_where_steps_cost_more_than_their_rows() {
    let pace = learned([4e-3, 1e-3, 0.0, 0.0]);
    let rows = |rows| pace.worth(Load::answer(0, rows));
    assert!((rows(1) - 0.2).abs() < 0.02);
    assert!(rows(64) > 0.9);
}
