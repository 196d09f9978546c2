use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use super::traffic::{CODE, CONVERSATION, requests, spread};
use super::{Arrival, Demand, Energy, Plan, Progress, Stage, play, run};
use crate::gguf::{Gguf, TensorType};
use crate::sample_model::{CONTEXT_TOKENS, tiny};
use crate::scheduler::{Options, Scheduler};

fn model() -> Gguf {
    Gguf::from_bytes(tiny(&[TensorType::Q4_1]).bytes()).unwrap()
}

fn scheduler() -> Scheduler {
    let options = Options { threads: 2, kv_bytes_max: 16 << 20, queue_max: 8, ..Options::default() };
    Scheduler::start(&model(), &options).unwrap()
}

#[test]
fn a_models_work_is_that_of_its_matrices() {
    let (width, keys, inner, vocabulary) = (256, 128, 512, 83);
    let layer = 2 * width * width + 2 * keys * width + 3 * inner * width;
    let demand = Demand::of(&model());
    assert_eq!((demand.layer_macs, demand.output_macs), (2 * layer, vocabulary * width));
    assert_eq!(
        demand.weight_bytes,
        (2 * layer + vocabulary * width) / 32 * 20,
        "Q4_1 has 20 bytes for 32 numbers"
    );
}

#[test]
fn lengths_follow_the_trace_and_fit_the_context() {
    for (shape, prompts, answers) in [(CONVERSATION, 1155.0, 211.0), (CODE, 2048.0, 28.0)] {
        let all = requests(&shape, 20_000, 100_000, 3);
        let mean =
            |length: fn(&Arrival) -> usize| all.iter().map(length).sum::<usize>() as f64 / all.len() as f64;
        assert!(
            (mean(|it| it.prompt) / prompts - 1.0).abs() < 0.2,
            "{}: {}",
            shape.name,
            mean(|it| it.prompt)
        );
        assert!(
            (mean(|it| it.answer) / answers - 1.0).abs() < 0.2,
            "{}: {}",
            shape.name,
            mean(|it| it.answer)
        );
    }
    assert_eq!(requests(&CODE, 50, 300, 3), requests(&CODE, 50, 300, 3));
    assert_ne!(requests(&CODE, 50, 300, 3), requests(&CODE, 50, 300, 4));
    let fit = |it: &Arrival| it.prompt > 0 && it.answer > 0 && it.prompt + it.answer <= 300;
    assert!(requests(&CODE, 1000, 300, 3).iter().all(fit));
    assert!(requests(&CONVERSATION, 1000, 300, 3).iter().all(fit));
}

#[test]
fn requests_come_at_their_rate_and_in_order() {
    let mut all = requests(&CONVERSATION, 10_000, 1000, 5);
    spread(&mut all, 50.0, 5);
    assert!(all.is_sorted_by_key(|it| it.at));
    let seconds = all.last().unwrap().at.as_secs_f64();
    assert!((seconds / 200.0 - 1.0).abs() < 0.05, "{seconds}");
    // Of a Poisson process, as many gaps are shorter than ln 2 / rate as are longer.
    let short =
        all.windows(2).filter(|pair| (pair[1].at - pair[0].at).as_secs_f64() < 2_f64.ln() / 50.0).count();
    assert!((4800..5200).contains(&short), "{short}");
}

#[test]
fn every_request_is_accounted_for_also_the_refused() {
    let scheduler = scheduler();
    let mut arrivals = vec![Arrival { at: Duration::ZERO, prompt: 20, answer: 5 }; 6];
    arrivals[3].prompt = CONTEXT_TOKENS as usize;
    let done = RefCell::new(0);
    let seen = play(&scheduler, &arrivals, 1, &|count| *done.borrow_mut() = count).unwrap();
    assert_eq!((seen.len(), done.into_inner()), (6, 6));
    for (number, seen) in seen.iter().enumerate() {
        assert_eq!(seen.number, number);
        assert_eq!(seen.tokens.len(), if number == 3 { 0 } else { 5 });
        assert_eq!(seen.fault.is_some(), number == 3);
        assert_eq!(seen.gaps().count(), seen.tokens.len().saturating_sub(1));
    }
}

struct Heard(RefCell<BTreeSet<String>>);

impl Progress for Heard {
    fn at(&self, stage: Stage, done: usize, all: usize) {
        assert!(done <= all);
        self.0.borrow_mut().insert(format!("{stage:?}"));
    }
}

#[test]
fn a_run_measures_everything() {
    let options = Options { threads: 2, kv_bytes_max: 64 << 20, ..Options::default() };
    let gguf = model();
    let scheduler = Scheduler::start(&gguf, &options).unwrap();
    let heard = Heard(RefCell::default());
    let plan = Plan { requests: 8, rounds: 2, ..Plan::QUICK };
    let measured = run(&scheduler, (Demand::of(&gguf), 2), &plan, &heard).unwrap();
    assert_eq!(heard.0.into_inner().len(), 8, "every stage, and of answers each number at once");
    assert!(measured.prefill_tokens_per_s > 0.0 && measured.prefill_share() > 0.0);
    assert_eq!(measured.decode_tokens_per_s.iter().map(|it| it.0).collect::<Vec<_>>(), [1, 4, 16, 64]);
    assert!(measured.decode_tokens_per_s.iter().all(|it| it.1 > 0.0));
    let [one, four] = [(1, 100.0), (4, 400.0)].map(|line| measured.decode_shares(line));
    assert!(
        (four[0] / one[0] - 4.0).abs() < 1e-9 && (four[1] / one[1] - 1.0).abs() < 1e-9,
        "{one:?} {four:?}"
    );
    let load = measured.load;
    assert!(load.capacity_input_per_min > 0.0 && load.capacity_output_per_min > 0.0);
    assert!(load.first_s[0] > 0.0 && load.first_s[1] >= load.first_s[0] && load.gap_s[1] >= load.gap_s[0]);
    assert_eq!(load.failed, 0);
}

#[test]
fn energy_is_that_of_all_packages_and_survives_a_counter_that_wraps() {
    let folder = tempfile::tempdir().unwrap();
    let write = |zone: &str, uj: u64| {
        let zone = folder.path().join(zone);
        fs::create_dir_all(&zone).unwrap();
        fs::write(zone.join("energy_uj"), format!("{uj}\n")).unwrap();
        fs::write(zone.join("max_energy_range_uj"), "10000000\n").unwrap();
    };
    write("intel-rapl:0", 9_000_000);
    write("intel-rapl:0:0", 77);
    write("intel-rapl:1", 1_000_000);
    let mut energy = Energy::of(folder.path()).unwrap();
    write("intel-rapl:0", 500_000);
    write("intel-rapl:1", 1_250_000);
    write("intel-rapl:0:0", 5_000_000);
    assert!((energy.joules() - 1.75).abs() < 1e-9, "{}", energy.joules());
    assert!(Energy::of(&folder.path().join("none")).is_none());
}
