use serde::{Deserialize, Serialize};

use super::scalar::{ANY, Base64, CallId, List, Name, NonEmpty, Raw, Refused, Ruled, S3Uri, Text, Title};

/// The content of a message; Bedrock refuses an empty one.
pub(in crate::converse) type Blocks<'a> = List<ContentBlock<'a>, 1, ANY>;

union! {
    enum ContentBlock<'a> {
        "text" => Text(Text<'a>),
        "image" => Image(ImageBlock<'a>),
        "document" => Document(DocumentBlock<'a>),
        "video" => Video(VideoBlock<'a>),
        "audio" => Audio(AudioBlock<'a>),
        "toolUse" => ToolUse(ToolUseBlock<'a>),
        "toolResult" => ToolResult(ToolResultBlock<'a>),
        "cachePoint" => CachePoint(CachePointBlock),
        "reasoningContent" => Reasoning(ReasoningBlock<'a>),
        "citationsContent" => Citations(CitationsBlock<'a>),
        "guardContent" => GuardContent(Refused),
        "searchResult" => SearchResult(Refused),
        "toolAddition" => ToolAddition(Refused),
        "toolRemoval" => ToolRemoval(Refused),
    }
}

union! {
    enum SystemBlock<'a> {
        "text" => Text(Ruled<'a, NonEmpty>),
        "cachePoint" => CachePoint(CachePointBlock),
        "guardContent" => GuardContent(Refused),
    }
}

union! {
    enum ToolResultContent<'a> {
        "text" => Text(Text<'a>),
        "json" => Json(Raw<'a>),
        "image" => Image(ImageBlock<'a>),
        "document" => Document(DocumentBlock<'a>),
        "video" => Video(VideoBlock<'a>),
        "searchResult" => SearchResult(Refused),
    }
}

shape! {
    struct ImageBlock<'a> {
        format: ImageFormat,
        source: Source<'a>,
        ? error: Refused,
    }
}

shape! {
    struct VideoBlock<'a> {
        format: VideoFormat,
        source: Source<'a>,
    }
}

shape! {
    struct AudioBlock<'a> {
        format: AudioFormat,
        source: Source<'a>,
        ? error: Refused,
    }
}

union! {
    enum Source<'a> {
        "bytes" => Bytes(Base64),
        "s3Location" => S3(S3Location<'a>),
    }
}

shape! {
    struct S3Location<'a> {
        uri: Ruled<'a, S3Uri>,
        ? bucket_owner: Refused,
    }
}

shape! {
    struct DocumentBlock<'a> {
        name: Ruled<'a, Title>,
        source: DocumentSource<'a>,
        ? format: DocumentFormat,
        ? context: Text<'a>,
        ? citations: CitationsConfig,
    }
}

union! {
    enum DocumentSource<'a> {
        "bytes" => Bytes(Base64),
        "s3Location" => S3(S3Location<'a>),
        "text" => Text(Text<'a>),
        "content" => Content(Vec<TextBlock<'a>>),
    }
}

shape! {
    /// Several unions of the model have text as their only member.
    struct TextBlock<'a> {
        text: Text<'a>,
    }
}

shape! {
    struct CitationsConfig {
        enabled: bool,
    }
}

shape! {
    struct ToolUseBlock<'a> {
        tool_use_id: Ruled<'a, CallId>,
        name: Ruled<'a, Name>,
        input: Raw<'a>,
        ? r#type: Refused,
    }
}

shape! {
    struct ToolResultBlock<'a> {
        tool_use_id: Ruled<'a, CallId>,
        content: Vec<ToolResultContent<'a>>,
        ? status: ToolResultStatus,
        ? r#type: Refused,
    }
}

shape! {
    struct CachePointBlock {
        r#type: CachePointType,
        ? ttl: CacheTtl,
    }
}

union! {
    enum ReasoningBlock<'a> {
        "reasoningText" => Text(ReasoningText<'a>),
        "redactedContent" => Redacted(Base64),
    }
}

shape! {
    struct ReasoningText<'a> {
        text: Text<'a>,
        ? signature: Text<'a>,
    }
}

shape! {
    struct CitationsBlock<'a> {
        ? content: Vec<TextBlock<'a>>,
        ? citations: Vec<Citation<'a>>,
    }
}

shape! {
    struct Citation<'a> {
        ? title: Text<'a>,
        ? source: Text<'a>,
        ? source_content: Vec<TextBlock<'a>>,
        ? location: Location<'a>,
    }
}

union! {
    enum Location<'a> {
        "web" => Web(WebLocation<'a>),
        "documentChar" => Chars(DocumentRange),
        "documentPage" => Pages(DocumentRange),
        "documentChunk" => Chunks(DocumentRange),
        "searchResultLocation" => SearchResult(Refused),
    }
}

shape! {
    struct WebLocation<'a> {
        ? url: Text<'a>,
        ? domain: Text<'a>,
    }
}

shape! {
    struct DocumentRange {
        ? document_index: u64,
        ? start: u64,
        ? end: u64,
    }
}

/// An enumeration whose members are spelled as their variants are, in lower case or as given.
macro_rules! enumeration {
    ($name:ident { $($variant:ident = $text:literal,)+ }) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        pub(in crate::converse) enum $name {
            $(#[serde(rename = $text)] $variant,)+
        }

        impl $name {
            pub(in crate::converse) const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }

            pub(in crate::converse) fn of(name: &str) -> Option<Self> {
                match name {
                    $($text => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }
    };
}

enumeration!(ImageFormat { Png = "png", Jpeg = "jpeg", Gif = "gif", Webp = "webp", });
enumeration!(VideoFormat {
    Mkv = "mkv", Mov = "mov", Mp4 = "mp4", Webm = "webm", Flv = "flv", Mpeg = "mpeg", Mpg = "mpg", Wmv = "wmv",
    ThreeGp = "three_gp",
});
enumeration!(AudioFormat {
    Mp3 = "mp3", Opus = "opus", Wav = "wav", Aac = "aac", Flac = "flac", Mp4 = "mp4", Ogg = "ogg", Mkv = "mkv",
    Mka = "mka", XAac = "x-aac", M4a = "m4a", Mpeg = "mpeg", Mpga = "mpga", Pcm = "pcm", Webm = "webm",
});
enumeration!(DocumentFormat {
    Pdf = "pdf", Csv = "csv", Doc = "doc", Docx = "docx", Xls = "xls", Xlsx = "xlsx", Html = "html", Txt = "txt",
    Md = "md",
});

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::converse) enum ToolResultStatus {
    Success,
    Error,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::converse) enum CachePointType {
    Default,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(in crate::converse) enum CacheTtl {
    #[serde(rename = "5m")]
    FiveMinutes,
    #[serde(rename = "1h")]
    Hour,
}
