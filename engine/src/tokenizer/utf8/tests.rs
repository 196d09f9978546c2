use proptest::prelude::*;

use super::Utf8Buffer;

fn through<'b>(pieces: impl IntoIterator<Item = &'b [u8]>) -> String {
    let mut buffer = Utf8Buffer::default();
    let mut text: String = pieces.into_iter().map(|piece| buffer.push(piece)).collect();
    text.push_str(buffer.finish());
    text
}

#[test]
fn a_character_is_held_until_it_is_whole() {
    let mut buffer = Utf8Buffer::default();
    assert_eq!(buffer.push(b"a\xf0\x9f"), "a");
    assert_eq!(buffer.push(b"\x99"), "");
    assert_eq!(buffer.push(b"\x82b"), "🙂b");
    assert_eq!(buffer.finish(), "");
}

#[test]
fn what_never_becomes_a_character_is_shown_as_such() {
    assert_eq!(through([b"\xe2\x82".as_slice(), b"x"]), "\u{fffd}x");
    assert_eq!(through([b"\xe2\x82".as_slice()]), "\u{fffd}");
}

proptest! {
    #[test]
    fn any_split_of_any_bytes_gives_the_same_text(bytes: Vec<u8>, size in 1_usize..5) {
        prop_assert_eq!(through(bytes.chunks(size)), String::from_utf8_lossy(&bytes));
    }
}
