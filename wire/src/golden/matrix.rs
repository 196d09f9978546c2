//! The golden matrix: the canonical conversation × every format, both directions.
//!
//! Under `tests/golden/matrix/<format>/` lie
//!
//! - `request.json`: the conversation in the format's words. Written by hand where only servers decode the format,
//!   and by our own client's encoder where there is one;
//! - `refused.txt`: which parts of the conversation that encoder refuses, and which members of other formats the
//!   decoder refuses, by name;
//! - `request.txt`: how what the decoder makes of `request.json` differs from the conversation (`-` is lost on the
//!   way, `+` is what stands instead);
//! - `answer.json` and `stream.txt`: an answer with everything that a model can write, whole and step by step;
//! - `answer.txt`: how what our own client reads out of the whole differs from the answer, and what it reads step by
//!   step from that.

use std::fmt::Debug;
use std::fmt::Write as _;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use canon::{Answer, Event, Fault, Fold, Request, Usage};
use proptest::prelude::*;
use serde_json::Value;

use super::conversation::{self, MODEL, PARTS, Part};
use super::{check, read};
use crate::converse::client as converse;
use crate::frame::Decoder;
use crate::openai::{chat, responses};
use crate::{Encoder, Exchange, anthropic, invoke, media, sse};

/// A format in the matrix.
struct Format {
    name: &'static str,
    /// Whose `request.json` this one reads, and how the body differs from that.
    request: (&'static str, fn(&mut Value)),
    decode: fn(bool, &Bytes) -> Result<Exchange, Fault>,
    client: Option<Client>,
}

/// Our own side of a format that we speak to others.
struct Client {
    encode: fn(&Request) -> Result<Vec<u8>, Fault>,
    whole: fn(&[u8]) -> Result<Answer, Fault>,
    stream: fn(Pieces<'_>) -> Result<Vec<Event>, Fault>,
}

/// A stream as it comes.
type Pieces<'a> = &'a [&'a [u8]];

const LATENCY: Duration = Duration::from_millis(12);

fn formats() -> Vec<Format> {
    let invoked = |stream, body: &Bytes| invoke::decode(MODEL, stream, &invoke::Headers::default(), body);
    let same = |_: &mut Value| ();
    vec![
        Format {
            name: "converse",
            request: ("converse", same),
            decode: |stream, body| crate::converse::decode(MODEL, stream, body),
            client: Some(Client {
                encode: converse::encode,
                whole: converse::decode,
                stream: converse_events,
            }),
        },
        Format {
            name: "anthropic",
            request: ("anthropic", same),
            decode: |_, body| anthropic::decode(body),
            client: Some(Client {
                encode: |request| anthropic::encode(request, MODEL),
                whole: anthropic::decode_answer,
                stream: anthropic_events,
            }),
        },
        Format {
            name: "openai-chat",
            request: ("openai-chat", |body| {
                body["stream_options"] = serde_json::json!({"include_usage": true});
            }),
            decode: |_, body| chat::decode(body),
            client: Some(Client {
                encode: |request| chat::encode(request, MODEL, &chat::Dialect::VLLM),
                whole: |body| chat::decode_answer(body).map(|answered| answered.answer),
                stream: chat_events,
            }),
        },
        Format {
            name: "openai-responses",
            request: ("openai-responses", same),
            decode: |_, body| responses::decode(body),
            client: None,
        },
        Format {
            name: "invoke-anthropic",
            request: ("anthropic", |body| {
                body.as_object_mut().expect("an object").remove("model");
                body["anthropic_version"] = "bedrock-2023-05-31".into();
            }),
            decode: invoked,
            client: None,
        },
        Format { name: "invoke-openai", request: ("openai-chat", same), decode: invoked, client: None },
        Format { name: "nova", request: ("nova", same), decode: invoked, client: None },
        Format { name: "titan", request: ("titan", same), decode: invoked, client: None },
        Format { name: "llama", request: ("llama", same), decode: invoked, client: None },
        Format { name: "mistral", request: ("mistral", same), decode: invoked, client: None },
    ]
}

#[test]
fn every_format_says_the_conversation_as_it_did_when_it_was_reviewed() {
    for format in formats() {
        let path = |file: &str| format!("matrix/{}/{file}", format.name);
        let mut refused = String::new();
        if let Some(client) = &format.client {
            check(&path("request.json"), &pretty(&said(client, &mut refused)));
        }
        let body = request_of(&format);
        refuse_foreign(&format, &body, &mut refused);
        check(&path("refused.txt"), &refused);
        let request = (format.decode)(true, &body).expect(format.name).request;
        check(&path("request.txt"), &difference(&conversation::request(&PARTS), &plain(request)));

        let answer = conversation::answer(&PARTS);
        let mut whole = (format.decode)(false, &body).expect(format.name).encoder;
        let whole = whole.whole(&conversation::head(), &answer, LATENCY);
        check(&path("answer.json"), &pretty(&whole.body));
        let mut encoder = (format.decode)(true, &body).expect(format.name).encoder;
        let (content_type, stream) = streamed(&mut *encoder, &conversation::events(&answer));
        check(&path("stream.txt"), &shown(&content_type, &stream));
        if let Some(client) = &format.client {
            let read = (client.whole)(&whole.body).expect(format.name);
            let events = (client.stream)(&[&stream]).expect(format.name);
            let mut fold = Fold::default();
            let folded = events.into_iter().find_map(|event| fold.push(event).expect("consistent"));
            let steps = difference(&read, &folded.expect(format.name));
            check(&path("answer.txt"), &format!("{}step by step:\n{steps}", difference(&answer, &read)));
        }
    }
}

/// The conversation in the client's words, and the parts that it refuses.
fn said(client: &Client, refused: &mut String) -> Vec<u8> {
    let mut parts = Vec::new();
    for part in PARTS {
        let alone = if part == Part::JsonResult { vec![Part::Tools, part] } else { vec![part] };
        match (client.encode)(&conversation::request(&alone)) {
            Ok(_) => parts.push(part),
            Err(fault) => {
                writeln!(refused, "writing {part:?}: {} {fault}", fault.kind().code()).expect("to memory");
            }
        }
    }
    (client.encode)(&conversation::request(&parts)).expect("what is sayable alone is sayable together")
}

/// Members that one format has and others have not.
const FOREIGN: [(&str, &str); 15] = [
    ("system", r#"[{"type":"text","text":"Be brief."}]"#),
    ("tools", "[]"),
    ("toolConfig", "{}"),
    ("images", "[]"),
    ("textGenerationConfig", "{}"),
    ("seed", "7"),
    ("top_k", "40"),
    ("stop", r#"["END"]"#),
    ("thinking", r#"{"type":"disabled"}"#),
    ("response_format", r#"{"type":"text"}"#),
    ("outputConfig", "{}"),
    ("additionalModelRequestFields", "{}"),
    ("guardrailConfig", "{}"),
    ("logprobs", "true"),
    ("prompt_template", r#""x""#),
];

/// What becomes of the body when a member of another format stands in it.
fn refuse_foreign(format: &Format, body: &Bytes, refused: &mut String) {
    for (name, value) in FOREIGN {
        let mut body: Value = serde_json::from_slice(body).expect("json");
        let members = body.as_object_mut().expect("an object");
        if members.contains_key(name) {
            continue;
        }
        members.insert(name.to_owned(), serde_json::from_str(value).expect("json"));
        let read = (format.decode)(false, &Bytes::from(body.to_string()));
        let line = match read.and_then(|exchange| exchange.request.carried()) {
            Ok(()) => format!("reading {name}: taken"),
            Err(fault) => format!("reading {name}: {} {fault}", fault.kind().code()),
        };
        writeln!(refused, "{line}").expect("to memory");
    }
}

fn request_of(format: &Format) -> Bytes {
    let (owner, change) = format.request;
    let text = read(&format!("matrix/{owner}/request.json"));
    let mut body: Value = serde_json::from_str(&text).expect("json");
    change(&mut body);
    if body.get("model").is_some() {
        body["stream"] = true.into();
    }
    Bytes::from(body.to_string())
}

/// The request without what is not the conversation's.
fn plain(mut request: Request) -> Request {
    request.verbatim = None;
    request.stream = false;
    request
}

fn streamed(encoder: &mut dyn Encoder, events: &[Event]) -> (String, Bytes) {
    let mut out = BytesMut::new();
    encoder.prompt(&Usage::plain(163, 0));
    let head = encoder.begin(&conversation::head(), &mut out);
    for event in events {
        match event {
            Event::Finish(finish) => encoder.finish(finish, LATENCY, &mut out),
            event => encoder.event(event, &mut out),
        }
    }
    let content_type = head.headers.iter().find(|(name, _)| *name == "content-type").expect("a type");
    (content_type.1.clone(), out.freeze())
}

/// A stream as text: server-sent events as they are, frames one a line without their padding.
fn shown(content_type: &str, stream: &[u8]) -> String {
    if content_type.starts_with("text/event-stream") {
        return String::from_utf8(stream.to_vec()).expect("text");
    }
    let mut decoder = Decoder::default();
    decoder.push(stream);
    let mut lines = String::new();
    while let Some(frame) = decoder.next().expect("frames") {
        let name = frame.header(":event-type").expect("a name");
        let mut payload: Value = serde_json::from_slice(&frame.payload).expect("json");
        payload.as_object_mut().expect("an object").remove("p").expect("padding");
        let said = match payload.get("bytes").and_then(Value::as_str) {
            Some(chunk) => {
                String::from_utf8(media::from_base64(chunk).expect("base64").to_vec()).expect("text")
            }
            None => payload.to_string(),
        };
        writeln!(lines, "{name} {said}").expect("to memory");
    }
    lines
}

fn converse_events(stream: Pieces<'_>) -> Result<Vec<Event>, Fault> {
    let mut decoder = converse::StreamDecoder::new();
    let mut events = Vec::new();
    for bytes in stream {
        events.extend(decoder.push(bytes)?);
    }
    decoder.end()?;
    Ok(events)
}

fn chat_events(stream: Pieces<'_>) -> Result<Vec<Event>, Fault> {
    let mut decoder = chat::Stream::new();
    let mut events = Vec::new();
    for data in documents(stream)? {
        decoder.push(&data, &mut events)?;
    }
    let finish = decoder.end(&mut events)?;
    events.push(Event::Finish(finish));
    Ok(events)
}

fn anthropic_events(stream: Pieces<'_>) -> Result<Vec<Event>, Fault> {
    let mut decoder = anthropic::Stream::new();
    let mut events = Vec::new();
    for data in documents(stream)? {
        decoder.push(&data, &mut events)?;
    }
    let finish = decoder.end(&mut events)?;
    events.push(Event::Finish(finish));
    Ok(events)
}

/// What server-sent events carry.
fn documents(stream: Pieces<'_>) -> Result<Vec<String>, Fault> {
    let mut frames = sse::Frames::new(1 << 20);
    let mut documents = Vec::new();
    for bytes in stream {
        frames.push(bytes).map_err(|_| Fault::internal("an event is too long"))?;
        documents.extend(std::iter::from_fn(|| frames.pop()).map(|frame| frame.data));
    }
    Ok(documents)
}

/// `bytes` in pieces, cut at `cuts`.
fn pieces<'a>(bytes: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut ends = cuts.iter().map(|cut| cut.index(bytes.len())).collect::<Vec<_>>();
    ends.extend([0, bytes.len()]);
    ends.sort_unstable();
    ends.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect()
}

fn answered(format: &Format, stream: bool) -> (Bytes, Box<dyn Encoder>) {
    let body = request_of(format);
    let encoder = (format.decode)(stream, &body).expect(format.name).encoder;
    (body, encoder)
}

proptest! {
    // Each case goes through every format.
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_split_of_a_stream_gives_the_same_events(cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..30)) {
        for format in formats() {
            let Some(client) = &format.client else { continue };
            let (_, mut encoder) = answered(&format, true);
            let (_, stream) = streamed(&mut *encoder, &conversation::events(&conversation::answer(&PARTS)));
            let whole = (client.stream)(&[&stream]).expect(format.name);
            prop_assert_eq!((client.stream)(&pieces(&stream, &cuts)), Ok(whole), "{}", format.name);
        }
    }

    #[test]
    fn no_decoder_panics(at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()) {
        let spoil = |bytes: &[u8]| {
            let mut bytes = bytes.to_vec();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            if cut {
                bytes.truncate(at);
            }
            bytes
        };
        for format in formats() {
            let (body, mut encoder) = answered(&format, true);
            drop((format.decode)(true, &Bytes::from(spoil(&body))));
            let Some(client) = &format.client else { continue };
            let answer = conversation::answer(&PARTS);
            let (_, stream) = streamed(&mut *encoder, &conversation::events(&answer));
            drop((client.stream)(&[&spoil(&stream)]));
            let whole = answered(&format, false).1.whole(&conversation::head(), &answer, LATENCY);
            drop((client.whole)(&spoil(&whole.body)));
        }
    }
}

fn pretty(body: &[u8]) -> String {
    let body: Value = serde_json::from_slice(body).expect("json");
    serde_json::to_string_pretty(&body).expect("json") + "\n"
}

/// The lines in which two values differ, by their longest common subsequence.
fn difference(expected: &impl Debug, actual: &impl Debug) -> String {
    let (expected, actual) = (format!("{expected:#?}"), format!("{actual:#?}"));
    let (old, new) = (expected.lines().collect::<Vec<_>>(), actual.lines().collect::<Vec<_>>());
    let mut common = vec![vec![0_u32; new.len() + 1]; old.len() + 1];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            common[i][j] = if old[i] == new[j] {
                common[i + 1][j + 1] + 1
            } else {
                common[i + 1][j].max(common[i][j + 1])
            };
        }
    }
    let (mut i, mut j, mut lines) = (0, 0, String::new());
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            (i, j) = (i + 1, j + 1);
        } else if j == new.len() || i < old.len() && common[i + 1][j] >= common[i][j + 1] {
            lines += &format!("-{}\n", old[i]);
            i += 1;
        } else {
            lines += &format!("+{}\n", new[j]);
            j += 1;
        }
    }
    lines
}
