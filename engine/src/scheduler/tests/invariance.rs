//! Nothing that the scheduler decides changes a token.

use proptest::prelude::*;

use super::super::{Keep, Options, Terms, Work};
use super::words::{Alone, Ask, Driven, Watch, text};
use crate::kernels::KvType;
use canon::{Kind, Tier};

/// Bytes of a page of the sample model, in 16 bits.
const PAGE_BYTES: usize = 32 * 1024;

fn asks(tokens_max: usize) -> Vec<Ask> {
    let ask = |at: u32| {
        let mut prompt = text(at % 3, 20 + (at as usize * 37) % 150);
        prompt.extend((0..at % 7).map(|more| more + at));
        Ask { prompt, tokens_max, seed: (at % 2 == 1).then_some(u64::from(at)) }
    };
    (0..32).map(ask).collect()
}

/// All asks at once, and all once more, answer as each does alone.
fn check(options: &Options, tokens_max: usize) -> Work {
    let asks = asks(tokens_max);
    let mut alone = Alone::keeping(options.kv);
    let mut driven = Driven::new(options);
    for _ in 0..2 {
        let watches: Vec<_> = asks.iter().map(|ask| driven.push(ask, Terms::default())).collect();
        driven.finish();
        for (ask, watch) in asks.iter().zip(watches) {
            assert_eq!(watch.see(|seen| seen.tokens.clone()), alone.answer(ask), "{options:?}");
        }
    }
    driven.engine.counters().read()
}

fn plain() -> Options {
    Options { threads: 1, prefix_cache: false, speculate_tokens_max: 0, ..Options::default() }
}

#[test]
fn the_same_tokens_come_in_a_crowd_and_in_pieces() {
    for (threads, step_tokens_max, sequences_max, kv) in [
        (1, 256, 32, KvType::F16),
        (2, 256, 32, KvType::Int8),
        (2, 48, 16, KvType::F16),
        (1, 7, 3, KvType::Int8),
        (2, 1, 1, KvType::F16),
    ] {
        let work = check(&Options { threads, step_tokens_max, sequences_max, kv, ..plain() }, 30);
        assert_eq!((work.cached_tokens, work.guessed_tokens, work.put_off), (0, 0, 0));
    }
}

#[test]
fn the_same_tokens_come_from_the_cache() {
    for (sequences_max, kv) in [(1, KvType::F16), (32, KvType::F16), (32, KvType::Int8)] {
        let without = check(&Options { sequences_max, kv, ..plain() }, 30);
        let with = check(&Options { sequences_max, kv, prefix_cache: true, ..plain() }, 30);
        assert!(with.prompt_rows < without.prompt_rows / 3, "{with:?} {without:?}");
        assert!(with.prompt_rows + with.cached_tokens >= without.prompt_rows);
    }
}

#[test]
fn the_same_tokens_come_after_being_put_off() {
    for (prefix_cache, kv, pages) in
        [(true, KvType::F16, 12), (false, KvType::F16, 12), (true, KvType::Int8, 6)]
    {
        let kv_bytes_max = pages * PAGE_BYTES;
        let work = check(&Options { kv_bytes_max, kv, prefix_cache, step_tokens_max: 64, ..plain() }, 100);
        assert!(work.put_off > 0, "{work:?}");
    }
}

#[test]
fn the_same_tokens_come_guessed_ahead() {
    for sequences_max in [1, 2, 8] {
        let work = check(&Options { sequences_max, speculate_tokens_max: 6, ..plain() }, 60);
        assert!(work.guessed_tokens > 0 || sequences_max > 1, "{work:?}");
        assert!(work.right_tokens <= work.guessed_tokens);
    }
}

#[test]
fn the_same_tokens_come_with_everything_at_once() {
    let kv_bytes_max = 20 * PAGE_BYTES;
    for kv in [KvType::F16, KvType::Int8] {
        check(&Options { threads: 2, sequences_max: 6, kv_bytes_max, kv, ..Options::default() }, 60);
    }
}

/// One that comes: when, with what, and whether it goes before it is answered.
#[derive(Clone, Debug)]
struct Arrival {
    after: usize,
    ask: Ask,
    terms: Terms,
    gives_up_after: Option<usize>,
}

fn arrival() -> impl Strategy<Value = Arrival> {
    let ask = (0..3_u32, 1..150_usize, 0..40_u32, 1..40_usize, prop::option::of(0..2_u64));
    let terms = (0..3_usize, 0..3_usize, 0..160_usize, 0..160_usize);
    (0..4_usize, ask, terms, prop::option::weighted(0.2, 0..30_usize)).prop_map(
        |(after, (family, len, more, tokens_max, seed), (tier, caller, hour, five), gives_up_after)| {
            let mut prompt = text(family, len);
            prompt.extend((0..more).map(|at| (at * 7 + more) % 83));
            let tier = [Tier::Priority, Tier::Default, Tier::Flex][tier];
            let caller = [None, Some("a"), Some("b")][caller].map(Into::into);
            let keep = Keep { five_minutes: five, hour };
            Arrival {
                after,
                ask: Ask { prompt, tokens_max, seed },
                terms: Terms { tier, caller, keep, ..Terms::default() },
                gives_up_after,
            }
        },
    )
}

fn options() -> impl Strategy<Value = Options> {
    let kv = prop::sample::select(vec![KvType::F16, KvType::Int8]);
    (8..40_usize, 1..64_usize, 1..8_usize, 2..32_usize, (any::<bool>(), kv), 0..5_usize).prop_map(
        |(pages, step_tokens_max, sequences_max, queue_max, (prefix_cache, kv), speculate_tokens_max)| {
            Options {
                threads: 1,
                kv_bytes_max: pages * PAGE_BYTES,
                kv,
                step_tokens_max,
                sequences_max,
                queue_max,
                prefix_cache,
                speculate_tokens_max,
                ..Options::default()
            }
        },
    )
}

/// What became of an arrival: it was answered as alone, given up, or turned away.
fn judge(arrival: &Arrival, watch: &Watch, alone: &mut Alone) {
    watch.see(|seen| {
        assert!(seen.dropped, "every sequence is let go of");
        let whole = alone.answer(&arrival.ask);
        match (&seen.failed, arrival.gives_up_after) {
            (Some(kind), _) => assert_eq!((kind, seen.tokens.len()), (&Kind::Overloaded, 0)),
            (None, Some(_)) => assert_eq!(seen.tokens, whole[..seen.tokens.len()]),
            (None, None) if seen.supply.is_some() => assert_eq!(seen.tokens, whole),
            // The full queue did not take it; nothing was told but to whoever pushed it.
            (None, None) => assert!(seen.tokens.is_empty()),
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn whoever_comes_and_goes_no_page_and_no_sequence_is_lost(
        arrivals in prop::collection::vec(arrival(), 1..40),
        options in options(),
    ) {
        let mut driven = Driven::new(&options);
        let mut watches: Vec<Watch> = Vec::new();
        let mut refused = 0;
        for arrival in &arrivals {
            for _ in 0..arrival.after {
                driven.turn();
            }
            let (sequence, watch) = arrival.ask.sequence(arrival.terms.clone());
            refused += usize::from(driven.queue.push(sequence).is_err());
            watches.push(watch);
            for (arrival, watch) in arrivals.iter().zip(&watches) {
                if arrival.gives_up_after.is_some_and(|after| watch.count() >= after) {
                    watch.give_up();
                }
            }
        }
        driven.finish();
        let mut alone = Alone::keeping(options.kv);
        for (arrival, watch) in arrivals.iter().zip(&watches) {
            judge(arrival, watch, &mut alone);
        }
        let unheard = watches.iter().filter(|watch| watch.see(|seen| seen.supply.is_none() && seen.failed.is_none()));
        let given_up = arrivals.iter().filter(|arrival| arrival.gives_up_after.is_some()).count();
        prop_assert!(unheard.count() <= refused + given_up);
    }
}
