//! Requests that real clients signed, and the key pair that they signed with: `vectors/record.py` made them.

use crate::{Key, KeyId, Keyring, Presented};
use canon::Secret;
use sha2::{Digest as _, Sha256};

pub(crate) const KEY_ID: &str = "AKIAIOSFODNN7EXAMPLE";
pub(crate) const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
/// `BedrockAPIKey-akiaiosfodnn7example-at-000000000000:hunter2` in base 64.
pub(crate) const API_KEY: &str =
    "ABSKQmVkcm9ja0FQSUtleS1ha2lhaW9zZm9kbm43ZXhhbXBsZS1hdC0wMDAwMDAwMDAwMDA6aHVudGVyMg==";
pub(crate) const SHORT_TERM_KEY: &str = include_str!("../vectors/short-term-key.txt").trim_ascii_end();

macro_rules! vectors {
    ($($name:literal),+ $(,)?) => {
        /// Each vector's name and text.
        pub(crate) const ALL: &[(&str, &str)] = &[$(($name, include_str!(concat!("../vectors/", $name, ".http")))),+];
    };
}

vectors![
    "anthropic-bedrock",
    "anthropic-bedrock-stream",
    "boto3-arn",
    "boto3-converse",
    "boto3-invoke-model",
    "boto3-list-models",
    "boto3-prefix",
    "js-converse",
    "js-converse-stream",
];

/// The key that every vector is signed with.
pub(crate) fn key() -> Key {
    Key {
        id: KeyId::new(KEY_ID),
        name: "example".into(),
        secret: Secret::new(SECRET),
        bearer_sha256: Sha256::digest(API_KEY).into(),
        models: vec!["*".into()],
        created_ms: 0,
        expires_ms: None,
        revoked: false,
    }
}

pub(crate) fn keyring() -> Keyring {
    Keyring::new([key()])
}

/// A request that tests may change before they present it.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) query: String,
    pub(crate) headers: Vec<(String, Vec<u8>)>,
    pub(crate) body: Vec<u8>,
}

impl Recorded {
    pub(crate) fn parse(text: &str) -> Self {
        let (head, body) = text.split_once("\n\n").unwrap();
        let mut lines = head.lines();
        let mut request = lines.next().unwrap().split(' ');
        let (method, target) = (request.next().unwrap(), request.next().unwrap());
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let header = |line: &str| {
            // `:authority` begins with what ends other names.
            let colon = line[1..].find(':').unwrap() + 1;
            (line[..colon].to_ascii_lowercase(), line[colon + 1..].trim().as_bytes().to_vec())
        };
        Self {
            method: method.into(),
            path: path.into(),
            query: query.into(),
            headers: lines.map(header).collect(),
            body: body.as_bytes().to_vec(),
        }
    }

    pub(crate) fn named(name: &str) -> Self {
        Self::parse(ALL.iter().find(|(vector, _)| *vector == name).unwrap().1)
    }

    /// A request with nothing but these headers.
    pub(crate) fn bare(headers: &[(&str, &str)]) -> Self {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), value.as_bytes().to_vec()));
        Self {
            method: "POST".into(),
            path: "/model/m/converse".into(),
            query: String::new(),
            headers: headers.collect(),
            body: b"{}".to_vec(),
        }
    }

    pub(crate) fn header(&mut self, name: &str) -> &mut Vec<u8> {
        &mut self.headers.iter_mut().find(|(header, _)| header == name).unwrap().1
    }

    /// When it was signed, in milliseconds since the Unix epoch.
    pub(crate) fn signed_ms(&mut self) -> u64 {
        crate::sigv4::Moment::parse_basic(self.header("x-amz-date")).unwrap().seconds() * 1_000
    }

    pub(crate) fn present<T>(&self, to: impl FnOnce(&Presented<'_>) -> T) -> T {
        let headers: Vec<(&str, &[u8])> =
            self.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice())).collect();
        to(&Presented {
            method: &self.method,
            path: &self.path,
            query: &self.query,
            headers: &headers,
            body: &self.body,
        })
    }
}
