use bytes::Bytes;

use crate::{Json, ToolUse};

/// One block of a message.
#[derive(Clone, Debug, PartialEq)]
pub enum Content {
    /// Words.
    Text(String),
    /// A picture, a sound or a film.
    Media(Media),
    /// A document to read.
    Document(Document),
    /// The model's call of a tool.
    ToolUse(ToolUse),
    /// The caller's answer to such a call.
    ToolResult {
        /// The call that this answers.
        id: String,
        /// What the tool said: text, documents, pictures.
        content: Vec<Content>,
        /// Whether it worked.
        outcome: ToolOutcome,
    },
    /// Reasoning that may be read, with the signature that its author checks when it comes back.
    Reasoning(ReasoningText),
    /// Reasoning that only its author can read.
    RedactedReasoning(Bytes),
    /// Text with the places that it rests on.
    Cited {
        /// The text.
        text: String,
        /// What it rests on.
        citations: Vec<Citation>,
    },
    /// A JSON value, where a format allows one as a tool's result.
    Json(Json),
    /// Everything before this point may be cached. A hint.
    CachePoint {
        /// Keep for an hour instead of five minutes.
        long: bool,
    },
}

/// Whether a tool call worked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ToolOutcome {
    /// It did.
    #[default]
    Success,
    /// It did not; the content says why.
    Error,
}

/// Reasoning in the clear.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReasoningText {
    /// The words.
    pub text: String,
    /// An opaque proof of who wrote them; must be returned unchanged.
    pub signature: Option<String>,
}

/// A picture, a sound or a film.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Media {
    /// Which of the three.
    pub kind: MediaKind,
    /// The short name of its encoding, such as `png` or `mp3`.
    pub format: String,
    /// The data, or where it lies.
    pub source: Blob,
}

/// The kinds of [`Media`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaKind {
    /// A picture.
    Image,
    /// A sound.
    Audio,
    /// A film.
    Video,
}

/// Data, or where it lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Blob {
    /// The data itself.
    Bytes(Bytes),
    /// A URL, or an `s3://` URI.
    Uri(String),
}

/// A document to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// The short name of its encoding, such as `pdf` or `txt`.
    pub format: String,
    /// What the caller calls it.
    pub name: String,
    /// Its substance.
    pub source: DocumentSource,
    /// What the model should know about it.
    pub context: Option<String>,
    /// The answer should cite it.
    pub cite: bool,
}

/// The substance of a [`Document`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DocumentSource {
    /// A file, or where it lies.
    Blob(Blob),
    /// Plain text.
    Text(String),
    /// Plain text in pieces, each of which can be cited.
    Chunks(Vec<String>),
}

/// A place that a statement rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Citation {
    /// The document's title.
    pub title: Option<String>,
    /// Where the document came from.
    pub source: Option<String>,
    /// The words that are cited.
    pub quoted: Vec<String>,
    /// Where in the document they stand.
    pub span: Option<Span>,
}

/// A stretch of a document. `start` is inclusive and `end` exclusive; pages count from 1, the rest from 0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Span {
    /// Characters of a plain-text document.
    Chars {
        /// Which of the request's documents, from 0.
        document: u64,
        /// First character.
        start: u64,
        /// One past the last.
        end: u64,
    },
    /// Pages of a paged document.
    Pages {
        /// Which of the request's documents, from 0.
        document: u64,
        /// First page.
        start: u64,
        /// One past the last.
        end: u64,
    },
    /// Pieces of a document given in pieces.
    Chunks {
        /// Which of the request's documents, from 0.
        document: u64,
        /// First piece.
        start: u64,
        /// One past the last.
        end: u64,
    },
    /// A page of the web.
    Web {
        /// Its address.
        url: String,
        /// The host that a reader would recognise.
        domain: Option<String>,
    },
}
