use canon::Kind;
use serde::Deserialize;

use super::decode;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only its faults are looked at")]
struct Shape {
    name: String,
    #[serde(default)]
    inner: Vec<Shape>,
}

fn check(body: &str, code: &str, message: &str) {
    let fault = decode::<Shape>(body.as_bytes()).expect_err("should fail");
    assert_eq!((fault.kind().code(), fault.message()), (code, message), "{body}");
}

#[test]
fn a_fault_names_the_member() {
    check(r#"{"name":1}"#, "malformed", "name: invalid type: integer `1`, expected a string");
    check(r#"{"inner":[]}"#, "malformed", "name: this member is required");
    check(
        r#"{"name":"a","inner":[{"name":"b"},{"name":null}]}"#,
        "malformed",
        "inner[1].name: invalid type: null, expected a string",
    );
    check(r#"{"name":"a","nome":2}"#, "unsupported", "nome: this member is not supported; leave it out");
    check(
        r#"{"name":"a","inner":[{"name":"b","nome":2}]}"#,
        "unsupported",
        "inner[0].nome: this member is not supported; leave it out",
    );
}

#[test]
fn faults_are_in_words_of_json() {
    check(r#"{"name":"a","inner":{}}"#, "malformed", "inner: invalid type: object, expected a list");
    check("[]", "malformed", "invalid type: list, expected an object");
    check(r#"["a",[]]"#, "malformed", "invalid type: list, expected an object");
}

#[test]
fn text_that_is_not_json_is_malformed() {
    for body in ["", "{", "hello", "{\"name\":\"a\"} x", "{\"name\":\"\u{7}\"}"] {
        let fault = decode::<Shape>(body.as_bytes()).expect_err("should fail");
        assert_eq!(*fault.kind(), Kind::Malformed { path: String::new() }, "{body}");
        assert!(fault.message().starts_with("The body is not valid JSON: "), "{body}: {fault}");
    }
}

#[test]
fn nesting_is_bounded() {
    let body = "[".repeat(100_000);
    let fault = decode::<serde_json::Value>(body.as_bytes()).expect_err("should fail");
    assert!(fault.message().contains("recursion limit"), "{fault}");
}
