use super::*;

/// A machine on which other programs are busy, as a step of so many threads sees it: how many times as long as with nobody
/// beside a thread alone takes, and what part of the time threads wait for one that is held up.
type Machine = fn(usize) -> (f64, f64);

fn quiet(threads: usize) -> (f64, f64) {
    (1.0 / threads as f64, 0.02)
}

/// One of two CPUs is taken half of the time: two threads have three quarters of what they want, and wait.
fn beside_one(threads: usize) -> (f64, f64) {
    if threads == 1 { (1.0, 0.0) } else { (1.2, 0.2) }
}

/// Threads wait for each other, but are faster than one all the same.
fn uneven(threads: usize) -> (f64, f64) {
    if threads == 1 { (1.0, 0.0) } else { (0.7, 0.3) }
}

/// Steps of ten milliseconds or so; gives what they took.
fn compute(parallelism: &mut Parallelism, machine: Machine, steps: usize) -> f64 {
    let steps = (0..steps).map(|_| {
        let (seconds, held) = machine(parallelism.threads());
        let took = Duration::from_secs_f64(0.01 * seconds);
        parallelism.note(0.01, took, took.mul_f64(held));
        seconds
    });
    steps.sum()
}

#[test]
fn all_compute_where_nobody_is_held_up() {
    for threads in [1, 2, 8] {
        let mut parallelism = Parallelism::new(threads);
        let took = compute(&mut parallelism, quiet, 10_000);
        assert!((took * threads as f64 / 10_000.0 - 1.0).abs() < 1e-9, "{took} with {threads}");
    }
}

#[test]
fn beside_a_busy_program_one_thread_less_computes_until_it_ends() {
    let mut parallelism = Parallelism::new(2);
    let took = compute(&mut parallelism, beside_one, 10_000);
    assert!(took < 1.05 * 10_000.0, "{took}");
    compute(&mut parallelism, quiet, STAY_STEPS + TRIAL_STEPS);
    assert_eq!(parallelism.threads(), 2);
    let took = compute(&mut parallelism, quiet, 10_000);
    assert!(took < 0.501 * 10_000.0, "{took}");
}

#[test]
fn trials_in_vain_become_rare() {
    let mut parallelism = Parallelism::new(2);
    let took = compute(&mut parallelism, uneven, 10_000);
    assert!(took < 1.01 * 0.7 * 10_000.0, "{took}");
}

#[test]
fn of_many_threads_as_many_compute_as_are_best() {
    // Three of eight CPUs are taken half of the time, and all threads wait while one of these is.
    let machine: Machine = |threads| {
        let gone = 1.0 - 0.5_f64.powi(threads.saturating_sub(5) as i32);
        (1.0 / (threads as f64 * (1.0 - gone)), gone)
    };
    let mut parallelism = Parallelism::new(8);
    compute(&mut parallelism, machine, 1_000);
    let took = compute(&mut parallelism, machine, 10_000);
    assert!(took < 1.1 * 0.2 * 10_000.0, "{took}");
    compute(&mut parallelism, quiet, 1_000);
    assert_eq!(parallelism.threads(), 8);
}
