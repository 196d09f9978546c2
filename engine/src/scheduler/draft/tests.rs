use super::*;

#[test]
fn a_text_goes_on_as_it_did_after_its_longest_and_latest_like() {
    for (tokens, same, next) in [
        (&[1, 2, 3, 9, 3][..], 1, [9, 3, 9]),
        (&[1, 2, 3, 4, 1, 2], 2, [3, 4, 1]),
        (&[1, 2, 3, 1, 2, 4, 1, 2], 2, [4, 1, 2]),
        (&[7, 1, 2, 3, 8, 1, 2, 4, 7, 1, 2], 3, [3, 8, 1]),
        (&[5, 5, 5, 5], 3, [5, 5, 5]),
        (&[1, 2, 1, 2, 1, 2, 1, 2, 1, 2], SAME_TOKENS_MAX, [1, 2, 1]),
    ] {
        let passage = Passage::find(tokens).unwrap();
        assert_eq!(passage.same, same, "{tokens:?}");
        assert!(passage.follow(tokens).take(3).eq(next), "{tokens:?}");
    }
    for tokens in [&[][..], &[1], &[1, 2, 3]] {
        assert_eq!(Passage::find(tokens), None);
    }
}

#[test]
fn a_passage_far_back_is_followed_from_where_it_is_in_the_text() {
    let fresh = 0..LOOK_BACK_TOKENS_MAX as u32;
    let tokens: Vec<u32> = fresh.clone().chain(fresh.end + 100..fresh.end + 200).chain([150, 151]).collect();
    let passage = Passage::find(&tokens).unwrap();
    assert!(passage.follow(&tokens).take(2).eq([152, 153]));
    // One token more, and it lies too far back.
    let tokens: Vec<u32> =
        [7, 8, 9].into_iter().chain(100..100 + LOOK_BACK_TOKENS_MAX as u32).chain([8]).collect();
    assert_eq!(Passage::find(&tokens), None);
}

#[test]
fn what_one_token_led_to_says_nothing_of_what_several_did() {
    let mut trusts = Trusts::default();
    for _ in 0..20 {
        trusts.of(1).learn(1, 0);
    }
    assert_eq!(trusts.of(1).guesses(0.2, 8), 0);
    assert!(trusts.of(2).guesses(0.2, 8) > 0);
    assert!(trusts.of(SAME_TOKENS_MAX).guesses(0.2, 8) > 0);
}

#[test]
fn guesses_stop_where_they_are_wrong_and_are_tried_again() {
    let mut trust = Trust::default();
    assert_eq!(trust.guesses(0.2, 8), 1);
    for _ in 0..20 {
        trust.learn(2, 0);
    }
    assert_eq!(trust.guesses(0.2, 8), 0);
    for _ in 0..60 {
        trust.recover();
    }
    assert!(trust.guesses(0.2, 8) > 0);
    for _ in 0..40 {
        trust.learn(4, 4);
    }
    assert_eq!(trust.guesses(0.2, 8), 8);
    assert_eq!(trust.guesses(1.0, 8), 0);
}
