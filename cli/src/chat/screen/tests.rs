use super::*;

#[test]
fn a_text_cannot_command_the_terminal() {
    assert_eq!(harmless("a\x1b[2Jb\r\n\tc\u{9b}31m\u{7}"), "a[2Jb\n\tc31m");
}

#[test]
fn the_usage_line_counts_the_whole_prompt_and_everything_generated() {
    let usage = Usage { cache_read: 10, reasoning: 5, ..Usage::plain(7, 9) };
    assert_eq!(usage_line(usage, Duration::from_millis(1260)), "17 tokens in, 14 out, 1.3 s");
}
