use super::*;

#[test]
fn the_block_is_as_reviewed() {
    let ready = Ready {
        url: "http://127.0.0.1:4100".into(),
        data_dir: "/home/me/.local/share/outcrop".into(),
        models: vec!["huggingfacetb.smollm2-135m-instruct-v1:0".into()],
    };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/banner.txt");
    let actual = render(&ready);
    if std::env::var_os("BLESS").is_some_and(|value| value == "1") {
        std::fs::write(&path, &actual).unwrap();
    }
    assert_eq!(
        std::fs::read_to_string(path).unwrap_or_default(),
        actual,
        "run `cargo xtask bless` if it should differ"
    );
}

#[test]
fn a_path_is_one_word_whatever_it_holds() {
    for (path, word) in [("/a/b.c", "/a/b.c"), ("/a b", "'/a b'"), ("/it's", r"'/it'\''s'"), ("/é", "'/é'")]
    {
        assert_eq!(quoted(Path::new(path)), word);
    }
}
