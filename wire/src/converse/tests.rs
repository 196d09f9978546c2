use std::time::Duration;

use bytes::{Bytes, BytesMut};
use canon::{Content, Effort, Event, Fault, Fold, Kind, Request, Tier, ToolChoice};
use proptest::prelude::*;

use super::client::{self, StreamDecoder};
use super::decode;
use crate::Exchange;
use crate::golden::conversation::{self, MODEL, PARTS};

fn request(body: &str) -> Result<Request, Fault> {
    decode(MODEL, false, &Bytes::copy_from_slice(body.as_bytes())).map(|exchange| exchange.request)
}

/// A body whose only message is `hi`, with more members.
fn with(members: &str) -> String {
    format!(r#"{{"messages":[{{"role":"user","content":[{{"text":"hi"}}]}}]{members}}}"#)
}

fn refused(body: &str, code: &str, message: &str) {
    let fault = request(body).expect_err(body);
    assert_eq!((fault.kind().code(), fault.message()), (code, message), "{body}");
}

#[test]
fn what_the_service_model_forbids_is_named() {
    let mut faults = String::new();
    for body in crate::golden::read("converse/forbidden.jsonl").lines() {
        let fault = request(body).expect_err(body);
        faults.push_str(&format!("{}: {fault}\n", fault.kind().code()));
    }
    crate::golden::check("converse/forbidden.txt", &faults);
    let many = format!(r#","inferenceConfig":{{"stopSequences":[{}"x"]}}"#, "\"x\",".repeat(2500));
    refused(&with(&many), "malformed", "inferenceConfig.stopSequences: must have at most 2500 elements");
}

#[test]
fn what_outcrop_has_not_is_refused_by_name() {
    let block = |block: &str| format!(r#"{{"messages":[{{"role":"user","content":[{block}]}}]}}"#);
    for (body, field) in [
        (with(r#","guardrailConfig":{"guardrailIdentifier":"a"}"#), "guardrailConfig"),
        (with(r#","promptVariables":{"a":{"text":"b"}}"#), "promptVariables"),
        (with(r#","maxTokens":1"#), "maxTokens"),
        (with(r#","inferenceConfig":{"topK":1}"#), "inferenceConfig.topK"),
        (with(r#","system":[{"guardContent":{"text":{"text":"a"}}}]"#), "system[0].guardContent"),
        (with(r#","additionalModelRequestFields":{"logprobs":1}"#), "additionalModelRequestFields.logprobs"),
        (with(r#","toolConfig":{"tools":[{"systemTool":{"name":"f"}}]}"#), "toolConfig.tools[0].systemTool"),
        (block(r#"{"guardContent":{"text":{"text":"a"}}}"#), "messages[0].content[0].guardContent"),
        (
            block(r#"{"searchResult":{"source":"a","title":"b","content":[]}}"#),
            "messages[0].content[0].searchResult",
        ),
        (block(r#"{"toolAddition":{"tool":{}}}"#), "messages[0].content[0].toolAddition"),
        (
            block(r#"{"toolUse":{"toolUseId":"a","name":"f","input":{},"type":"server_tool_use"}}"#),
            "messages[0].content[0].toolUse.type",
        ),
        (
            block(
                r#"{"image":{"format":"png","source":{"s3Location":{"uri":"s3://a/b","bucketOwner":"123456789012"}}}}"#,
            ),
            "messages[0].content[0].image.source.s3Location.bucketOwner",
        ),
        (block(r#"{"sound":{}}"#), "messages[0].content[0].sound"),
    ] {
        refused(&body, "unsupported", &format!("{field}: {}", crate::json::REFUSED));
        assert_eq!(*request(&body).expect_err("").kind(), Kind::Unsupported { field: field.to_owned() });
    }
}

#[test]
fn every_member_of_the_service_model_is_taken_or_refused_by_name() {
    let mut refused = String::new();
    let mut taken = 0;
    for line in crate::golden::read("converse/members.tsv").lines() {
        let (member, body) = line.split_once('\t').expect("a member and a body");
        match request(body) {
            Ok(_) => taken += 1,
            Err(fault) => {
                assert_eq!(fault.kind().code(), "unsupported", "{member}: {fault}");
                refused.push_str(&format!("{member}\n"));
            }
        }
    }
    refused.push_str(&format!("and {taken} are taken\n"));
    crate::golden::check("converse/refused.txt", &refused);
}

#[test]
fn explicit_nulls_are_absent_members() {
    let nulls = with(
        r#","system":null,"inferenceConfig":{"maxTokens":null,"temperature":null,"topP":null,"stopSequences":null},
        "toolConfig":null,"guardrailConfig":null,"promptVariables":null,"requestMetadata":null,"serviceTier":null,
        "additionalModelRequestFields":null,"outputConfig":{"effort":null,"textFormat":null}"#,
    );
    let mut with_nulls = request(&nulls).expect("nulls");
    let mut without = request(&with("")).expect("plain");
    (with_nulls.verbatim, without.verbatim) = (None, None);
    assert_eq!(with_nulls, without);
    request(r#"{"messages":[{"role":"user","content":[{"text":"hi","image":null}]}]}"#)
        .expect("a null in a union");
}

#[test]
fn additional_fields_and_hints_are_carried() {
    let body = with(
        r#","additionalModelRequestFields":{"topK":5,"seed":9,"presence_penalty":1,"stop":"x","stop_sequences":null,
        "thinking":{"type":"enabled","budget_tokens":1024},"anthropic_beta":["a","b"],"parallel_tool_calls":false},
        "inferenceConfig":{"stopSequences":["y"]},"performanceConfig":{"latency":"optimized"},
        "serviceTier":{"type":"flex"},"requestMetadata":{"team":"red","cost":"7"},"outputConfig":{"effort":"high"}"#,
    )
    .replace(r#""stop_sequences":null,"#, "");
    let request = request(&body).expect(&body);
    let sampling = &request.sampling;
    assert_eq!((sampling.top_k, sampling.seed, sampling.presence_penalty), (Some(5), Some(9), Some(1.0)));
    assert_eq!(sampling.stop, ["y", "x"]);
    let hints = &request.hints;
    assert_eq!(
        (hints.thinking_budget, hints.effort, hints.tier),
        (Some(1024), Some(Effort::High), Some(Tier::Flex))
    );
    assert_eq!((hints.betas.len(), hints.metadata.len(), hints.optimized_latency), (2, 2, true));
    assert_eq!((request.tools.parallel, &request.tools.choice), (Some(false), &ToolChoice::Auto));
}

#[test]
fn every_spelling_of_effort_is_understood() {
    for (fields, effort, budget) in [
        (r#"{"reasoning_effort":"low"}"#, Some(Effort::Low), None),
        (r#"{"reasoning_config":"high"}"#, Some(Effort::High), None),
        (r#"{"reasoning_config":{"type":"enabled","budget_tokens":9}}"#, None, Some(9)),
        (r#"{"thinking":{"type":"adaptive"},"output_config":{"effort":"max"}}"#, Some(Effort::Max), None),
        (r#"{"thinking":{"type":"disabled"}}"#, None, Some(0)),
    ] {
        let hints =
            request(&with(&format!(r#","additionalModelRequestFields":{fields}"#))).expect(fields).hints;
        assert_eq!((hints.effort, hints.thinking_budget), (effort, budget), "{fields}");
    }
}

#[test]
fn tier_latency_and_stop_sequence_are_echoed() {
    let body = with(
        r#","serviceTier":{"type":"priority"},"performanceConfig":{"latency":"standard"},
        "additionalModelResponseFieldPaths":["/stop_sequence","/nowhere"]"#,
    );
    let mut exchange = decode(MODEL, false, &Bytes::from(body)).expect("decodes");
    let mut answer = conversation::answer(&[]);
    answer.finish.stop_sequence = Some("END".into());
    let reply = exchange.encoder.whole(&conversation::head(), &answer, Duration::from_millis(12));
    let body: serde_json::Value = serde_json::from_slice(&reply.body).expect("json");
    assert_eq!(body["serviceTier"]["type"], "priority");
    assert_eq!(body["performanceConfig"]["latency"], "standard");
    assert_eq!(body["additionalModelResponseFields"], serde_json::json!({"stop_sequence": "END"}));
    assert_eq!(client::decode(&reply.body).expect("readable"), answer);
}

fn exchange() -> Exchange {
    decode(MODEL, true, &Bytes::from(with(""))).expect("decodes")
}

fn stream(events: &[Event]) -> Bytes {
    let mut encoder = exchange().encoder;
    let mut out = BytesMut::new();
    encoder.begin(&conversation::head(), &mut out);
    for event in events {
        match event {
            Event::Finish(finish) => encoder.finish(finish, Duration::from_millis(12), &mut out),
            event => encoder.event(event, &mut out),
        }
    }
    out.freeze()
}

fn read(bytes: &[u8], cuts: &[usize]) -> Vec<Event> {
    let mut decoder = StreamDecoder::new();
    let mut ends = [cuts, &[0, bytes.len()]].concat();
    ends.sort_unstable();
    let events =
        ends.windows(2).flat_map(|pair| decoder.push(&bytes[pair[0]..pair[1]]).expect("readable")).collect();
    decoder.end().expect("complete");
    events
}

#[test]
fn a_request_survives_the_way_there_and_back() {
    let mut request = conversation::request(&PARTS);
    request.hints.cache_tools = true;
    request.hints.tier = Some(Tier::Reserved);
    request.hints.thinking_budget = Some(0);
    let body = Bytes::from(client::encode(&request).expect("sayable"));
    let mut there = decode(MODEL, false, &body).expect("readable").request;
    assert_eq!(there.verbatim.take().expect("the body").body, body);
    assert_eq!(there, request);
}

#[test]
fn an_answer_may_say_more_than_the_service_model_lists() {
    // As recorded from Bedrock: `serverToolUsage`, counters under two names, and any document as an extra field.
    let body = r#"{"metrics":{"latencyMs":1},"output":{"message":{"content":[{"text":"hi"}],"role":"assistant"}},
        "additionalModelResponseFields":"test","stopReason":"end_turn","usage":{"cacheReadInputTokenCount":0,
        "cacheReadInputTokens":2,"inputTokens":1,"outputTokens":3,"serverToolUsage":{},"totalTokens":6}}"#;
    let answer = client::decode(body.as_bytes()).expect("readable");
    assert_eq!((answer.content, answer.finish.usage.total()), (vec![Content::Text("hi".into())], 6));
}

#[test]
fn a_stream_that_fails_ends_in_an_exception() {
    for (kind, code) in [
        (Kind::Throttled { retry_after: Duration::from_secs(1) }, "throttled"),
        (Kind::Overloaded, "overloaded"),
        (Kind::UpstreamStream, "upstream-stream"),
        (Kind::UpstreamTimeout, "upstream-stream"),
        (Kind::Internal, "upstream"),
        (Kind::ContextExceeded { tokens: 2, tokens_max: 1 }, "malformed"),
    ] {
        let mut out = BytesMut::new();
        exchange().encoder.fault(&Fault::new(kind, "why"), &mut out);
        let fault = StreamDecoder::new().push(&out).expect_err("a fault");
        assert_eq!(fault.kind().code(), code);
    }
}

#[test]
fn words_that_came_before_a_fault_are_handed_out_before_it() {
    let mut encoder = exchange().encoder;
    let mut out = BytesMut::new();
    encoder.begin(&conversation::head(), &mut out);
    encoder.event(&Event::Text { index: 0, text: "It".into() }, &mut out);
    encoder.fault(&Fault::new(Kind::Overloaded, "full"), &mut out);
    let mut decoder = StreamDecoder::new();
    let events = decoder.push(&out).expect("words first");
    assert!(events.contains(&Event::Text { index: 0, text: "It".into() }), "{events:?}");
    assert_eq!(decoder.push(&[]).expect_err("then the fault").message(), "full");
    assert_eq!(decoder.end().expect_err("and for good").message(), "full");
}

#[test]
fn blocks_may_be_open_at_once() {
    let call = |index, id: &str| Event::BlockStart {
        index,
        kind: canon::BlockKind::ToolUse { id: id.into(), name: "f".into() },
    };
    let input = |index, fragment: &str| Event::ToolInput { index, fragment: fragment.into() };
    let events = [
        call(0, "a"),
        call(1, "b"),
        input(1, "{\"n\":"),
        input(0, "{}"),
        input(1, "1}"),
        Event::BlockStop { index: 1 },
        Event::BlockStop { index: 0 },
        Event::Finish(conversation::answer(&[conversation::Part::Tools]).finish),
    ];
    assert_eq!(read(&stream(&events), &[]), events);
}

#[test]
fn a_stream_cut_short_is_not_complete() {
    let bytes = stream(&conversation::events(&conversation::answer(&PARTS)));
    let mut decoder = StreamDecoder::new();
    decoder.push(&bytes[..bytes.len() - 1]).expect("readable so far");
    assert_eq!(decoder.end().expect_err("cut").kind().code(), "upstream-stream");
}

#[test]
fn an_unfinished_tool_input_leaves_the_answer_readable() {
    let mut answer = conversation::answer(&[conversation::Part::Tools]);
    if let Some(Content::ToolUse(call)) = answer.content.last_mut() {
        call.input = canon::Json::from_text("{\"city\": \"Ro");
    }
    let reply = exchange().encoder.whole(&conversation::head(), &answer, Duration::ZERO);
    let body: serde_json::Value = serde_json::from_slice(&reply.body).expect("json");
    assert_eq!(body["output"]["message"]["content"][2]["toolUse"]["input"], "{\"city\": \"Ro");
}

proptest! {
    #[test]
    fn any_split_of_a_stream_gives_the_same_events(
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..30),
    ) {
        let answer = conversation::answer(&PARTS);
        let events = conversation::events(&answer);
        let bytes = stream(&events);
        let cuts = cuts.iter().map(|cut| cut.index(bytes.len())).collect::<Vec<_>>();
        let read = read(&bytes, &cuts);
        prop_assert_eq!(&read, &events);
        let mut fold = Fold::default();
        let folded = read.into_iter().find_map(|event| fold.push(event).expect("consistent"));
        prop_assert_eq!(folded, Some(answer));
    }

    #[test]
    fn arbitrary_bodies_never_panic(body in ".{0,200}", at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        drop(request(&body));
        drop(client::decode(body.as_bytes()));
        let mut known = client::encode(&conversation::request(&PARTS)).expect("sayable");
        let at = at.index(known.len());
        known[at] = byte;
        drop(decode(MODEL, true, &Bytes::from(known)));
        let mut bytes = stream(&conversation::events(&conversation::answer(&PARTS))).to_vec();
        bytes.truncate(at);
        drop(StreamDecoder::new().push(&bytes));
    }
}
