//! What is computed once, and what is told of it.

use super::super::{Keep, Options, Supply, Terms};
use super::words::{Alone, Ask, Driven, text};

fn ask(prompt: Vec<u32>) -> Ask {
    Ask { prompt, tokens_max: 3, seed: None }
}

#[test]
fn a_prefix_that_a_hundred_send_at_once_is_computed_once() {
    let mut alone = Alone::default();
    let asks: Vec<Ask> =
        (0..100).map(|at| ask(text(0, 480).into_iter().chain([at % 83, at / 83 + 1, 5]).collect())).collect();
    let mut driven = Driven::new(&Options { threads: 2, queue_max: 100, ..Options::default() });
    let watches: Vec<_> = asks.iter().map(|ask| driven.push(ask, Terms::default())).collect();
    driven.finish();
    let work = driven.engine.counters().read();
    assert_eq!(work.prompt_rows, 480 + 100 * 3);
    assert_eq!(work.cached_tokens, 99 * 480);
    for (ask, watch) in asks.iter().zip(watches) {
        assert_eq!(watch.see(|seen| seen.tokens.clone()), alone.answer(ask));
    }
}

#[test]
fn a_conversation_goes_on_from_its_own_answer() {
    let mut driven = Driven::new(&Options { threads: 1, ..Options::default() });
    let mut prompt = text(1, 50);
    let first = Ask { prompt: prompt.clone(), tokens_max: 60, seed: None };
    let watch = driven.push(&first, Terms::default());
    driven.finish();
    prompt.extend(watch.see(|seen| seen.tokens.clone()));
    prompt.push(9);
    let next = driven.push(&ask(prompt), Terms::default());
    driven.finish();
    assert_eq!(next.see(|seen| seen.supply.unwrap().cached), 96);
}

#[test]
fn what_is_kept_is_written_once_and_read_afterwards() {
    let mut driven = Driven::new(&Options { threads: 1, ..Options::default() });
    let terms = |hour, five_minutes| Terms { keep: Keep { five_minutes, hour }, ..Terms::default() };
    let mut supply = |len, terms| {
        let watch = driven.push(&ask(text(2, len)), terms);
        driven.finish();
        watch.see(|seen| seen.supply.unwrap())
    };
    let none = Supply::default();
    assert_eq!(supply(200, terms(70, 140)), Supply { written_1h: 64, written_5m: 64, ..none });
    assert_eq!(supply(250, terms(70, 140)), Supply { cached: 192, read: 128, ..none });
    assert_eq!(supply(250, terms(0, 250)), Supply { cached: 224, read: 224, ..none });
    assert_eq!(supply(300, Terms::default()), Supply { cached: 224, ..none });
    assert_eq!(supply(300, terms(0, 300)), Supply { cached: 288, read: 288, ..none });
    assert_eq!(supply(31, terms(31, 31)), none);
    let other = Terms { caller: Some("another".into()), ..terms(0, 300) };
    assert_eq!(supply(300, other), Supply { written_5m: 288, ..none });
}

#[test]
fn without_the_cache_nothing_is_kept() {
    let mut driven = Driven::new(&Options { threads: 1, prefix_cache: false, ..Options::default() });
    for _ in 0..2 {
        let keep = Keep { five_minutes: 100, hour: 100 };
        let watch = driven.push(&ask(text(2, 120)), Terms { keep, ..Terms::default() });
        driven.finish();
        assert_eq!(watch.see(|seen| seen.supply), Some(Supply::default()));
    }
}
