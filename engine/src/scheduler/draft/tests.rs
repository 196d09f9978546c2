use super::*;

#[test]
fn a_text_goes_on_as_it_did_after_its_longest_and_latest_like() {
    for (tokens, next) in [
        (&[][..], &[][..]),
        (&[1], &[]),
        (&[1, 2, 3, 9, 3], &[]),
        (&[1, 2, 3, 4, 1, 2], &[3, 4, 1]),
        (&[1, 2, 3, 1, 2, 4, 1, 2], &[4, 1, 2]),
        (&[7, 1, 2, 3, 8, 1, 2, 4, 7, 1, 2], &[3, 8, 1]),
        (&[5, 5, 5, 5], &[5]),
    ] {
        assert_eq!(look_up(tokens, 3), next, "{tokens:?}");
    }
}

#[test]
fn guesses_stop_where_they_are_wrong_and_are_tried_again() {
    let mut trust = Trust::default();
    assert_eq!(trust.guesses(0.2, 8), 2);
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
