use std::collections::HashMap;

use proptest::prelude::*;

use super::*;
use crate::kernels::KvType;

/// 32 bytes a token, so that a page takes a kibibyte.
const GEOMETRY: Geometry = Geometry { layers: 1, heads: 1, head_len: 16, kv: KvType::F16 };

fn kv(pages: usize) -> Kv {
    Kv::new(GEOMETRY, pages * GEOMETRY.page_bytes())
}

/// A sequence of these tokens, computed and shared.
fn computed(kv: &mut Kv, caller: Option<&str>, tokens: &[u32]) -> Held {
    let mut held = Held::new(Scope { adapter: 0, caller: caller.map(Arc::from) });
    kv.adopt(&mut held, tokens);
    assert!(kv.hold(&mut held, tokens.len()));
    kv.share(&mut held, tokens);
    held
}

fn tokens(count: u32) -> Vec<u32> {
    (0..count).collect()
}

fn adopted(kv: &mut Kv, scope: Scope, tokens: &[u32]) -> usize {
    let mut held = Held::new(scope);
    let blocks = kv.adopt(&mut held, tokens);
    kv.give_back(&mut held);
    blocks
}

#[test]
fn full_pages_are_shared_and_the_last_token_is_left_to_compute() {
    let mut kv = kv(10);
    let first = computed(&mut kv, None, &tokens(100));
    let mut second = Held::default();
    assert_eq!(kv.adopt(&mut second, &tokens(97)), 3);
    assert_eq!(second.pages(), &first.pages()[..3]);
    for (len, blocks) in [(96, 2), (65, 2), (64, 1), (33, 1), (32, 0), (1, 0)] {
        assert_eq!(adopted(&mut kv, Scope::default(), &tokens(len)), blocks, "{len}");
    }
    let mut other = tokens(100);
    other[40] = 7;
    assert_eq!(adopted(&mut kv, Scope::default(), &other), 1);
    kv.check([&first, &second].into_iter());
}

#[test]
fn neither_another_caller_nor_another_adapter_is_served() {
    let mut kv = kv(10);
    let held = computed(&mut kv, Some("a"), &tokens(100));
    let scope = |adapter, caller: &str| Scope { adapter, caller: Some(caller.into()) };
    assert_eq!(adopted(&mut kv, scope(0, "a"), &tokens(100)), 3);
    assert_eq!(adopted(&mut kv, scope(0, "b"), &tokens(100)), 0);
    assert_eq!(adopted(&mut kv, scope(1, "a"), &tokens(100)), 0);
    assert_eq!(adopted(&mut kv, Scope::default(), &tokens(100)), 0);
    kv.check([&held].into_iter());
}

#[test]
fn what_two_have_computed_at_once_is_kept_once() {
    let mut kv = kv(10);
    let mut both = [Held::default(), Held::default()];
    for held in &mut both {
        assert!(kv.hold(held, 70));
    }
    assert_eq!(kv.available(), 4);
    for held in &mut both {
        kv.share(held, &tokens(70));
    }
    assert_eq!(both[0].pages()[..2], both[1].pages()[..2]);
    assert_eq!(kv.available(), 6);
    kv.check(both.iter());
}

#[test]
fn the_prefix_that_was_used_longest_ago_goes_first_and_from_its_end() {
    let mut kv = kv(6);
    let [a, b] = [tokens(97), tokens(97).into_iter().map(|t| t + 500).collect::<Vec<_>>()];
    for text in [&a, &b, &a] {
        let mut held = computed(&mut kv, None, &text[..96]);
        kv.give_back(&mut held);
    }
    assert_eq!(kv.available(), 6);
    let mut new = Held::default();
    assert!(kv.hold(&mut new, 32));
    assert_eq!(adopted(&mut kv, Scope::default(), &b), 2);
    assert_eq!(adopted(&mut kv, Scope::default(), &a), 3);
    assert!(kv.hold(&mut new, 128));
    assert_eq!(adopted(&mut kv, Scope::default(), &b), 0);
    assert_eq!(adopted(&mut kv, Scope::default(), &a), 2);
    kv.check([&new].into_iter());
    assert!(!kv.hold(&mut new, 7 * 32));
}

#[test]
fn a_pin_keeps_a_prefix_until_its_time_is_over() {
    let mut kv = kv(8);
    let start = Instant::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    kv.tick(start);
    let mut held = computed(&mut kv, None, &tokens(97));
    assert_eq!(kv.pin(&held, 70, Duration::from_secs(300)), 64);
    kv.give_back(&mut held);
    let mut others = Held::default();
    assert!(!kv.hold(&mut others, 7 * 32));
    assert!(kv.hold(&mut others, 6 * 32));
    assert_eq!(adopted(&mut kv, Scope::default(), &tokens(97)), 2);
    kv.tick(at(200));
    assert_eq!(adopted(&mut kv, Scope::default(), &tokens(97)), 2);
    // The use at 200 s began its time anew.
    kv.tick(at(499));
    assert!(!kv.hold(&mut others, 7 * 32));
    kv.tick(at(500));
    assert!(kv.hold(&mut others, 8 * 32));
    kv.check([&others].into_iter());
}

#[test]
fn beyond_half_of_the_pages_the_oldest_pin_loses_and_for_what_must_go_on_each() {
    let mut kv = kv(8);
    let text = |from: u32| (from..from + 65).collect::<Vec<_>>();
    for from in [0, 1000, 2000] {
        let mut held = computed(&mut kv, None, &text(from));
        assert_eq!(kv.pin(&held, 64, Duration::from_secs(60)), 64);
        kv.give_back(&mut held);
    }
    // Four of eight pages are pinned.
    assert_eq!(kv.available(), 4);
    let mut large = Held::default();
    assert!(!kv.hold(&mut large, 5 * 32));
    assert!(kv.hold_before_pins(&mut large, 7 * 32));
    assert_eq!(adopted(&mut kv, Scope::default(), &text(2000)), 1, "the youngest lost its end alone");
    assert!(kv.hold_before_pins(&mut large, 8 * 32));
    kv.check([&large].into_iter());
    let mut long = self::kv(4);
    let held = computed(&mut long, None, &tokens(128));
    assert_eq!(long.pin(&held, 128, Duration::from_secs(60)), 64, "the beginning is pinned");
}

#[test]
fn at_rest_memory_goes_back_but_for_what_is_pinned() {
    let pages = 3 * IDLE_BYTES_MAX / GEOMETRY.page_bytes();
    let mut kv = kv(pages);
    let start = Instant::now();
    kv.tick(start);
    let all: Vec<u32> = (0..(pages * PAGE_TOKENS) as u32).collect();
    let mut held = computed(&mut kv, None, &all);
    kv.pin(&held, 64, 10 * IDLE_AFTER);
    kv.give_back(&mut held);
    assert_eq!(kv.rest(), Some(start + IDLE_AFTER));
    assert_eq!(kv.cache.bytes(), 3 * IDLE_BYTES_MAX);
    kv.tick(start + IDLE_AFTER);
    assert_eq!(kv.rest(), Some(start + 10 * IDLE_AFTER));
    assert_eq!(kv.cache.bytes(), IDLE_BYTES_MAX);
    assert_eq!(adopted(&mut kv, Scope::default(), &all), IDLE_BYTES_MAX / GEOMETRY.page_bytes());
    kv.tick(start + 10 * IDLE_AFTER);
    assert_eq!(kv.rest(), Some(start + 11 * IDLE_AFTER), "it was used meanwhile");
}

#[test]
fn where_nothing_is_shared_pages_are_the_sequence_s_own() {
    let mut kv = kv(10).sharing(false);
    let mut held = computed(&mut kv, None, &tokens(100));
    assert_eq!(adopted(&mut kv, Scope::default(), &tokens(100)), 0);
    assert_eq!(kv.pin(&held, 100, IDLE_AFTER), 0);
    kv.give_back(&mut held);
    kv.check([].into_iter());
    assert_eq!(kv.blocks.len(), 0);
}

/// What happens to one of a few sequences.
#[derive(Clone, Debug)]
enum Act {
    /// It begins with a text of one of a few families, which part at a few places.
    Begin {
        slot: usize,
        family: u32,
        parts_at: usize,
        len: usize,
    },
    /// It computes so many more tokens.
    Go {
        slot: usize,
        tokens: usize,
    },
    Pin {
        slot: usize,
        tokens: usize,
    },
    End {
        slot: usize,
    },
    Tick {
        seconds: u64,
    },
}

fn act() -> impl Strategy<Value = Act> {
    let slot = 0..4_usize;
    prop_oneof![
        2 => (slot.clone(), 0..3_u32, 0..260_usize, 1..260_usize)
            .prop_map(|(slot, family, parts_at, len)| Act::Begin { slot, family, parts_at, len }),
        4 => (slot.clone(), 1..120_usize).prop_map(|(slot, tokens)| Act::Go { slot, tokens }),
        1 => (slot.clone(), 1..260_usize).prop_map(|(slot, tokens)| Act::Pin { slot, tokens }),
        1 => slot.prop_map(|slot| Act::End { slot }),
        1 => (0..100_u64).prop_map(|seconds| Act::Tick { seconds }),
    ]
}

#[derive(Default)]
struct Slot {
    held: Held,
    tokens: Vec<u32>,
    computed: usize,
}

proptest! {
    #[test]
    fn no_page_is_lost_and_none_is_read_as_what_it_does_not_hold(acts in prop::collection::vec(act(), 1..120)) {
        let mut kv = kv(20);
        let mut slots: [Slot; 4] = Default::default();
        let mut now = Instant::now();
        // What was written to each place of each page: the tokens up to there.
        let mut written = HashMap::<(Page, usize), Vec<u32>>::new();
        for act in acts {
            match act {
                Act::Begin { slot, family, parts_at, len } => {
                    kv.give_back(&mut slots[slot].held);
                    let token = |at: usize| at as u32 + 1000 * family + if at < parts_at { 0 } else { 500 };
                    slots[slot] = Slot { tokens: (0..len).map(token).collect(), ..Slot::default() };
                }
                Act::Go { slot, tokens } => {
                    let Slot { held, tokens: all, computed } = &mut slots[slot];
                    kv.adopt(held, all);
                    *computed = (*computed).max(held.shared_tokens());
                    let end = all.len().min(*computed + tokens);
                    if kv.hold(held, end) {
                        for at in *computed..end {
                            let place = (held.pages()[at / PAGE_TOKENS], at % PAGE_TOKENS);
                            prop_assert!(held.shared_tokens() <= at, "a block is never written to");
                            written.insert(place, all[..=at].to_vec());
                        }
                        *computed = end;
                        kv.share(held, &all[..end]);
                    }
                }
                Act::Pin { slot, tokens } => {
                    kv.pin(&slots[slot].held, tokens, Duration::from_secs(60));
                }
                Act::End { slot } => {
                    kv.give_back(&mut slots[slot].held);
                    slots[slot] = Slot::default();
                }
                Act::Tick { seconds } => {
                    now += Duration::from_secs(seconds);
                    kv.tick(now);
                }
            }
            for Slot { held, tokens, computed } in &slots {
                for at in 0..*computed {
                    let place = (held.pages()[at / PAGE_TOKENS], at % PAGE_TOKENS);
                    prop_assert_eq!(written.get(&place).map(Vec::as_slice), Some(&tokens[..=at]));
                }
            }
            kv.check(slots.iter().map(|slot| &slot.held));
        }
    }
}
