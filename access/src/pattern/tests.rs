use super::Pattern;

#[track_caller]
fn check(pattern: &str, name: &str, matches: bool) {
    assert_eq!(Pattern::new(pattern).matches(name), matches, "{pattern:?} on {name:?}");
}

#[test]
fn a_pattern_matches_the_whole_name_and_nothing_else() {
    check("*", "", true);
    check("*", "meta.llama3-1-8b-instruct-v1:0", true);
    check("meta.*", "meta.llama3-1-8b-instruct-v1:0", true);
    check("meta.*", "xmeta.llama3", false);
    check("meta.", "meta.llama3", false);
    check("*:0", "a:0:0", true);
    check("*:0", "a:0:1", false);
    check("a?c", "abc", true);
    check("a?c", "ac", false);
    check("a?", "aé", true);
    check("", "", true);
    check("", "a", false);
    check("*a*b*", "xxaxxbxx", true);
    check("*a*b*", "xxbxxaxx", false);
    check("**", "", true);
    check("?*", "", false);
    // A literal star in a name matches a star, and the pattern's letters are case-sensitive.
    check("a*", "a*", true);
    check("Meta.*", "meta.x", false);
}

#[test]
fn a_hostile_pattern_takes_no_exponential_time() {
    let pattern = "*a".repeat(200);
    check(&pattern, &"a".repeat(199), false);
    check(&pattern, &"a".repeat(2_000), true);
}
