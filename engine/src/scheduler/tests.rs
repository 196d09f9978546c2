mod fairness;
mod invariance;
mod sharing;
mod words;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use canon::{Fault, Kind};

use super::{Next, Options, Scheduler, Sequence};
use crate::gguf::{Gguf, TensorType};
use crate::sample_model::{CONTEXT_TOKENS, VOCABULARY, tiny};

const PATIENCE: Duration = Duration::from_secs(60);

/// What a sequence reports.
#[derive(Debug, PartialEq)]
enum Report {
    Token(u32),
    Failed(Kind),
    Dropped,
}

/// Takes the likeliest token each time.
struct Greedy {
    prompt: Vec<u32>,
    tokens_max: usize,
    /// Ends before this many tokens, where it is reached.
    ends_after: usize,
    chosen: usize,
    /// Finds the likeliest token itself.
    by_logits: bool,
    cancelled: Arc<AtomicBool>,
    gate: Option<Arc<Gate>>,
    reports: Sender<Report>,
}

/// Holds sequences at their first token.
#[derive(Default)]
struct Gate {
    open: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    fn open(&self) {
        *self.open.lock().unwrap() = true;
        self.opened.notify_all();
    }

    fn pass(&self) {
        drop(self.opened.wait_while(self.open.lock().unwrap(), |open| !*open).unwrap());
    }
}

impl Greedy {
    fn new(prompt: Vec<u32>, tokens_max: usize) -> (Self, Receiver<Report>) {
        let (reports, receiver) = channel();
        let cancelled = Arc::default();
        let (ends_after, chosen, by_logits, gate) = (usize::MAX, 0, true, None);
        (Self { prompt, tokens_max, ends_after, chosen, by_logits, cancelled, gate, reports }, receiver)
    }
}

impl Sequence for Greedy {
    fn prompt(&self) -> &[u32] {
        &self.prompt
    }

    fn tokens_max(&self) -> usize {
        self.tokens_max
    }

    fn cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    fn as_greedy(&mut self) -> Option<&mut dyn super::Greedy> {
        if self.by_logits { None } else { Some(self) }
    }

    fn next(&mut self, logits: &mut [f32]) -> Next {
        assert_eq!(logits.len(), VOCABULARY as usize);
        let likeliest = (0..logits.len()).max_by(|a, b| logits[*a].total_cmp(&logits[*b])).unwrap() as u32;
        super::Greedy::follow(self, Some(likeliest))
    }

    fn fail(&mut self, fault: Fault) {
        drop(self.reports.send(Report::Failed(fault.kind().clone())));
    }
}

impl super::Greedy for Greedy {
    fn follow(&mut self, likeliest: Option<u32>) -> Next {
        if let Some(gate) = &self.gate {
            gate.pass();
        }
        if self.chosen == self.ends_after {
            return Next::End;
        }
        self.chosen += 1;
        let likeliest = likeliest.unwrap();
        drop(self.reports.send(Report::Token(likeliest)));
        Next::Token(likeliest)
    }
}

impl Drop for Greedy {
    fn drop(&mut self) {
        drop(self.reports.send(Report::Dropped));
    }
}

fn options() -> Options {
    Options { threads: 2, step_tokens_max: 48, sequences_max: 16, ..Options::default() }
}

fn start(options: &Options) -> Scheduler {
    let gguf = Gguf::from_bytes(tiny(&[TensorType::Q4_1, TensorType::Q8_0]).bytes()).unwrap();
    Scheduler::start(&gguf, options).unwrap()
}

fn prompt(seed: u32) -> Vec<u32> {
    (0..5 + seed * 7 % 90).map(|at| (at * at + seed * 13 + at) % VOCABULARY as u32).collect()
}

/// Everything that a sequence reports until it is dropped.
fn all(reports: &Receiver<Report>) -> Vec<Report> {
    let mut all = Vec::new();
    while all.last() != Some(&Report::Dropped) {
        all.push(reports.recv_timeout(PATIENCE).unwrap());
    }
    all.pop();
    all
}

/// All sequences at once answer as each does alone; by the likeliest tokens as by logits.
fn check(count: u32, tokens_max: usize, options: &Options) {
    let sequences = || (0..count).map(|seed| Greedy::new(prompt(seed), tokens_max));
    let one_by_one = start(&Options { sequences_max: 1, ..self::options() });
    let alone: Vec<_> = sequences()
        .map(|(sequence, reports)| {
            one_by_one.submit(Box::new(sequence)).unwrap();
            all(&reports)
        })
        .collect();
    let scheduler = start(options);
    let (crowd, reports): (Vec<_>, Vec<_>) = sequences().unzip();
    for mut sequence in crowd {
        sequence.by_logits = false;
        scheduler.submit(Box::new(sequence)).unwrap();
    }
    for (reports, alone) in reports.iter().zip(alone) {
        assert_eq!(alone.len(), tokens_max);
        assert_eq!(all(reports), alone);
    }
}

#[test]
fn fifty_sequences_at_once_answer_as_each_does_alone() {
    check(50, 40, &options());
}

#[test]
fn where_pages_run_out_sequences_are_put_off_and_answer_the_same() {
    // A page takes 32 KiB in this model; the longest sequence needs seven pages.
    check(12, 120, &Options { kv_bytes_max: 9 * 32 * 1024, ..options() });
}

#[test]
fn the_least_steps_answer_the_same() {
    check(6, 20, &Options { step_tokens_max: 1, sequences_max: 3, ..options() });
}

#[test]
fn a_sequence_ends_when_it_wants_to() {
    let scheduler = start(&options());
    for ends_after in [0, 1, 3] {
        let (mut sequence, reports) = Greedy::new(prompt(1), 10);
        sequence.ends_after = ends_after;
        scheduler.submit(Box::new(sequence)).unwrap();
        assert_eq!(all(&reports).len(), ends_after);
    }
}

#[test]
fn what_does_not_fit_is_refused_before_it_waits() {
    let scheduler = start(&options());
    let facts = scheduler.facts();
    assert_eq!((facts.context_tokens, facts.vocabulary), (CONTEXT_TOKENS as usize, VOCABULARY as usize));
    let submit = |prompt: Vec<u32>, tokens_max| scheduler.submit(Box::new(Greedy::new(prompt, tokens_max).0));
    let fault = submit(vec![1; 500], 13).unwrap_err();
    assert_eq!(fault.kind(), &Kind::ContextExceeded { tokens: 513, tokens_max: 512 });
    assert_eq!(fault.message(), "Input is too long for requested model");
    assert_eq!(submit(vec![], 1).unwrap_err().kind(), &Kind::Internal);
    assert_eq!(submit(vec![VOCABULARY as u32], 1).unwrap_err().kind(), &Kind::Internal);
    assert_eq!(submit(vec![1; 500], usize::MAX).unwrap_err().kind().code(), "context-exceeded");
    assert_eq!(submit(vec![1], 0).unwrap_err().kind().code(), "malformed");
    let small = start(&Options { kv_bytes_max: 3 * 32 * 1024, context_tokens_max: 200, ..options() });
    assert_eq!(small.facts().context_tokens, 96);
}

#[test]
fn an_engine_without_room_for_a_token_does_not_start() {
    let gguf = Gguf::from_bytes(tiny(&[TensorType::F32]).bytes()).unwrap();
    let fault = Scheduler::start(&gguf, &Options { kv_bytes_max: 1000, ..options() }).err().unwrap();
    assert_eq!(fault.kind().code(), "unsupported");
}

/// A scheduler that one sequence keeps busy until its gate opens.
fn busy(options: &Options) -> (Scheduler, Arc<Gate>, Receiver<Report>) {
    let scheduler = start(options);
    let gate = Arc::new(Gate::default());
    let (mut first, reports) = Greedy::new(prompt(1), 3);
    first.gate = Some(Arc::clone(&gate));
    scheduler.submit(Box::new(first)).unwrap();
    while scheduler.running() == 0 {
        std::thread::sleep(Duration::from_millis(1));
    }
    (scheduler, gate, reports)
}

#[test]
fn a_full_queue_refuses_and_what_was_given_up_makes_room() {
    let (scheduler, gate, reports) = busy(&Options { queue_max: 2, sequences_max: 1, ..options() });
    let (waiting, waiters): (Vec<_>, Vec<_>) = (0..2).map(|_| Greedy::new(prompt(2), 2)).unzip();
    let given_up = Arc::clone(&waiting[0].cancelled);
    waiting.into_iter().for_each(|sequence| scheduler.submit(Box::new(sequence)).unwrap());
    assert_eq!(scheduler.waiting(), 2);
    let submit = || scheduler.submit(Box::new(Greedy::new(prompt(3), 2).0));
    assert_eq!(submit().unwrap_err().kind(), &Kind::Overloaded);
    given_up.store(true, Ordering::Relaxed);
    submit().unwrap();
    gate.open();
    assert_eq!(all(&reports).len(), 3);
    assert_eq!(all(&waiters[0]), []);
    assert_eq!(all(&waiters[1]).len(), 2);
}

#[test]
fn a_sequence_that_is_given_up_leaves_its_pages_to_others() {
    // Room for one sequence of this length at a time.
    let options = Options { kv_bytes_max: 16 * 32 * 1024, ..options() };
    let (scheduler, gate, reports) = busy(&options);
    let (long, long_reports) = Greedy::new(vec![3; 480], 32);
    let given_up = Arc::clone(&long.cancelled);
    scheduler.submit(Box::new(long)).unwrap();
    gate.open();
    assert_eq!(all(&reports).len(), 3);
    assert!(matches!(long_reports.recv_timeout(PATIENCE).unwrap(), Report::Token(_)));
    let (next, next_reports) = Greedy::new(vec![4; 480], 32);
    scheduler.submit(Box::new(next)).unwrap();
    given_up.store(true, Ordering::Relaxed);
    assert!(all(&long_reports).len() <= 32);
    assert_eq!(all(&next_reports).len(), 32);
}

#[test]
fn closing_fails_what_runs_and_what_waits() {
    let (mut scheduler, gate, reports) = busy(&Options { sequences_max: 1, ..options() });
    let (waiting, waiter) = Greedy::new(prompt(2), 5);
    scheduler.submit(Box::new(waiting)).unwrap();
    scheduler.queue.close();
    gate.open();
    scheduler.close();
    assert_eq!(all(&reports).last(), Some(&Report::Failed(Kind::Draining)));
    assert_eq!(all(&waiter), [Report::Failed(Kind::Draining)]);
    let late = scheduler.submit(Box::new(Greedy::new(prompt(1), 1).0));
    assert_eq!(late.unwrap_err().kind(), &Kind::Draining);
}

/// Panics when asked for a token, or names one that does not exist.
struct Faulty(Greedy, bool);

impl Sequence for Faulty {
    fn prompt(&self) -> &[u32] {
        self.0.prompt()
    }

    fn tokens_max(&self) -> usize {
        9
    }

    fn cancelled(&self) -> bool {
        false
    }

    fn next(&mut self, _: &mut [f32]) -> Next {
        assert!(self.1, "a fault in sampling");
        Next::Token(VOCABULARY as u32)
    }

    fn fail(&mut self, fault: Fault) {
        self.0.fail(fault);
    }
}

#[test]
fn a_sequence_that_breaks_fails_alone() {
    let scheduler = start(&options());
    let (good, good_reports) = Greedy::new(prompt(4), 30);
    scheduler.submit(Box::new(good)).unwrap();
    for names_a_token in [true, false] {
        let (inner, reports) = Greedy::new(prompt(5), 9);
        scheduler.submit(Box::new(Faulty(inner, names_a_token))).unwrap();
        assert_eq!(all(&reports), [Report::Failed(Kind::Internal)]);
    }
    assert_eq!(all(&good_reports).len(), 30);
}
