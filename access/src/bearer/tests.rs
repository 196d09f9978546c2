use super::{BASE64, SHORT_TERM_PREFIX, authenticate};
use crate::vectors::{self, API_KEY, KEY_ID, SHORT_TERM_KEY};
use crate::{Key, Keyring, Method, Pattern};
use base64::Engine as _;
use canon::{Kind, Refusal};
use proptest::prelude::*;

/// The vector is valid for an hour.
const HOUR_MS: u64 = 3_600_000;

fn url(token: &str) -> String {
    String::from_utf8(BASE64.decode(token.strip_prefix(SHORT_TERM_PREFIX).unwrap()).unwrap()).unwrap()
}

fn token(url: &str) -> String {
    format!("{SHORT_TERM_PREFIX}{}", BASE64.encode(url))
}

fn signed_ms() -> u64 {
    let url = url(SHORT_TERM_KEY);
    let date = url.split_once("X-Amz-Date=").unwrap().1.split('&').next().unwrap();
    crate::sigv4::Moment::parse_basic(date.as_bytes()).unwrap().seconds() * 1_000
}

#[track_caller]
fn check(token: &str, now_ms: u64, outcome: Result<Method, Refusal>) {
    let found = authenticate(token, None, &vectors::keyring(), now_ms);
    let found = found.map(|caller| caller.method).map_err(|fault| fault.kind().clone());
    assert_eq!(found, outcome.map_err(Kind::Unauthenticated), "{token}");
}

/// Changes the text inside the good token and presents it while it is valid.
#[track_caller]
fn check_change(from: &str, to: &str, refusal: Refusal) {
    let inner = url(SHORT_TERM_KEY);
    assert!(inner.contains(from), "{from} is not in {inner}");
    check(&token(&inner.replace(from, to)), signed_ms(), Err(refusal));
}

#[test]
fn what_the_token_generator_makes_is_accepted_until_it_is_over() {
    let now_ms = signed_ms();
    check(SHORT_TERM_KEY, now_ms, Ok(Method::ShortTerm));
    check(SHORT_TERM_KEY.trim_end_matches('='), now_ms, Ok(Method::ShortTerm));
    check(SHORT_TERM_KEY, now_ms + HOUR_MS - 1_000, Ok(Method::ShortTerm));
    check(SHORT_TERM_KEY, now_ms + HOUR_MS, Err(Refusal::Expired));
    check(SHORT_TERM_KEY, now_ms - 240_000, Ok(Method::ShortTerm));
    check(SHORT_TERM_KEY, now_ms - 600_000, Err(Refusal::Expired));
    let caller =
        authenticate(SHORT_TERM_KEY, Some(Method::ApiKeyHeader), &vectors::keyring(), now_ms).unwrap();
    assert_eq!(caller.method, Method::ApiKeyHeader);
    assert_eq!(&*caller.scope.unwrap().region, "us-east-1");
}

#[test]
fn a_short_term_key_that_was_changed_is_refused() {
    check_change("Expires=3600", "Expires=7200", Refusal::BadSignature);
    check_change("us-east-1", "us-east-2", Refusal::BadSignature);
    check_change("&Version=1", "&Extra=1&Version=1", Refusal::BadSignature);
    check_change("AKIAI", "AKIAJ", Refusal::UnknownKey);
    check_change("Expires=3600", "Expires=43201", Refusal::UnknownKey);
    check_change("Expires=3600", "Expires=0", Refusal::UnknownKey);
    check_change("Expires=3600", "Expires=99999999999999999999", Refusal::UnknownKey);
    check_change("&Version=1", "", Refusal::UnknownKey);
    check_change("&Version=1", "&Version=2", Refusal::UnknownKey);
    check_change("CallWithBearerToken", "Call", Refusal::UnknownKey);
    check_change("SignedHeaders=host", "SignedHeaders=host%3Bx", Refusal::UnknownKey);
    check_change("Action=", "Action=CallWithBearerToken&Action=", Refusal::UnknownKey);
    check_change("&Version=1", "&X-Amz-Security-Token=t&Version=1", Refusal::UnknownKey);
    check_change("bedrock.amazonaws.com", "example.com", Refusal::UnknownKey);
    check("bedrock-api-key-", 0, Err(Refusal::UnknownKey));
    check("bedrock-api-key-%%%", 0, Err(Refusal::UnknownKey));
}

#[test]
fn a_long_term_key_is_taken_only_as_it_was_given_out() {
    check(API_KEY, 0, Ok(Method::LongTerm));
    check(API_KEY.trim_end_matches('='), 0, Err(Refusal::UnknownKey));
    check(&API_KEY.replace("MDAw", "MDEw"), 0, Err(Refusal::UnknownKey));
    check("ABSK", 0, Err(Refusal::UnknownKey));
    check("sk-something", 0, Err(Refusal::UnknownKey));
    check(vectors::SECRET, 0, Err(Refusal::UnknownKey));
    let mut revoked = vectors::key();
    revoked.revoked = true;
    assert!(authenticate(API_KEY, None, &Keyring::new([revoked]), 0).is_err());
}

#[test]
fn a_minted_key_is_spelled_like_one_of_awss_and_works() {
    let entropy = std::array::from_fn(|index| (index * 37 + 11) as u8);
    let (key, minted) = Key::mint("ci", vec![Pattern::any()], 7, &entropy);
    let id = minted.access_key_id.as_str();
    assert_eq!((id.len(), &id[..4]), (20, "AKIA"));
    assert!(id[4..].bytes().all(|b| b.is_ascii_uppercase() || (b'2'..=b'7').contains(&b)), "{id}");
    assert_eq!(minted.secret_access_key.expose().len(), 40);
    let api_key = std::str::from_utf8(minted.api_key.expose()).unwrap();
    assert!(api_key.starts_with("ABSK"), "{api_key}");
    let caller = authenticate(api_key, None, &Keyring::new([key]), 8).unwrap();
    assert_eq!((caller.key.as_str(), &*caller.name), (id, "ci"));
    assert!(!format!("{minted:?}").contains(api_key));
    // Every byte of the entropy ends in one of the three.
    for index in 0..entropy.len() {
        let mut other = entropy;
        other[index] ^= 0x80;
        let (_, other) = Key::mint("ci", vec![], 7, &other);
        let same = other.access_key_id == minted.access_key_id
            && other.secret_access_key.expose() == minted.secret_access_key.expose()
            && other.api_key.expose() == minted.api_key.expose();
        assert!(!same, "byte {index} is not used");
    }
}

/// RFC 4648, section 10: "foobar" is MZXW6YTBOI; ten bytes make whole groups.
#[test]
fn ids_are_base_32() {
    let mut entropy = [0; 64];
    entropy[..10].copy_from_slice(b"foobarfooo");
    let (key, _) = Key::mint("", vec![], 0, &entropy);
    assert_eq!(key.id.as_str(), "AKIAMZXW6YTBOJTG633P");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_flipped_bit_in_a_token_is_refused(short in any::<bool>(), at in any::<prop::sample::Index>(), bit in 0..7_u8) {
        let mut token = if short { SHORT_TERM_KEY } else { API_KEY }.to_owned().into_bytes();
        let at = at.index(token.len());
        token[at] ^= 1 << bit;
        let token = String::from_utf8(token).unwrap();
        prop_assert!(authenticate(&token, None, &vectors::keyring(), signed_ms()).is_err(), "{token}");
    }

    #[test]
    fn a_flipped_bit_inside_a_short_term_key_is_refused(at in any::<prop::sample::Index>(), bit in 0..7_u8) {
        let mut inner = url(SHORT_TERM_KEY).into_bytes();
        let at = at.index(inner.len());
        inner[at] ^= 1 << bit;
        let inner = String::from_utf8(inner).unwrap();
        prop_assert!(authenticate(&token(&inner), None, &vectors::keyring(), signed_ms()).is_err(), "{inner}");
    }

    #[test]
    fn no_token_makes_it_panic(text in "[ -~]{0,100}", prefix in "(ABSK|bedrock-api-key-)?") {
        let presigned = format!("bedrock.amazonaws.com/?{text}&Version=1");
        for token in [format!("{prefix}{text}"), format!("{prefix}{}", BASE64.encode(&text)), token(&presigned)] {
            let refused = authenticate(&token, None, &vectors::keyring(), 0).is_err();
            prop_assert!(refused, "{}", token);
        }
    }

    #[test]
    fn any_owner_but_the_right_one_is_unknown(owner in "[A-Z2-7]{16}") {
        prop_assume!(KEY_ID != format!("AKIA{owner}"));
        let inner = format!("BedrockAPIKey-akia{}-at-000000000000:x", owner.to_ascii_lowercase());
        check(&format!("ABSK{}", BASE64.encode(inner)), 0, Err(Refusal::UnknownKey));
    }
}
