use super::*;

#[test]
fn a_redirect_leads_anywhere_but_into_the_open() {
    for (base, location, expected) in [
        ("https://a/x/y", "/z?q=1", Some("https://a/z?q=1")),
        ("https://a/x", "https://b:8443/z", Some("https://b:8443/z")),
        ("http://a/x", "http://b/z", Some("http://b/z")),
        ("http://a/x", "https://b/z", Some("https://b/z")),
        ("https://a/x", "http://a/x", None),
        ("https://a/x", "ftp://b/z", None),
        ("https://a/x", "z", None),
        ("https://a/x", "", None),
    ] {
        let found = resolve(&base.parse().unwrap(), location).map(|uri| uri.to_string());
        assert_eq!(found.as_deref(), expected, "{base} -> {location}");
    }
}
