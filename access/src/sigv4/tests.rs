use super::{Claim, Credential, Moment, SKEW_SECONDS_MAX, canonical_hash, hex, sign, unhex};
use crate::vectors::{self, Recorded};
use crate::{Caller, Method, authenticate};
use canon::{Fault, Kind, Refusal};
use proptest::prelude::*;
use sha2::{Digest as _, Sha256};

const MINUTE_MS: u64 = 60_000;

fn present(request: &Recorded, now_ms: u64) -> Result<Caller, Fault> {
    request.present(|presented| authenticate(presented, &vectors::keyring(), now_ms))
}

#[track_caller]
fn check_refused(request: &Recorded, now_ms: u64, refusal: Refusal, message: &str) {
    let fault = present(request, now_ms).unwrap_err();
    assert_eq!(fault.kind(), &Kind::Unauthenticated(refusal), "{fault}");
    assert!(fault.message().contains(message), "{fault}");
}

/// Changes a good request, presents it at the time of its signature, and expects a refusal.
#[track_caller]
fn check_change(change: impl FnOnce(&mut Recorded), refusal: Refusal, message: &str) {
    let mut request = Recorded::named("boto3-converse");
    let now_ms = request.signed_ms();
    change(&mut request);
    check_refused(&request, now_ms, refusal, message);
}

fn replace(request: &mut Recorded, header: &str, from: &str, to: &str) {
    let value = String::from_utf8(request.header(header).clone()).unwrap();
    assert!(value.contains(from), "{from} is not in {value}");
    *request.header(header) = value.replace(from, to).into_bytes();
}

#[test]
fn what_real_clients_sign_is_accepted() {
    for (name, text) in vectors::ALL {
        let mut request = Recorded::parse(text);
        let now_ms = request.signed_ms();
        let caller = present(&request, now_ms).unwrap_or_else(|fault| panic!("{name}: {fault:?}"));
        assert_eq!(caller.key.as_str(), vectors::KEY_ID);
        assert_eq!(caller.method, Method::SigV4);
        let scope = caller.scope.unwrap();
        assert_eq!((&*scope.region, scope.service), ("us-east-1", "bedrock"));
    }
}

/// The vectors together cover what the rule about paths is for.
#[test]
fn the_vectors_hold_every_spelling_of_a_path() {
    let path = |name| Recorded::named(name).path;
    assert!(path("boto3-converse").contains("%3A"));
    assert!(path("boto3-arn").contains("%2F"));
    assert!(path("anthropic-bedrock").contains("v2:1"));
    assert!(path("boto3-prefix").starts_with("/a/prefix/model/"));
    assert!(Recorded::named("boto3-list-models").query.contains("%2F"));
    assert!(Recorded::named("js-converse").headers.iter().any(|(name, _)| name == ":authority"));
}

/// "±4 minutes pass, ±10 do not": the limit is five.
#[test]
fn a_clock_may_be_five_minutes_off_and_no_more() {
    let mut request = Recorded::named("boto3-converse");
    let signed_ms = request.signed_ms();
    let edge_ms = SKEW_SECONDS_MAX * 1_000;
    for now_ms in
        [signed_ms - edge_ms, signed_ms - 4 * MINUTE_MS, signed_ms + 4 * MINUTE_MS, signed_ms + edge_ms]
    {
        present(&request, now_ms).unwrap();
    }
    check_refused(&request, signed_ms + 10 * MINUTE_MS, Refusal::Expired, "Signature expired: 20");
    check_refused(&request, signed_ms + edge_ms + 1_000, Refusal::Expired, "is now earlier than");
    check_refused(&request, signed_ms - 10 * MINUTE_MS, Refusal::Expired, "Signature not yet current: 20");
    check_refused(&request, signed_ms - edge_ms - 1_000, Refusal::Expired, "is still later than");
    check_refused(&request, 0, Refusal::Expired, "not yet current");
    check_refused(&request, u64::MAX, Refusal::Expired, "Signature expired");
}

#[test]
fn a_signature_covers_method_path_query_headers_and_body() {
    let does_not_match = "The request signature we calculated does not match";
    check_change(|r| r.method = "PUT".into(), Refusal::BadSignature, does_not_match);
    check_change(|r| r.path.push('x'), Refusal::BadSignature, does_not_match);
    check_change(|r| r.path = r.path.replace("%3A", ":"), Refusal::BadSignature, does_not_match);
    check_change(|r| r.query = "a=b".into(), Refusal::BadSignature, does_not_match);
    check_change(|r| r.body.push(b' '), Refusal::BadSignature, does_not_match);
    check_change(|r| r.header("host").push(b'0'), Refusal::BadSignature, does_not_match);
    check_change(|r| r.headers.retain(|h| h.0 != "content-type"), Refusal::BadSignature, does_not_match);
    check_change(|r| r.headers.push(("host".into(), b"b".to_vec())), Refusal::BadSignature, does_not_match);
    // The JavaScript SDK says what the body's hash is, so the message can be more helpful.
    let mut request = Recorded::named("js-converse");
    let now_ms = request.signed_ms();
    request.body[0] ^= 1;
    check_refused(&request, now_ms, Refusal::BadSignature, "x-amz-content-sha256");
}

#[test]
fn what_is_not_covered_may_change_on_the_way() {
    let mut request = Recorded::named("boto3-converse");
    let now_ms = request.signed_ms();
    *request.header("accept-encoding") = b"gzip".to_vec();
    request.headers.push(("via".into(), b"1.1 proxy".to_vec()));
    *request.header("content-type") = b"  application/json\t".to_vec();
    request.path.insert_str(0, "/.//x/..");
    present(&request, now_ms).unwrap();
}

#[test]
fn a_scope_must_fit() {
    let in_authorization = |from: &'static str, to: &'static str| {
        move |request: &mut Recorded| replace(request, "authorization", from, to)
    };
    let misfit = Refusal::BadSignature;
    check_change(in_authorization("/bedrock/", "/s3/"), misfit, "correct service: 'bedrock'");
    check_change(in_authorization("aws4_request", "aws5_request"), misfit, "valid terminator");
    check_change(in_authorization("/us-east-1/", "//"), misfit, "valid region");
    check_change(in_authorization("/us-east-1/", "/us-east-2/"), misfit, "does not match");
    check_change(in_authorization("/bedrock/", "/bedrock-mantle/"), misfit, "does not match");
    check_change(in_authorization("/2026", "/2025"), misfit, "Date in Credential scope");
    check_change(in_authorization("/2026", "/26"), misfit, "scoped to a day");
}

#[test]
fn an_incomplete_signature_is_told_what_it_lacks() {
    let in_authorization = |from: &'static str, to: &'static str| {
        move |request: &mut Recorded| replace(request, "authorization", from, to)
    };
    let lacks = Refusal::Incomplete;
    check_change(in_authorization("Credential=", "X=y, Credential="), lacks, "does not have the form");
    check_change(in_authorization("Credential=", "Signature=, Credential="), lacks, "does not have the form");
    check_change(in_authorization("content-type;host", "host;content-type"), lacks, "sorted");
    check_change(in_authorization("content-type;host", "Content-Type;host"), lacks, "lower case");
    check_change(in_authorization("content-type;host;", ""), lacks, "'Host'");
    check_change(
        in_authorization("AWS4-HMAC-SHA256 ", "AWS4-HMAC-SHA256"),
        lacks,
        "Authorization must start",
    );
    check_change(in_authorization("/us-east-1/bedrock/aws4_request", ""), lacks, "5 slash-delimited");
    check_change(|r| r.headers.retain(|h| h.0 != "x-amz-date"), lacks, "X-Amz-Date");
    check_change(|r| *r.header("x-amz-date") = b"yesterday".to_vec(), lacks, "20260131T235959Z");
    check_change(
        |r| r.headers.push(("x-amz-content-sha256".into(), b"UNSIGNED-PAYLOAD".to_vec())),
        lacks,
        "unsigned and chunked payloads are not",
    );
    for parameter in ["Credential", "SignedHeaders", "Signature"] {
        check_change(
            |r| {
                let value = String::from_utf8(r.header("authorization").clone()).unwrap();
                let rest = value.strip_prefix("AWS4-HMAC-SHA256 ").unwrap();
                let kept: Vec<_> = rest.split(", ").filter(|p| !p.starts_with(parameter)).collect();
                *r.header("authorization") = format!("AWS4-HMAC-SHA256 {}", kept.join(",")).into_bytes();
            },
            lacks,
            &format!("requires '{parameter}' parameter"),
        );
    }
    let many: Vec<String> = (0..65).map(|n| format!("a{n:03}")).collect();
    check_change(
        |r| replace(r, "authorization", "content-type;", &format!("{};content-type;", many.join(";"))),
        lacks,
        "more than 64",
    );
}

#[test]
fn a_key_that_is_unknown_revoked_or_over_is_refused_in_the_same_words() {
    let unknown = "The security token included in the request is invalid.";
    check_change(|r| replace(r, "authorization", "AKIAI", "AKIAJ"), Refusal::UnknownKey, unknown);
    check_change(
        |r| r.headers.push(("x-amz-security-token".into(), b"token".to_vec())),
        Refusal::UnknownKey,
        unknown,
    );
    let mut request = Recorded::named("boto3-converse");
    let now_ms = request.signed_ms();
    let with = |change: fn(&mut crate::Key, u64)| {
        let mut key = vectors::key();
        change(&mut key, now_ms);
        request.present(|presented| authenticate(presented, &crate::Keyring::new([key]), now_ms))
    };
    assert_eq!(with(|key, _| key.revoked = true).unwrap_err().message(), unknown);
    assert_eq!(with(|key, now_ms| key.expires_ms = Some(now_ms)).unwrap_err().message(), unknown);
    with(|key, now_ms| key.expires_ms = Some(now_ms + 1)).unwrap();
    let wrong_secret = with(|key, _| key.secret = canon::Secret::new("another")).unwrap_err();
    assert_eq!(wrong_secret.kind(), &Kind::Unauthenticated(Refusal::BadSignature));
}

#[test]
fn a_digest_has_one_spelling() {
    let bytes: [u8; 32] = std::array::from_fn(|index| (index * 8 + 7) as u8);
    let text = hex(&bytes);
    assert_eq!(unhex(&text), Some(bytes));
    assert_eq!(unhex(&text.to_ascii_uppercase()), None);
    assert_eq!(unhex(&text[1..]), None);
    assert_eq!(unhex(&text[2..]), None);
    assert_eq!(unhex(&format!("{text}00")), None);
}

/// When the requests that we sign ourselves are signed: 784111777 seconds, the example of RFC 9110, section 5.6.7.
const SIGNED: &str = "19941106T084937Z";
const SIGNED_MS: u64 = 784_111_777_000;

/// Signs a request for `service`. Only for what no recorded client does; the vectors hold us to the specification.
fn sign_for(service: &str, request: &mut Recorded) {
    let mut names: Vec<&str> = request.headers.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let signed = names.join(";");
    let scope = format!("{}/19941106/eu-west-1/{service}/aws4_request", vectors::KEY_ID);
    let payload = hex(&Sha256::digest(&request.body).into());
    let claim = Claim {
        credential: &Credential::parse(&scope).unwrap(),
        moment: Moment::from_seconds(SIGNED_MS / 1_000),
        request: request.present(|presented| canonical_hash(presented, &signed, payload.as_bytes())).unwrap(),
        signature: [0; 32],
    };
    let signature = hex(&sign(&canon::Secret::new(vectors::SECRET), &claim, SIGNED));
    let value = format!("AWS4-HMAC-SHA256 Credential={scope},SignedHeaders={signed},Signature={signature}");
    request.headers.push(("authorization".into(), value.into_bytes()));
}

#[test]
fn a_date_header_will_do_where_there_is_no_amz_date() {
    for date in ["Sun, 06 Nov 1994 08:49:37 GMT", SIGNED] {
        let mut request = Recorded::bare(&[("host", "h"), ("date", date)]);
        sign_for("bedrock", &mut request);
        present(&request, SIGNED_MS).unwrap();
        *request.header("date") = b"Sun, 06 Nov 1994 08:49:38 GMT".to_vec();
        check_refused(&request, SIGNED_MS, Refusal::BadSignature, "does not match");
        *request.header("date") = b"06.11.1994".to_vec();
        check_refused(&request, SIGNED_MS, Refusal::Incomplete, "Date must be");
    }
}

/// Claude Code leaves the port out of the host, sends it so and signs it so.
#[test]
fn a_host_is_what_was_received() {
    for host in ["127.0.0.1", "127.0.0.1:4100", "outcrop.example"] {
        let mut request = Recorded::bare(&[("host", host), ("x-amz-date", SIGNED)]);
        sign_for("bedrock", &mut request);
        present(&request, SIGNED_MS).unwrap();
        request.header("host").extend(b":1");
        check_refused(&request, SIGNED_MS, Refusal::BadSignature, "does not match");
    }
}

#[test]
fn clients_of_the_openai_surface_sign_for_another_service() {
    let mut request = Recorded::bare(&[("host", "h"), ("x-amz-date", SIGNED)]);
    sign_for("bedrock-mantle", &mut request);
    assert_eq!(present(&request, SIGNED_MS).unwrap().scope.unwrap().service, "bedrock-mantle");
}

/// "Append a comma-separated list of values for that header", in the order in which they came.
#[test]
fn a_repeated_header_is_signed_as_a_list() {
    let headers = [("host", "h"), ("x-a", " one   two "), ("x-amz-date", SIGNED), ("x-a", "three")];
    let mut request = Recorded::bare(&headers);
    sign_for("bedrock", &mut request);
    present(&request, SIGNED_MS).unwrap();
    let mut joined = request.clone();
    joined.headers.retain(|(name, _)| name != "x-a");
    joined.headers.push(("x-a".into(), b"one two,three".to_vec()));
    present(&joined, SIGNED_MS).unwrap();
    joined.header("x-a").reverse();
    check_refused(&joined, SIGNED_MS, Refusal::BadSignature, "does not match");
}

/// The parts of a request that its signature covers, in the order in which the property below counts their bytes.
fn signed_parts(request: &mut Recorded) -> Vec<&mut [u8]> {
    let authorization = String::from_utf8(request.header("authorization").clone()).unwrap();
    let signed = authorization.split_once("SignedHeaders=").unwrap().1.split(',').next().unwrap().to_owned();
    let covered = move |name: &str| {
        name == "authorization" || name == "x-amz-date" || signed.split(';').any(|s| s == name)
    };
    let headers =
        request.headers.iter_mut().filter(|(name, _)| covered(name)).map(|(_, value)| value.as_mut_slice());
    headers.chain([request.body.as_mut_slice()]).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_flipped_bit_in_a_signed_header_or_the_body_is_refused(
        vector in 0..vectors::ALL.len(), at in any::<prop::sample::Index>(), bit in 0..8_u8,
    ) {
        let mut request = Recorded::parse(vectors::ALL[vector].1);
        let now_ms = request.signed_ms();
        let mut parts = signed_parts(&mut request);
        let mut at = at.index(parts.iter().map(|part| part.len()).sum());
        for part in &mut parts {
            if let Some(byte) = part.get_mut(at) {
                *byte ^= 1 << bit;
                break;
            }
            at -= part.len();
        }
        prop_assert!(present(&request, now_ms).is_err());
    }

    #[test]
    fn a_flipped_bit_in_the_request_line_is_refused(
        vector in 0..vectors::ALL.len(), at in any::<prop::sample::Index>(), bit in 0..7_u8,
    ) {
        let mut request = Recorded::parse(vectors::ALL[vector].1);
        let now_ms = request.signed_ms();
        let line = format!("{} {} {}", request.method, request.path, request.query);
        let mut bytes = line.clone().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        let line = String::from_utf8(bytes).unwrap();
        let mut words = line.splitn(3, ' ');
        let mut word = || words.next().unwrap_or_default().to_owned();
        (request.method, request.path, request.query) = (word(), word(), word());
        prop_assert!(present(&request, now_ms).is_err(), "{line}");
    }

    #[test]
    fn no_header_makes_it_panic(authorization in "(AWS4-HMAC-SHA256 )?[ -~]{0,200}", date in "[ -~]{0,40}") {
        let headers = [("host", "h"), ("authorization", &*authorization), ("x-amz-date", &*date), ("date", &*date)];
        prop_assert!(present(&Recorded::bare(&headers), 0).is_err());
        prop_assert!(present(&Recorded::bare(&headers[..2]), 0).is_err());
    }

    #[test]
    fn no_almost_right_header_makes_it_panic(at in any::<prop::sample::Index>(), with in "[ -~é]{0,3}", length in 0..4_usize) {
        let mut request = Recorded::named("anthropic-bedrock");
        let now_ms = request.signed_ms();
        let mut value = String::from_utf8(request.header("authorization").clone()).unwrap();
        let start = at.index(value.len());
        let end = (start + length).min(value.len());
        prop_assume!(value[start..end] != with);
        value.replace_range(start..end, &with);
        *request.header("authorization") = value.into_bytes();
        _ = present(&request, now_ms);
    }
}
