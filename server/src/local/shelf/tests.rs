use super::*;

const MB: u64 = 1 << 20;

/// A shelf for `max` megabytes, and models that want so many each; their keys are 1, 2, …
fn shelf(max: u64, wants: &[u64]) -> Shelf {
    let mut shelf = Shelf::new(max * MB);
    for (key, wanted) in (1..).zip(wants) {
        let wants = Wants { least: wanted * MB, most: wanted * MB };
        shelf.add(key, Place::new(wants, false, None));
    }
    shelf
}

/// Puts a model that wants `mb` megabytes over another.
fn tune(shelf: &mut Shelf, key: Key, base: Key, mb: u64) {
    let wants = Wants { least: mb * MB, most: mb * MB };
    shelf.add(key, Place::new(wants, false, None).over(base));
}

/// Does what the shelf says until it rests, and returns what it did. A load takes 100 ms.
fn settle(shelf: &mut Shelf, now_ms: &mut u64) -> Vec<Step> {
    let mut done = Vec::new();
    loop {
        let step = shelf.next(*now_ms);
        done.push(step);
        match step {
            Step::Load(key, bytes) => {
                let began_ms = *now_ms;
                *now_ms += 100;
                shelf.loaded(key, bytes, (began_ms, *now_ms));
                while shelf.place(key).unwrap().waiting > 0 && shelf.enter(key) {}
            }
            Step::Unload(key) => shelf.unloaded(key),
            Step::Open(key) => while shelf.place(key).unwrap().waiting > 0 && shelf.enter(key) {},
            Step::Refuse(key, _) => {
                for key in shelf.family(key) {
                    for _ in 0..shelf.place(key).unwrap().waiting {
                        shelf.give_up(key);
                    }
                }
            }
            Step::Rest(_) => return done,
        }
    }
}

fn call(shelf: &mut Shelf, key: Key, now_ms: &mut u64) -> Vec<Step> {
    if shelf.arrive(key) {
        return Vec::new();
    }
    settle(shelf, now_ms)
}

fn is_in(shelf: &Shelf, key: Key) -> bool {
    shelf.place(key).unwrap().is_in()
}

#[test]
fn a_model_is_loaded_once_for_all_that_wait() {
    let (mut shelf, mut now) = (shelf(100, &[40]), 0);
    for _ in 0..50 {
        assert!(!shelf.arrive(1));
    }
    assert_eq!(settle(&mut shelf, &mut now), [Step::Load(1, 40 * MB), Step::Rest(None)]);
    assert_eq!((shelf.place(1).unwrap().users, shelf.place(1).unwrap().waiting), (50, 0));
    assert!(shelf.arrive(1), "what is in memory is used at once");
}

#[test]
fn what_was_used_longest_ago_makes_way_and_what_is_pinned_does_not() {
    let (mut shelf, mut now) = (shelf(100, &[40, 40, 40, 40]), 0);
    shelf.pin(1, true);
    for key in [1, 2] {
        call(&mut shelf, key, &mut now);
        now += 10;
        shelf.leave(key, now);
    }
    let done = call(&mut shelf, 3, &mut now);
    assert_eq!(done, [Step::Unload(2), Step::Load(3, 40 * MB), Step::Rest(None)]);
    shelf.leave(3, now);
    assert_eq!(call(&mut shelf, 4, &mut now)[0], Step::Unload(3));
    assert!(is_in(&shelf, 1));
}

#[test]
fn a_model_in_use_goes_when_its_turn_is_over_and_its_last_call_has_ended() {
    let (mut shelf, mut now) = (shelf(100, &[80, 80]), 0);
    call(&mut shelf, 1, &mut now);
    let turn_ends = now + TURN_MS_MIN;
    assert_eq!(call(&mut shelf, 2, &mut now), [Step::Rest(Some(turn_ends))]);
    assert!(shelf.arrive(1), "until then it takes calls");
    now = turn_ends;
    assert_eq!(settle(&mut shelf, &mut now), [Step::Rest(None)]);
    assert!(!shelf.arrive(1), "and from then on none");
    shelf.leave(1, now);
    assert_eq!(settle(&mut shelf, &mut now), [Step::Rest(None)], "one call is still under way");
    shelf.leave(1, now);
    let done = settle(&mut shelf, &mut now);
    // The call that came meanwhile waits for the other's turn to end.
    let rests = Step::Rest(Some(now + TURN_MS_MIN));
    assert_eq!(done, [Step::Unload(1), Step::Load(2, 80 * MB), rests]);
    now += TURN_MS_MIN;
    settle(&mut shelf, &mut now);
    shelf.leave(2, now);
    assert_eq!(settle(&mut shelf, &mut now)[..2], [Step::Unload(2), Step::Load(1, 80 * MB)]);
}

#[test]
fn a_model_that_nobody_wants_any_more_drives_nobody_out() {
    let (mut shelf, mut now) = (shelf(100, &[80, 80]), 0);
    call(&mut shelf, 1, &mut now);
    now += TURN_MS_MIN;
    call(&mut shelf, 2, &mut now);
    assert!(!shelf.arrive(1));
    shelf.give_up(2);
    assert_eq!(settle(&mut shelf, &mut now), [Step::Open(1), Step::Rest(None)]);
    assert_eq!(shelf.place(1).unwrap().users, 2);
    // And where nobody waits at all, it just opens.
    call(&mut shelf, 2, &mut now);
    now += TURN_MS_MIN;
    settle(&mut shelf, &mut now);
    shelf.give_up(2);
    settle(&mut shelf, &mut now);
    assert!(shelf.arrive(1));
}

#[test]
fn what_cannot_fit_is_refused_and_not_at_others_cost() {
    let (mut shelf, mut now) = (shelf(100, &[40, 101, 70]), 0);
    call(&mut shelf, 1, &mut now);
    assert_eq!(call(&mut shelf, 2, &mut now)[0], Step::Refuse(2, Refusal::TooLarge));
    shelf.pin(1, true);
    shelf.leave(1, now);
    assert_eq!(call(&mut shelf, 3, &mut now)[0], Step::Refuse(3, Refusal::Pinned));
    assert!(is_in(&shelf, 1) && shelf.rests(3, now));
    shelf.pin(1, false);
    assert_eq!(call(&mut shelf, 3, &mut now)[..2], [Step::Unload(1), Step::Load(3, 70 * MB)]);
}

#[test]
fn a_model_makes_do_with_less_where_more_would_drive_out_what_is_in_use() {
    let (mut shelf, mut now) = (shelf(100, &[60]), 0);
    shelf.add(2, Place::new(Wants { least: 30 * MB, most: 90 * MB }, false, None));
    call(&mut shelf, 1, &mut now);
    assert_eq!(call(&mut shelf, 2, &mut now)[0], Step::Load(2, 40 * MB));
    assert!(is_in(&shelf, 1));
}

#[test]
fn a_model_that_failed_rests_longer_each_time_unless_somebody_asks() {
    let (mut shelf, mut now) = (shelf(100, &[40]), 0);
    for rest in [1_000, 2_000, 4_000] {
        assert!(!shelf.arrive(1));
        assert_eq!(shelf.next(now), Step::Load(1, 40 * MB));
        shelf.failed(1, now);
        assert!(shelf.rests(1, now) && shelf.rests(1, now + rest - 1) && !shelf.rests(1, now + rest));
        assert_eq!(shelf.next(now), Step::Rest(None), "though one still waits");
        shelf.give_up(1);
        assert_eq!(shelf.held_bytes(), 0);
        now += rest;
    }
    shelf.ask(1);
    assert_eq!(shelf.next(now), Step::Load(1, 40 * MB));
}

#[test]
fn what_nobody_used_for_long_goes_unless_it_is_pinned() {
    let (mut shelf, mut now) = (shelf(100, &[40, 40]), 0);
    shelf.keep_idle(1, Some(500));
    shelf.keep_idle(2, Some(500));
    shelf.pin(2, true);
    for key in [2, 1] {
        call(&mut shelf, key, &mut now);
        shelf.leave(key, now);
    }
    assert_eq!(settle(&mut shelf, &mut now), [Step::Rest(Some(now + 500))]);
    now += 500;
    assert_eq!(settle(&mut shelf, &mut now), [Step::Unload(1), Step::Rest(None)]);
}

#[test]
fn a_model_that_was_dismissed_comes_back_for_those_that_call_it() {
    let (mut shelf, mut now) = (shelf(100, &[40]), 0);
    call(&mut shelf, 1, &mut now);
    shelf.dismiss(1);
    assert_eq!(call(&mut shelf, 1, &mut now), [Step::Rest(None)]);
    shelf.leave(1, now);
    assert_eq!(settle(&mut shelf, &mut now)[..2], [Step::Unload(1), Step::Load(1, 40 * MB)]);
}

#[test]
fn a_model_that_is_asked_for_while_it_leaves_stays_and_is_asked_for_once() {
    let (mut shelf, mut now) = (shelf(100, &[40, 80]), 0);
    call(&mut shelf, 1, &mut now);
    shelf.dismiss(1);
    shelf.ask(1);
    assert_eq!(settle(&mut shelf, &mut now), [Step::Open(1), Step::Rest(None)]);
    shelf.leave(1, now);
    assert_eq!(call(&mut shelf, 2, &mut now)[..2], [Step::Unload(1), Step::Load(2, 80 * MB)]);
    shelf.leave(2, now);
    assert_eq!(settle(&mut shelf, &mut now), [Step::Rest(None)], "nobody wants it any more");
}

#[test]
fn what_a_model_took_beyond_its_estimate_counts_from_then_on() {
    let (mut shelf, mut now) = (shelf(100, &[40, 40]), 0);
    assert!(!shelf.arrive(1));
    assert_eq!(shelf.next(now), Step::Load(1, 40 * MB));
    shelf.loaded(1, 70 * MB, (0, 1));
    assert!(shelf.enter(1));
    shelf.leave(1, 1);
    now += 1;
    assert_eq!(call(&mut shelf, 2, &mut now)[..2], [Step::Unload(1), Step::Load(2, 40 * MB)]);
    assert_eq!(shelf.place(1).unwrap().wants.least, 70 * MB);
}

#[test]
fn a_tuned_model_comes_after_its_base_and_goes_before_it() {
    let (mut shelf, mut now) = (shelf(100, &[60, 80]), 0);
    tune(&mut shelf, 3, 1, 5);
    assert_eq!(
        call(&mut shelf, 3, &mut now),
        [Step::Load(1, 60 * MB), Step::Load(3, 5 * MB), Step::Rest(None)]
    );
    shelf.leave(3, now);
    let done = call(&mut shelf, 2, &mut now);
    assert_eq!(done[..3], [Step::Unload(3), Step::Unload(1), Step::Load(2, 80 * MB)]);
}

#[test]
fn a_base_stays_while_a_call_of_a_tuned_model_is_under_way() {
    let (mut shelf, mut now) = (shelf(100, &[60, 80]), 0);
    tune(&mut shelf, 3, 1, 5);
    call(&mut shelf, 3, &mut now);
    assert!(matches!(call(&mut shelf, 2, &mut now)[..], [Step::Rest(Some(_))]));
    now += TURN_MS_MIN;
    assert_eq!(settle(&mut shelf, &mut now), [Step::Rest(None)]);
    assert!(!shelf.arrive(3) && !shelf.arrive(1), "both are closed");
    shelf.leave(3, now);
    let done = settle(&mut shelf, &mut now);
    assert_eq!(done[..3], [Step::Unload(3), Step::Unload(1), Step::Load(2, 80 * MB)]);
    now += TURN_MS_MIN;
    settle(&mut shelf, &mut now);
    shelf.leave(2, now);
    let done = settle(&mut shelf, &mut now);
    assert_eq!(done[..3], [Step::Unload(2), Step::Load(1, 60 * MB), Step::Load(3, 5 * MB)]);
}

#[test]
fn a_base_that_is_dismissed_takes_its_tuned_models_along() {
    let (mut shelf, mut now) = (shelf(100, &[60]), 0);
    tune(&mut shelf, 2, 1, 5);
    call(&mut shelf, 2, &mut now);
    shelf.dismiss(1);
    assert_eq!(settle(&mut shelf, &mut now), [Step::Rest(None)], "a call is under way");
    shelf.leave(2, now);
    assert_eq!(settle(&mut shelf, &mut now), [Step::Unload(2), Step::Unload(1), Step::Rest(None)]);
    // The tuned one goes alone, too.
    call(&mut shelf, 2, &mut now);
    shelf.leave(2, now);
    shelf.dismiss(2);
    assert_eq!(settle(&mut shelf, &mut now), [Step::Unload(2), Step::Rest(None)]);
    assert!(is_in(&shelf, 1));
    // And one that is asked for brings its base back.
    shelf.dismiss(1);
    shelf.ask(2);
    let done = settle(&mut shelf, &mut now);
    assert_eq!(done, [Step::Open(1), Step::Load(2, 5 * MB), Step::Rest(None)], "it had not gone yet");
}

#[test]
fn a_base_leaves_room_for_what_is_tuned_of_it() {
    let mut shelf = Shelf::new(100 * MB);
    let mut now = 0;
    shelf.add(1, Place::new(Wants { least: 40 * MB, most: 1000 * MB }, false, None));
    tune(&mut shelf, 2, 1, 5);
    tune(&mut shelf, 3, 1, 10);
    assert_eq!(call(&mut shelf, 2, &mut now)[..2], [Step::Load(1, 85 * MB), Step::Load(2, 5 * MB)]);
    assert_eq!(call(&mut shelf, 3, &mut now)[0], Step::Load(3, 10 * MB));
    assert_eq!(shelf.held_bytes(), 100 * MB);
    // Where there is not room for all, those that nobody uses make way for one another, and the base stays.
    let mut shelf = Shelf::new(50 * MB);
    shelf.add(1, Place::new(Wants { least: 40 * MB, most: 1000 * MB }, false, None));
    tune(&mut shelf, 2, 1, 5);
    tune(&mut shelf, 3, 1, 10);
    tune(&mut shelf, 4, 1, 11);
    assert_eq!(call(&mut shelf, 2, &mut now)[..2], [Step::Load(1, 40 * MB), Step::Load(2, 5 * MB)]);
    shelf.leave(2, now);
    assert_eq!(call(&mut shelf, 3, &mut now)[..2], [Step::Unload(2), Step::Load(3, 10 * MB)]);
    assert_eq!(call(&mut shelf, 4, &mut now)[0], Step::Refuse(4, Refusal::TooLarge));
    assert!(is_in(&shelf, 3));
}

#[test]
fn what_is_pinned_holds_its_base() {
    let (mut shelf, mut now) = (shelf(100, &[60, 80]), 0);
    tune(&mut shelf, 3, 1, 5);
    assert!(shelf.can_pin(3));
    shelf.pin(3, true);
    shelf.ask(3);
    assert_eq!(settle(&mut shelf, &mut now)[..2], [Step::Load(1, 60 * MB), Step::Load(3, 5 * MB)]);
    assert!(!shelf.can_pin(2));
    assert_eq!(call(&mut shelf, 2, &mut now)[0], Step::Refuse(2, Refusal::Pinned));
    assert!(is_in(&shelf, 1) && is_in(&shelf, 3));
}

#[test]
fn what_is_in_nobodys_way_takes_calls_while_another_waits_for_memory() {
    // 1 came first, but its going would not help; 2 alone must go.
    let (mut shelf, mut now) = (shelf(100, &[10, 80, 60]), 0);
    call(&mut shelf, 1, &mut now);
    call(&mut shelf, 2, &mut now);
    now += TURN_MS_MIN;
    assert_eq!(call(&mut shelf, 3, &mut now), [Step::Rest(None)]);
    assert!(shelf.arrive(1), "it is not closed");
    assert!(!shelf.arrive(2), "it is");
}

#[test]
fn what_was_closed_opens_again_once_another_can_go_instead() {
    let (mut shelf, mut now) = (shelf(100, &[50, 50, 40]), 0);
    call(&mut shelf, 1, &mut now);
    call(&mut shelf, 2, &mut now);
    now += TURN_MS_MIN;
    assert_eq!(call(&mut shelf, 3, &mut now), [Step::Rest(None)]);
    assert!(!shelf.arrive(1), "it is closed");
    shelf.leave(2, now);
    let done = settle(&mut shelf, &mut now);
    assert_eq!(done, [Step::Open(1), Step::Unload(2), Step::Load(3, 40 * MB), Step::Rest(None)]);
    assert_eq!(shelf.place(1).unwrap().users, 2);
}

#[test]
fn what_fits_beside_the_one_whose_turn_it_is_need_not_wait_for_it() {
    let (mut shelf, mut now) = (shelf(100, &[70, 80, 20, 25]), 0);
    call(&mut shelf, 1, &mut now);
    assert!(matches!(call(&mut shelf, 2, &mut now)[..], [Step::Rest(Some(_))]));
    assert_eq!(call(&mut shelf, 3, &mut now)[0], Step::Load(3, 20 * MB), "20 and 80 fit together");
    shelf.leave(3, now);
    assert!(matches!(call(&mut shelf, 4, &mut now)[..], [Step::Rest(Some(_))]), "25 and 80 do not");
    now += TURN_MS_MIN;
    settle(&mut shelf, &mut now);
    shelf.leave(1, now);
    assert_eq!(settle(&mut shelf, &mut now)[..2], [Step::Unload(1), Step::Load(2, 80 * MB)]);
}

/// Random calls of random models under random limits: the limit holds at every moment, what is in use or pinned stays,
/// and whoever waits is served or refused in the end.
#[test]
fn the_limit_holds_whatever_comes_and_nobody_waits_for_ever() {
    for seed in 1..200_u64 {
        let mut random = seed;
        let mut below = |end: u64| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) % end
        };
        let bases = 2 + below(5);
        let wants: Vec<u64> = (0..bases).map(|_| 10 + below(60)).collect();
        let (mut shelf, mut now) = (shelf(70, &wants), 0);
        let models = bases + below(5);
        for key in bases + 1..=models {
            tune(&mut shelf, key, 1 + below(bases), 1 + below(4));
        }
        shelf.pin(1, wants[0] < 20);
        let mut calls: Vec<(Key, u64)> = Vec::new();
        for _ in 0..200 {
            let key = 1 + below(models);
            if shelf.arrive(key) {
                calls.push((key, now + below(3_000)));
            }
            let before: Vec<_> = (1..=models).map(|key| shelf.place(key).unwrap().users).collect();
            for step in settle(&mut shelf, &mut now) {
                if let Step::Unload(key) = step {
                    assert!(!shelf.is_held(key), "seed {seed}: {key} is pinned");
                }
                assert!(shelf.held_bytes() <= shelf.bytes_max, "seed {seed}");
            }
            for (key, before) in (1..=models).zip(before) {
                let entered = shelf.place(key).unwrap().users - before;
                calls.extend((0..entered).map(|_| (key, now + below(3_000))));
            }
            for key in 1..=models {
                let place = shelf.place(key).unwrap();
                let base = place.base.filter(|_| place.state != State::Out);
                assert!(base.is_none_or(|base| is_in(&shelf, base)), "seed {seed}: {key} has no base");
            }
            now += below(500);
            calls.retain(|(key, end)| {
                let over = *end <= now;
                if over {
                    shelf.leave(*key, now);
                }
                !over
            });
        }
        for _ in 0..100 {
            calls.drain(..).for_each(|(key, _)| shelf.leave(key, now));
            now += TURN_MS_MIN;
            settle(&mut shelf, &mut now);
            for key in 1..=models {
                let users = shelf.place(key).unwrap().users;
                calls.extend((0..users).map(|_| (key, now)));
            }
        }
        calls.drain(..).for_each(|(key, _)| shelf.leave(key, now));
        let waiting: usize = (1..=models).map(|key| shelf.place(key).unwrap().waiting).sum();
        assert_eq!(waiting, 0, "seed {seed}");
    }
}
