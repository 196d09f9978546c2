use super::{path, query};

#[test]
fn a_path_is_encoded_once_more_and_never_decoded() {
    for (raw, canonical) in [
        ("", "/"),
        ("/", "/"),
        ("/model/m-v1%3A0/converse", "/model/m-v1%253A0/converse"),
        ("/model/m-v1:0/converse", "/model/m-v1%3A0/converse"),
        ("/model/arn%3Aaws%2Fid/invoke", "/model/arn%253Aaws%252Fid/invoke"),
        ("/a~b_c.d-e/", "/a~b_c.d-e/"),
        ("/a b\u{e9}", "/a%20b%C3%A9"),
        ("/a//b/./c/../d", "/a/b/d"),
        ("/../..", "/"),
        ("/..", "/"),
        ("//", "/"),
    ] {
        assert_eq!(path(raw), canonical, "{raw}");
    }
}

#[test]
fn a_query_is_sorted_and_left_as_it_was_encoded() {
    for (raw, canonical) in [
        ("", ""),
        ("b=2&a=1", "a=1&b=2"),
        ("a=2&a=1&a", "a=&a=1&a=2"),
        ("a=%20b%2Fc", "a=%20b%2Fc"),
        ("a=b:c/d=e", "a=b%3Ac%2Fd%3De"),
        ("&&a=1&", "a=1"),
        ("a-b=1&a=2", "a=2&a-b=1"),
    ] {
        assert_eq!(query(raw), canonical, "{raw}");
    }
}
