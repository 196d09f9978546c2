use super::*;

#[test]
fn every_kind_of_fault_has_its_page() {
    let codes: Vec<&str> = PAGES.iter().map(|(code, _)| *code).collect();
    assert_eq!(codes, canon::Kind::CODES);
    for (code, page) in PAGES {
        assert!(page.starts_with(&format!("# {code}: ")), "{code}");
    }
}

#[test]
fn a_fault_is_found_by_its_code_and_by_what_a_client_sees() {
    let codes = |name: &str| meant(name).iter().map(|(code, _)| *code).collect::<Vec<_>>();
    assert_eq!(codes("Too-Large"), ["too-large"]);
    assert_eq!(codes("ThrottlingException"), ["throttled"]);
    assert!(codes("ValidationException").contains(&"malformed"));
    assert_eq!(codes("nothing"), [""; 0]);
}
