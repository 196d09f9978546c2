use crate::key::{Key, KeyId};
use crate::pattern::Pattern;
use std::sync::Arc;

/// Somebody who proved who they are. Only [`authenticate`](crate::authenticate()) makes one.
#[derive(Clone, Debug)]
pub struct Caller {
    /// The key that was used.
    pub key: KeyId,
    /// The key's name, for people.
    pub name: Arc<str>,
    /// How it was proved.
    pub method: Method,
    /// What a signature was made for; long-term keys are made for nothing in particular.
    pub scope: Option<Scope>,
    models: Arc<[Pattern]>,
}

impl Caller {
    pub(crate) fn new(key: &Key, models: Arc<[Pattern]>, method: Method, scope: Option<Scope>) -> Self {
        Self { key: key.id.clone(), name: key.name.clone(), method, scope, models }
    }

    /// Whether the key may know of and use the model of this name: what listings show to this caller.
    #[must_use]
    pub fn may_use(&self, model: &str) -> bool {
        self.models.iter().any(|pattern| pattern.matches(model))
    }

    /// Whether the key is for every model there may ever be.
    #[must_use]
    pub fn may_use_all(&self) -> bool {
        self.models.contains(&Pattern::any())
    }
}

/// How a caller proved who they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// A Signature Version 4 in the `authorization` header.
    SigV4,
    /// A short-term API key (`bedrock-api-key-…`) as bearer token.
    ShortTerm,
    /// A long-term API key (`ABSK…`) as bearer token.
    LongTerm,
    /// An API key of either sort in `x-api-key`.
    ApiKeyHeader,
}

impl Method {
    /// The name for logs and records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SigV4 => "sigv4",
            Self::ShortTerm => "short-term-key",
            Self::LongTerm => "long-term-key",
            Self::ApiKeyHeader => "api-key-header",
        }
    }
}

/// The part of a credential scope that the client chooses freely.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// The region that the client believes it talks to, such as `us-east-1`. Any is taken.
    pub region: Box<str>,
    /// `bedrock` or `bedrock-mantle`.
    pub service: &'static str,
}
