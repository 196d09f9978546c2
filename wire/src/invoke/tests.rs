mod embeddings;

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use canon::{Content, Event, Fault, Kind, Message, Role, StopReason, Usage};
use proptest::prelude::*;
use serde_json::Value;

use super::{Headers, Words, decode};
use crate::Exchange;
use crate::frame::Decoder;
use crate::golden::conversation::{self, MODEL, Part};
use crate::media::from_base64;

const NONE: Headers<'static> = Headers {
    accept: None,
    trace: None,
    guardrail_identifier: None,
    performance_latency: None,
    service_tier: None,
    request_metadata: None,
};

fn exchange(body: &str) -> Exchange {
    decode(MODEL, true, &NONE, &Bytes::copy_from_slice(body.as_bytes())).expect(body)
}

fn fault(body: &str) -> Fault {
    decode(MODEL, true, &NONE, &Bytes::copy_from_slice(body.as_bytes())).err().expect(body)
}

const LLAMA: &str = r#"{"prompt":"hi","max_gen_len":8}"#;
const MISTRAL: &str = r#"{"prompt":"hi","max_tokens":8}"#;
const TITAN: &str = r#"{"inputText":"hi","textGenerationConfig":{"maxTokenCount":8}}"#;
const NOVA: &str =
    r#"{"schemaVersion":"messages-v1","messages":[{"role":"user","content":[{"text":"hi"}]}]}"#;
const ANTHROPIC: &str = r#"{"anthropic_version":"bedrock-2023-05-31","max_tokens":8,"messages":[{"role":"user","content":"hi"}]}"#;
const OPENAI: &str = r#"{"max_completion_tokens":8,"messages":[{"role":"user","content":"hi"}]}"#;

/// One of each format.
const BODIES: [&str; 6] = [LLAMA, MISTRAL, TITAN, NOVA, ANTHROPIC, OPENAI];

#[test]
fn the_body_says_whose_words_it_is_in() {
    let typed = r#""messages":[{"role":"user","content":[{"type":"text","text":"hi"}]}]"#;
    let plain = r#""messages":[{"role":"user","content":"hi"}]"#;
    for (model, body, words) in [
        (MODEL, ANTHROPIC.to_owned(), Words::Anthropic),
        (MODEL, r#"{"anthropic_version":"2026-10-21"}"#.to_owned(), Words::Anthropic),
        (MODEL, NOVA.to_owned(), Words::Nova),
        (
            MODEL,
            r#"{"messages":[{"role":"user","content":[{"text":"hi"}]}],"max_tokens":1}"#.to_owned(),
            Words::Nova,
        ),
        (MODEL, format!(r#"{{{plain},"inferenceConfig":{{}}}}"#), Words::Nova),
        (MODEL, LLAMA.to_owned(), Words::Llama),
        (MODEL, MISTRAL.to_owned(), Words::Mistral),
        (MODEL, TITAN.to_owned(), Words::Titan),
        (MODEL, r#"{"inputText":"hi"}"#.to_owned(), Words::Titan),
        (MODEL, r#"{"inputText":"hi","prompt":"hi"}"#.to_owned(), Words::Titan),
        (MODEL, r#"{"prompt":"hi","temperature":0}"#.to_owned(), Words::Llama),
        ("mistral.x", r#"{"prompt":"hi","temperature":0}"#.to_owned(), Words::Mistral),
        (MODEL, OPENAI.to_owned(), Words::OpenaiChat),
        (MODEL, format!(r#"{{{plain},"max_tokens":1}}"#), Words::OpenaiChat),
        (MODEL, format!(r#"{{{typed},"max_tokens":1}}"#), Words::OpenaiChat),
        (MODEL, format!(r#"{{{typed},"max_tokens":1,"system":"a"}}"#), Words::Anthropic),
        (MODEL, format!(r#"{{{typed},"max_tokens":1,"system":null}}"#), Words::OpenaiChat),
        ("us.anthropic.claude-x", format!(r#"{{{typed},"max_tokens":1}}"#), Words::Anthropic),
        ("us.anthropic.claude-x", format!(r#"{{{typed},"model":"a","max_tokens":1}}"#), Words::OpenaiChat),
    ] {
        assert_eq!(Words::of(model, false, body.as_bytes()).expect("known"), words, "{body}");
    }
    for body in ["{}", r#"{"inputText":null}"#, "[]", "", "{"] {
        assert_eq!(fault(body).kind().code(), "malformed", "{body}");
    }
}

#[test]
fn every_format_refuses_what_it_does_not_know_by_name() {
    for (body, field) in [
        (LLAMA.replace('{', r#"{"logit_bias":1,"#), "logit_bias"),
        (MISTRAL.replace('{', r#"{"n":1,"#), "n"),
        (TITAN.replacen('{', r#"{"prompt":"hi","#, 1), "prompt"),
        (TITAN.replace("max", "min"), "textGenerationConfig.minTokenCount"),
        // It asks for embeddings, so no text is decoded from it.
        (r#"{"inputText":"hi","dimensions":256}"#.to_owned(), ""),
        (NOVA.replacen('{', r#"{"guardrail":1,"#, 1), "guardrail"),
        (ANTHROPIC.replacen('{', r#"{"guardrail":1,"#, 1), "guardrail"),
        (OPENAI.replacen('{', r#"{"guardrail":1,"#, 1), "guardrail"),
    ] {
        assert_eq!(*fault(&body).kind(), Kind::Unsupported { field: field.to_owned() }, "{body}");
    }
    for (body, message) in [
        (r#"{"prompt":"hi","max_gen_len":0}"#, "max_gen_len: must be at least 1"),
        (r#"{"prompt":"hi","max_gen_len":8,"top_p":2}"#, "top_p: must be between 0 and 1"),
        (r#"{"prompt":"hi","images":["aGk="]}"#, "images[0]: must be a PNG, JPEG, GIF or WebP picture"),
        (
            r#"{"prompt":"hi","max_tokens":8,"stop":[""]}"#,
            "stop: must be at most 10 texts that are not empty",
        ),
        (
            r#"{"inputText":"hi","textGenerationConfig":{"topP":2}}"#,
            "textGenerationConfig.topP: must be between 0 and 1",
        ),
        (
            r#"{"inputText":"hi","textGenerationConfig":{"maxTokenCount":0}}"#,
            "textGenerationConfig.maxTokenCount: must be at least 1",
        ),
        (
            r#"{"inputText":"hi","textGenerationConfig":{"stopSequences":[""]}}"#,
            "textGenerationConfig.stopSequences: must be at most 2500 texts that are not empty",
        ),
        (r#"{"inputText":"hi","textGenerationConfig":[0.5]}"#, "textGenerationConfig: expected an object"),
        (r#"{"inputText":7}"#, "inputText: expected a string"),
        (r#"{"inputText":"User: \nBot:"}"#, "inputText: must say something in the user's name"),
        (r#"{"prompt":" ","max_gen_len":8}"#, "prompt: must say something in the user's name"),
    ] {
        assert_eq!(fault(body).message(), message);
    }
}

#[test]
fn prompts_are_read_back_into_turns() {
    fn check(prompt: &str, system: &[&str], turns: &[(Role, &str)]) {
        let body = serde_json::json!({"prompt": prompt, "max_gen_len": 8}).to_string();
        let request = exchange(&body).request;
        let text = |text: &&str| Content::Text((*text).to_owned());
        assert_eq!(request.system, system.iter().map(text).collect::<Vec<_>>(), "{prompt}");
        let message = |(role, words): &(Role, &str)| Message { role: *role, content: vec![text(words)] };
        assert_eq!(request.messages, turns.iter().map(message).collect::<Vec<_>>(), "{prompt}");
    }
    use Role::{Assistant, User};
    check(" to the letter \n", &[], &[(User, " to the letter \n")]);
    check(
        "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|><|start_header_id|>user\
         <|end_header_id|>\n\nHi<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\nHello<|eot_id|>\
         <|start_header_id|>user<|end_header_id|>\n\nBye<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
        &["Be brief."],
        &[(User, "Hi"), (Assistant, "Hello"), (User, "Bye")],
    );
    check(
        "<|begin_of_text|>\n<|header_start|>user<|header_end|>\n\nHi<|eot|><|header_start|>assistant<|header_end|>\n\n{\"a",
        &[],
        &[(User, "Hi"), (Assistant, "{\"a")],
    );
    check("<s>[INST] Hi [/INST]", &[], &[(User, "Hi")]);
    check(
        "<s>[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\nHi [/INST] Hello </s><s>[INST] Bye [/INST]",
        &["Be brief."],
        &[(User, "Hi"), (Assistant, "Hello"), (User, "Bye")],
    );
    check(
        "<s> A talk.\n[INST] Translate [/INST]\nYes.</s> \n[INST] this [/INST]\n<output>",
        &["A talk."],
        &[(User, "Translate"), (Assistant, "Yes."), (User, "this"), (Assistant, "<output>")],
    );
    check("<s>[SYSTEM_PROMPT]Be brief.[/SYSTEM_PROMPT][INST]Hi[/INST]", &["Be brief."], &[(User, "Hi")]);
    check("<s>no brackets", &[], &[(User, "no brackets")]);
    check("say [INST] aloud", &[], &[(User, "say [INST] aloud")]);
    let tool = r#"{"prompt":"<|start_header_id|>ipython<|end_header_id|>3","max_gen_len":8}"#;
    assert_eq!(*fault(tool).kind(), Kind::Unsupported { field: "prompt".into() });
}

#[test]
fn the_convention_of_user_and_bot_is_read_back_into_turns() {
    fn check(text: &str, system: &[&str], turns: &[(Role, &str)]) {
        let body = serde_json::json!({"inputText": text}).to_string();
        let request = exchange(&body).request;
        let text = |text: &&str| Content::Text((*text).to_owned());
        assert_eq!(request.system, system.iter().map(text).collect::<Vec<_>>(), "{body}");
        let message = |(role, words): &(Role, &str)| Message { role: *role, content: vec![text(words)] };
        assert_eq!(request.messages, turns.iter().map(message).collect::<Vec<_>>(), "{body}");
    }
    use Role::{Assistant, User};
    // "To generate responses in a conversational style, submit the prompt by using the following format".
    check("User: Hi\nBot:", &[], &[(User, "Hi")]);
    check("User: Hi\nBot: Hello\nUser: Bye\nBot:", &[], &[(User, "Hi"), (Assistant, "Hello"), (User, "Bye")]);
    check("\n\nUser: Hi\r\nthere\r\n\r\nBot: ", &[], &[(User, "Hi\r\nthere")]);
    check("Be brief.\n\nUser: Hi\n\nBot:", &["Be brief."], &[(User, "Hi")]);
    check("User: As JSON\nBot: {\"a", &[], &[(User, "As JSON"), (Assistant, "{\"a")]);
    check("User: Hi\nBot: Hello\nUser: Bye", &[], &[(User, "Hi"), (Assistant, "Hello"), (User, "Bye")]);
    check("User: What does\nUser: mean?\nBot:", &[], &[(User, "What does\nUser: mean?")]);
    for letter in [
        " to the letter \n",
        "User: nobody is asked to answer",
        "User: on one line Bot:",
        "Who speaks first?\nUser: Hi\nBot: Hello",
        "Bot:",
    ] {
        check(letter, &[], &[(User, letter)]);
    }
}

/// The native documents of a stream of `body`'s format.
fn stream(body: &str, parts: &[Part]) -> Vec<Value> {
    let mut encoder = exchange(body).encoder;
    let mut out = BytesMut::new();
    encoder.prompt(&Usage::plain(163, 0));
    encoder.first_byte(Duration::from_millis(5));
    let head = encoder.begin(&conversation::head(), &mut out);
    assert_eq!(head.headers[0], ("content-type", "application/vnd.amazon.eventstream".to_owned()));
    assert_eq!(head.headers[1], ("x-amzn-bedrock-content-type", "application/json".to_owned()));
    for event in conversation::events(&conversation::answer(parts)) {
        match event {
            Event::Finish(finish) => encoder.finish(&finish, Duration::from_millis(12), &mut out),
            event => encoder.event(&event, &mut out),
        }
    }
    documents(&out)
}

/// What the frames of a stream carry.
fn documents(stream: &[u8]) -> Vec<Value> {
    let mut decoder = Decoder::default();
    decoder.push(stream);
    let mut documents = Vec::new();
    while let Some(frame) = decoder.next().expect("frames") {
        assert_eq!(
            (frame.header(":event-type"), frame.header(":message-type")),
            (Some("chunk"), Some("event"))
        );
        let payload: Value = serde_json::from_slice(&frame.payload).expect("json");
        assert!(payload["p"].is_string());
        let bytes = from_base64(payload["bytes"].as_str().expect("text")).expect("base64");
        documents.push(serde_json::from_slice(&bytes).expect("json"));
    }
    documents
}

#[test]
fn only_the_last_chunk_carries_the_metrics() {
    for body in BODIES {
        let documents = stream(body, &[]);
        let (last, others) = documents.split_last().expect("chunks");
        let metrics = &last["amazon-bedrock-invocationMetrics"];
        let expected = serde_json::json!({
            "inputTokenCount": 100, "outputTokenCount": 25, "invocationLatency": 12, "firstByteLatency": 5,
            "cacheReadInputTokenCount": 40, "cacheWriteInputTokenCount": 23,
        });
        assert_eq!(*metrics, expected, "{body}");
        assert!(others.iter().all(|other| other.get("amazon-bedrock-invocationMetrics").is_none()));
    }
}

#[test]
fn streams_are_in_the_words_of_the_body() {
    let joined = |documents: &[Value], pointer: &str| {
        documents.iter().filter_map(|document| document.pointer(pointer)?.as_str()).collect::<String>()
    };
    let words = "It will rain.";
    assert_eq!(joined(&stream(LLAMA, &[]), "/generation"), words);
    assert_eq!(joined(&stream(MISTRAL, &[]), "/outputs/0/text"), words);
    assert_eq!(joined(&stream(TITAN, &[]), "/outputText"), words);
    assert_eq!(joined(&stream(NOVA, &[]), "/contentBlockDelta/delta/text"), words);
    assert_eq!(joined(&stream(ANTHROPIC, &[]), "/delta/text"), words);
    assert_eq!(joined(&stream(OPENAI, &[]), "/choices/0/delta/content"), words);
    let llama = stream(LLAMA, &[]);
    assert_eq!(llama[0]["prompt_token_count"], 163);
    assert_eq!(llama[1]["prompt_token_count"], Value::Null);
    let last = llama.last().expect("chunks");
    assert_eq!((&last["generation_token_count"], &last["stop_reason"]), (&25.into(), &"stop".into()));
}

#[test]
fn titan_says_once_how_long_the_prompt_is() {
    let counts = |documents: &[Value]| {
        documents.iter().map(|document| document["inputTextTokenCount"].as_u64()).collect::<Vec<_>>()
    };
    assert_eq!(counts(&stream(TITAN, &[])), [Some(163), None, None]);
    let mut encoder = exchange(TITAN).encoder;
    let mut out = BytesMut::new();
    encoder.begin(&conversation::head(), &mut out);
    let answer = conversation::answer(&[]);
    encoder.event(&Event::Text { index: 0, text: "It".into() }, &mut out);
    encoder.finish(&answer.finish, Duration::ZERO, &mut out);
    let documents = documents(&out);
    assert_eq!(counts(&documents), [None, Some(163)]);
    assert_eq!(documents[1]["totalOutputTextTokenCount"], 25);
}

#[test]
fn a_whole_answer_has_its_counts_in_headers() {
    for body in BODIES {
        let headers = Headers { service_tier: Some("flex"), performance_latency: Some("standard"), ..NONE };
        let mut exchange = decode(MODEL, false, &headers, &Bytes::from(body)).expect(body);
        let answer = conversation::answer(&[]);
        let reply = exchange.encoder.whole(&conversation::head(), &answer, Duration::from_millis(12));
        let header =
            |name| reply.head.headers.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str());
        assert_eq!(header("content-type"), Some("application/json"));
        assert_eq!(header("x-amzn-bedrock-input-token-count"), Some("100"));
        assert_eq!(header("x-amzn-bedrock-output-token-count"), Some("25"));
        assert_eq!(header("x-amzn-bedrock-invocation-latency"), Some("12"));
        assert_eq!(header("x-amzn-bedrock-cache-read-input-token-count"), Some("40"));
        assert_eq!(header("x-amzn-bedrock-service-tier"), Some("flex"));
        assert_eq!(header("x-amzn-bedrock-performanceconfig-latency"), Some("standard"));
        serde_json::from_slice::<Value>(&reply.body).expect("json");
    }
}

#[test]
fn stop_reasons_are_those_of_the_vendor() {
    let mut answer = conversation::answer(&[]);
    answer.finish.reason = StopReason::MaxTokens;
    let said = |body: &str, pointer: &str| {
        let reply = exchange(body).encoder.whole(&conversation::head(), &answer, Duration::ZERO);
        serde_json::from_slice::<Value>(&reply.body).expect("json").pointer(pointer).cloned()
    };
    assert_eq!(said(LLAMA, "/stop_reason"), Some("length".into()));
    assert_eq!(said(MISTRAL, "/outputs/0/stop_reason"), Some("length".into()));
    assert_eq!(said(NOVA, "/stopReason"), Some("max_tokens".into()));
    for (reason, word) in [
        (StopReason::EndTurn, "FINISH"),
        (StopReason::ContextFull, "LENGTH"),
        (StopReason::StopSequence, "STOP_CRITERIA_MET"),
        (StopReason::ContentFiltered, "CONTENT_FILTERED"),
    ] {
        let mut answer = conversation::answer(&[]);
        answer.finish.reason = reason;
        let reply = exchange(TITAN).encoder.whole(&conversation::head(), &answer, Duration::ZERO);
        let reply: Value = serde_json::from_slice(&reply.body).expect("json");
        assert_eq!(reply["results"][0]["completionReason"], word);
    }
}

#[test]
fn headers_are_honoured_or_refused() {
    let with =
        |headers: &Headers<'_>| decode(MODEL, false, headers, &Bytes::from(LLAMA)).map(|it| it.request.hints);
    let hints = with(&Headers {
        accept: Some("application/json, */*;q=0.5"),
        trace: Some("DISABLED"),
        performance_latency: Some("optimized"),
        service_tier: Some("reserved"),
        request_metadata: Some(r#"{"team":"red"}"#),
        ..NONE
    })
    .expect("known");
    assert!(hints.optimized_latency && hints.tier == Some(canon::Tier::Reserved));
    assert_eq!(hints.metadata, [("team".to_owned(), "red".to_owned())]);
    for (headers, message) in [
        (
            Headers { accept: Some("image/png"), ..NONE },
            "Accept: answers are application/json; accept that or anything",
        ),
        (
            Headers { guardrail_identifier: Some("a1"), ..NONE },
            "x-amzn-bedrock-guardrailidentifier: guardrails are not supported; leave it out",
        ),
        (
            Headers { service_tier: Some("gold"), ..NONE },
            "x-amzn-bedrock-service-tier: must be one of priority, default, flex, reserved",
        ),
        (
            Headers { request_metadata: Some("[]"), ..NONE },
            "x-amzn-bedrock-request-metadata: must be a JSON object of at most 16 strings, 8,500 bytes long",
        ),
    ] {
        assert_eq!(with(&headers).expect_err(message).message(), message);
    }
}

#[test]
fn a_stream_that_fails_ends_in_an_exception() {
    let mut out = BytesMut::new();
    exchange(NOVA).encoder.fault(&Fault::new(Kind::UpstreamTimeout, "why"), &mut out);
    let mut decoder = Decoder::default();
    decoder.push(&out);
    let frame = decoder.next().expect("whole").expect("a frame");
    assert_eq!(frame.header(":exception-type"), Some("modelTimeoutException"));
    assert_eq!(frame.payload, r#"{"message":"why"}"#);
}

proptest! {
    #[test]
    fn arbitrary_bodies_never_panic(
        text in ".{0,80}",
        which in 0..BODIES.len(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        drop(decode(MODEL, false, &NONE, &Bytes::from(text.clone())));
        let prompt = serde_json::json!({"prompt": format!("<s>[INST]{text}<|start_header_id|>"), "max_gen_len": 1});
        drop(decode(MODEL, false, &NONE, &Bytes::from(prompt.to_string())));
        let titan = serde_json::json!({"inputText": format!("{text}\nUser:{text}\nBot:{text}")});
        drop(decode(MODEL, false, &NONE, &Bytes::from(titan.to_string())));
        let mut body = BODIES[which].as_bytes().to_vec();
        let at = at.index(body.len());
        body[at] = byte;
        drop(decode(MODEL, true, &NONE, &Bytes::from(body)));
    }

    #[test]
    fn an_llama_prompt_survives_its_template(turns in proptest::collection::vec("[a-z]{1,9}( [a-z]{1,9}){0,3}", 1..6)) {
        let mut prompt = "<|begin_of_text|>".to_owned();
        for (index, turn) in turns.iter().enumerate() {
            let role = if index % 2 == 0 { "user" } else { "assistant" };
            prompt.push_str(&format!("<|start_header_id|>{role}<|end_header_id|>\n\n{turn}<|eot_id|>"));
        }
        let body = serde_json::json!({"prompt": prompt, "max_gen_len": 1}).to_string();
        let said = exchange(&body).request.messages;
        let texts = said.iter().map(|message| message.content.clone()).collect::<Vec<_>>();
        prop_assert_eq!(texts, turns.into_iter().map(|turn| vec![Content::Text(turn)]).collect::<Vec<_>>());
    }

    #[test]
    fn a_titan_conversation_survives_its_convention(
        system in "([A-Z][a-z]{1,9}[.])?",
        turns in proptest::collection::vec("[a-z☂:]{1,9}(\n[a-z ]{0,8}[a-z]){0,2}", 1..6),
        awaits in any::<bool>(),
    ) {
        // After the user's turn the bot's name asks for an answer; the bot's own last turn is the answer's beginning.
        let asks = turns.len() % 2 == 1;
        prop_assume!(system.is_empty() || asks && awaits);
        prop_assume!(turns.len() > 1 || awaits);
        let mut text = system.clone();
        for (index, turn) in turns.iter().enumerate() {
            let name = if index % 2 == 0 { "User" } else { "Bot" };
            text.push_str(&format!("\n\n{name}: {turn}"));
        }
        if asks && awaits {
            text.push_str("\n\nBot:");
        }
        let request = exchange(&serde_json::json!({"inputText": text}).to_string()).request;
        prop_assert_eq!(request.system.len(), usize::from(!system.is_empty()));
        let said = request.messages.into_iter().map(|message| message.content).collect::<Vec<_>>();
        prop_assert_eq!(said, turns.into_iter().map(|turn| vec![Content::Text(turn)]).collect::<Vec<_>>());
    }
}
