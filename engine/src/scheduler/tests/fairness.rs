//! Who waits for whom.

use canon::{Kind, Tier};

use super::super::{Options, Terms};
use super::words::{Ask, Driven, Watch, text};

fn of(caller: &str) -> Terms {
    Terms { caller: Some(caller.into()), ..Terms::default() }
}

fn tier(tier: Tier) -> Terms {
    Terms { tier, ..Terms::default() }
}

fn ask(family: u32, len: usize, tokens_max: usize) -> Ask {
    Ask { prompt: text(family, len), tokens_max, seed: None }
}

fn options() -> Options {
    Options { threads: 1, step_tokens_max: 32, sequences_max: 4, ..Options::default() }
}

/// How many steps it takes until the sequence has said something.
fn turns_until(driven: &mut Driven, watch: &Watch) -> usize {
    (0..5000).take_while(|_| watch.count() == 0 && driven.turn()).count()
}

#[test]
fn a_caller_s_many_long_prompts_do_not_keep_another_s_short_one_waiting() {
    let mut driven = Driven::new(&options());
    let long: Vec<_> = (0..100).map(|at| driven.push(&ask(at, 400, 20), of("many"))).collect();
    for _ in 0..3 {
        driven.turn();
    }
    let short = driven.push(&ask(7, 20, 2), of("one"));
    assert!(turns_until(&mut driven, &short) <= 2);
    driven.finish();
    assert!(long.iter().all(|watch| watch.count() == 20));
}

#[test]
fn a_short_prompt_passes_a_long_one_and_a_long_one_is_not_passed_for_ever() {
    let mut driven = Driven::new(&options());
    let long = driven.push(&ask(0, 400, 1), of("a"));
    driven.turn();
    let short = driven.push(&ask(1, 20, 1), of("a"));
    assert!(turns_until(&mut driven, &short) <= 2);
    assert_eq!(long.count(), 0);
    let mut passed = 0;
    while long.count() == 0 {
        // There is always a shorter one.
        driven.push(&ask(2 + passed, 90, 1), of("a"));
        passed += 1;
        driven.turn();
        assert!(passed < 80, "it starves");
    }
    driven.finish();
}

#[test]
fn tiers_come_in_their_order_and_flex_gives_up_its_seat() {
    let mut driven = Driven::new(&Options { sequences_max: 1, ..options() });
    let flex = driven.push(&ask(0, 100, 50), tier(Tier::Flex));
    for _ in 0..8 {
        driven.turn();
    }
    let answered = flex.count();
    assert!(answered > 0 && answered < 50);
    let usual = driven.push(&ask(1, 40, 3), tier(Tier::Default));
    let urgent = driven.push(&ask(2, 40, 3), tier(Tier::Priority));
    turns_until(&mut driven, &urgent);
    assert_eq!((usual.count(), flex.count()), (0, answered));
    turns_until(&mut driven, &usual);
    assert_eq!((urgent.count(), flex.count()), (3, answered));
    driven.finish();
    assert_eq!((usual.count(), flex.count()), (3, 50));
}

#[test]
fn a_full_queue_turns_away_the_last_of_the_longest_line() {
    let driven = Driven::new(&Options { queue_max: 4, ..options() });
    let many: Vec<_> = (0..4).map(|at| driven.push(&ask(at, 10, 1), of("many"))).collect();
    let one = driven.push(&ask(9, 10, 1), of("one"));
    let two = driven.push(&ask(9, 10, 1), of("two"));
    let failed = |watch: &Watch| watch.see(|seen| seen.failed.clone());
    assert_eq!(
        many.iter().map(failed).collect::<Vec<_>>(),
        [None, None, Some(Kind::Overloaded), Some(Kind::Overloaded)]
    );
    assert_eq!((failed(&one), failed(&two), driven.queue.waiting()), (None, None, 4));
    let (sequence, _) = ask(9, 10, 1).sequence(of("many"));
    assert_eq!(driven.queue.push(sequence).unwrap_err().kind(), &Kind::Overloaded);
    let flex = Terms { tier: Tier::Flex, ..of("three") };
    let (sequence, _) = ask(9, 10, 1).sequence(flex);
    assert_eq!(driven.queue.push(sequence).unwrap_err().kind(), &Kind::Overloaded);
}

#[test]
fn what_waits_too_long_is_told_so() {
    let mut driven = Driven::new(&Options { sequences_max: 1, ..options() });
    driven.push(&ask(0, 10, 400), Terms::default());
    let late = driven.push(&ask(1, 10, 1), Terms::default());
    driven.turn();
    driven.now += std::time::Duration::from_secs(700);
    driven.turn();
    assert_eq!(late.see(|seen| seen.failed.clone()), Some(Kind::Overloaded));
    driven.finish();
}
