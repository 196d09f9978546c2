use super::{AUTHORIZATION_BYTES_MAX, HEADERS_MAX, authenticate};
use crate::Method;
use crate::vectors::{self, API_KEY, Recorded};
use canon::{Kind, Refusal};

/// What becomes of a request with these headers: a method, or a refusal.
#[track_caller]
fn check(headers: &[(&str, &str)], outcome: Result<Method, Refusal>) {
    let found = Recorded::bare(headers).present(|presented| authenticate(presented, &vectors::keyring(), 0));
    let found = found.map(|caller| caller.method).map_err(|fault| fault.kind().clone());
    assert_eq!(found, outcome.map_err(Kind::Unauthenticated), "{headers:?}");
}

#[test]
fn without_credentials_nobody_gets_in() {
    check(&[], Err(Refusal::Missing));
    check(&[("host", "h"), ("x-amz-date", "20260101T000000Z")], Err(Refusal::Missing));
    check(&[("authorization", "")], Err(Refusal::Incomplete));
    check(&[("authorization", "Bearer")], Err(Refusal::Missing));
    check(&[("authorization", "Bearer  ")], Err(Refusal::Missing));
    check(&[("x-api-key", "")], Err(Refusal::Missing));
    check(&[("authorization", "Basic dTpw")], Err(Refusal::Incomplete));
}

#[test]
fn a_long_term_key_works_in_both_headers() {
    let bearer = format!("Bearer {API_KEY}");
    check(&[("authorization", &bearer)], Ok(Method::LongTerm));
    check(&[("authorization", &bearer.replace("Bearer", "bearer"))], Ok(Method::LongTerm));
    check(&[("x-api-key", API_KEY)], Ok(Method::ApiKeyHeader));
    check(&[("authorization", API_KEY)], Err(Refusal::Incomplete));
}

#[test]
fn of_several_credentials_one_counts_and_no_other_is_tried() {
    let bearer = format!("Bearer {API_KEY}");
    check(&[("x-api-key", "wrong"), ("authorization", &bearer)], Ok(Method::LongTerm));
    check(&[("x-api-key", API_KEY), ("authorization", "Bearer wrong")], Err(Refusal::UnknownKey));
    check(&[("authorization", &bearer), ("authorization", &bearer)], Err(Refusal::Incomplete));
    check(&[("x-api-key", API_KEY), ("x-api-key", API_KEY)], Err(Refusal::Incomplete));
}

#[test]
fn a_presigned_url_is_not_a_credential() {
    let mut request = Recorded::bare(&[("host", "h")]);
    request.query = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=00".into();
    let fault = request.present(|presented| authenticate(presented, &vectors::keyring(), 0)).unwrap_err();
    assert_eq!(fault.kind(), &Kind::Unauthenticated(Refusal::Incomplete));
}

#[test]
fn headers_are_limited_in_number_and_size() {
    let long = "x".repeat(AUTHORIZATION_BYTES_MAX + 1);
    check(&[("authorization", &long)], Err(Refusal::Incomplete));
    check(&[("x-api-key", &long)], Err(Refusal::Incomplete));
    let many = vec![("x", "y"); HEADERS_MAX + 1];
    let fault = Recorded::bare(&many)
        .present(|presented| authenticate(presented, &vectors::keyring(), 0))
        .unwrap_err();
    assert_eq!(fault.kind().code(), "malformed");
    let mut request = Recorded::bare(&[("authorization", "")]);
    *request.header("authorization") = vec![0xff];
    assert!(request.present(|presented| authenticate(presented, &vectors::keyring(), 0)).is_err());
}
