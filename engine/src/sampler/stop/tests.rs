use proptest::prelude::*;

use super::StopScanner;

/// What passes, and the stop sequence that was met, when `pieces` come one after another.
fn scan<'t>(stops: &[String], pieces: impl IntoIterator<Item = &'t str>) -> (String, Option<String>) {
    let mut scanner = StopScanner::new(stops);
    let mut text = String::new();
    for piece in pieces {
        let passed = scanner.push(piece);
        text.push_str(&passed.text);
        if passed.stop.is_some() {
            return (text, passed.stop);
        }
    }
    text.push_str(&scanner.finish());
    (text, None)
}

fn check(stops: &[&str], pieces: &[&str], text: &str, stop: Option<&str>) {
    let stops: Vec<String> = stops.iter().map(|stop| (*stop).to_owned()).collect();
    assert_eq!(scan(&stops, pieces.iter().copied()), (text.to_owned(), stop.map(str::to_owned)));
}

#[test]
fn the_answer_ends_before_a_stop_sequence_however_it_is_cut() {
    check(&["END"], &["one E", "N", "D two"], "one ", Some("END"));
    check(&["END"], &["one E", "N", "E", "END"], "one ENE", Some("END"));
    check(&["END"], &["one EN"], "one EN", None);
    check(&["aab"], &["a", "a", "a", "b"], "a", Some("aab"));
    check(&["漢字"], &["x漢", "字y"], "x", Some("漢字"));
    check(&["abc", "b"], &["abc"], "a", Some("b"));
    check(&["bc", "abc"], &["abc"], "", Some("abc"));
    check(&["", "x"], &["yx"], "y", Some("x"));
    check(&[], &["anything"], "anything", None);
}

#[test]
fn nothing_is_held_that_cannot_become_a_stop_sequence() {
    let mut scanner = StopScanner::new(&["END".to_owned()]);
    assert_eq!(scanner.push("a EN").text, "a ");
    assert_eq!(scanner.push("T b").text, "ENT b");
}

proptest! {
    #[test]
    fn any_split_of_a_text_ends_it_at_the_same_place(
        stops in prop::collection::vec("[ab漢]{1,3}", 1..4),
        text in "[abc漢]{0,20}",
        size in 1_usize..5,
    ) {
        let chars: Vec<char> = text.chars().collect();
        let pieces: Vec<String> = chars.chunks(size).map(|piece| piece.iter().collect()).collect();
        let whole = scan(&stops, chars.iter().map(char::to_string).collect::<Vec<_>>().iter().map(|s| &**s));
        prop_assert_eq!(scan(&stops, pieces.iter().map(|piece| &**piece)), whole);
    }
}
