use std::fmt;
use std::time::Duration;

/// Why something could not be done: a stable kind, a message for the caller that says what to do, and a detail for
/// the operator's log. It is logged once, where it is handled; its HTTP status is decided last, by the wire format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    kind: Kind,
    message: String,
    detail: Option<String>,
}

impl Fault {
    /// A fault with its public message. The message never holds a secret or another caller's data.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), detail: None }
    }

    /// Adds what only the operator should read: causes, addresses, upstream bodies.
    #[must_use]
    pub fn with_detail(mut self, detail: impl fmt::Display) -> Self {
        self.detail = Some(detail.to_string());
        self
    }

    /// The request is not what its format says it should be; `path` names the member.
    pub fn malformed(path: impl Into<String>, problem: impl fmt::Display) -> Self {
        let path = path.into();
        let message = if path.is_empty() { problem.to_string() } else { format!("{path}: {problem}") };
        Self::new(Kind::Malformed { path }, message)
    }

    /// The request is well formed, but `field` asks for what cannot be had here.
    pub fn unsupported(field: impl Into<String>, remedy: impl fmt::Display) -> Self {
        let field = field.into();
        let message = format!("{field}: {remedy}");
        Self::new(Kind::Unsupported { field }, message)
    }

    /// No model has this name. The text is Bedrock's own; clients match it.
    #[must_use]
    pub fn unknown_model() -> Self {
        Self::new(Kind::UnknownModel, "The provided model identifier is invalid.")
    }

    /// Something that should not happen did. The caller learns no more than that.
    pub fn internal(detail: impl fmt::Display) -> Self {
        Self::new(
            Kind::Internal,
            "Outcrop failed in a way that it should not. Retry, and if it happens again report the request id.",
        )
        .with_detail(detail)
    }

    /// What kind of fault it is.
    #[must_use]
    pub const fn kind(&self) -> &Kind {
        &self.kind
    }

    /// What the caller reads.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What only the operator reads.
    #[must_use]
    pub fn detail(&self) -> Option<&str> {
        self.detail.as_deref()
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Fault {}

/// The kinds of fault. Each has a stable [code](Kind::code) and a page of that name in `docs/errors/`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The request is not what its format says it should be.
    Malformed {
        /// The offending member, such as `messages[0].content`; empty where the whole body is meant.
        path: String,
    },
    /// The request asks for something that cannot be had here, and that must not be dropped in silence.
    Unsupported {
        /// The member that asks for it.
        field: String,
    },
    /// The body is larger than allowed.
    TooLarge {
        /// The limit.
        bytes_max: u64,
    },
    /// The caller did not prove who they are.
    Unauthenticated(Refusal),
    /// The caller is known and may not do this.
    Forbidden,
    /// No model has this name, or none that this caller may know of.
    UnknownModel,
    /// No operation has this method and path.
    UnknownRoute,
    /// Prompt, or prompt and answer together, exceed the model's context.
    ContextExceeded {
        /// The prompt, and the answer asked for where that is what does not fit.
        tokens: u64,
        /// The context.
        tokens_max: u64,
    },
    /// The caller's quota is spent for now.
    Throttled {
        /// When to try again.
        retry_after: Duration,
    },
    /// More work is waiting than the queue may hold.
    Overloaded,
    /// The model exists, but nothing that serves it can be used now.
    NoCapacity,
    /// The model is being loaded.
    NotReady,
    /// This process is shutting down.
    Draining,
    /// The provider behind the model failed or refused.
    Upstream {
        /// Its HTTP status, where it gave one.
        status: Option<u16>,
    },
    /// The provider behind the model did not answer in time.
    UpstreamTimeout,
    /// The provider behind the model failed in the middle of an answer.
    UpstreamStream,
    /// What was admitted or used cannot be recorded, so nothing more is admitted.
    Storage,
    /// Outcrop itself failed.
    Internal,
}

/// Why a caller was not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// No credentials were presented.
    Missing,
    /// Credentials were presented whose form is incomplete or wrong.
    Incomplete,
    /// No such key, or it was revoked.
    UnknownKey,
    /// The signature does not match.
    BadSignature,
    /// The signature, or the short-term key, is too old or from the future.
    Expired,
}

impl Kind {
    /// The code of every kind, in the order of the list above.
    pub const CODES: [&'static str; 18] = [
        "malformed",
        "unsupported",
        "too-large",
        "unauthenticated",
        "forbidden",
        "unknown-model",
        "unknown-route",
        "context-exceeded",
        "throttled",
        "overloaded",
        "no-capacity",
        "not-ready",
        "draining",
        "upstream",
        "upstream-timeout",
        "upstream-stream",
        "storage",
        "internal",
    ];

    /// The kind's stable name: `outcrop explain CODE` shows its page.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Malformed { .. } => "malformed",
            Self::Unsupported { .. } => "unsupported",
            Self::TooLarge { .. } => "too-large",
            Self::Unauthenticated(_) => "unauthenticated",
            Self::Forbidden => "forbidden",
            Self::UnknownModel => "unknown-model",
            Self::UnknownRoute => "unknown-route",
            Self::ContextExceeded { .. } => "context-exceeded",
            Self::Throttled { .. } => "throttled",
            Self::Overloaded => "overloaded",
            Self::NoCapacity => "no-capacity",
            Self::NotReady => "not-ready",
            Self::Draining => "draining",
            Self::Upstream { .. } => "upstream",
            Self::UpstreamTimeout => "upstream-timeout",
            Self::UpstreamStream => "upstream-stream",
            Self::Storage => "storage",
            Self::Internal => "internal",
        }
    }

    /// Whether another deployment of the same model might do better: the failure lies with the candidate, not with
    /// the request or its caller.
    #[must_use]
    pub const fn is_candidates(&self) -> bool {
        matches!(
            self,
            Self::Overloaded
                | Self::NoCapacity
                | Self::NotReady
                | Self::Upstream { .. }
                | Self::UpstreamTimeout
                | Self::UpstreamStream
        )
    }
}
