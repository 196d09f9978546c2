use super::*;

#[tokio::test]
async fn a_whole_answer_is_translated() {
    let upstream = Upstream::new(response("200 OK", "application/json", WHOLE)).await;
    assert_eq!(outcome(&upstream.backend(), request(false)).await.unwrap(), hello());
    assert_eq!(
        upstream.body(),
        serde_json::json!({"model": "up/wise", "messages": [{"role": "user", "content": "hello there"}]})
    );
    let head = upstream.seen.lock().unwrap()[0].0.clone();
    assert!(head.starts_with("POST /v1/chat/completions HTTP/1.1\r\n"), "{head}");
    assert!(head.contains("authorization: Bearer sk-secret\r\n"), "{head}");
}

#[tokio::test]
async fn a_stream_is_translated_and_counted_as_it_comes() {
    let script = vec![
        stream_head(),
        event(HELLO),
        Act::Wait(50),
        event(LO),
        event(STOP),
        event(USAGE),
        event("[DONE]"),
    ];
    let upstream = Upstream::new(script).await;
    let mut generation = upstream.backend().generate(Arc::new(request(true))).await.unwrap();
    assert!(!generation.relayed);
    let first = generation.events.next().await;
    assert!(matches!(first, Some(Ok(Event::BlockStart { index: 0, .. }))), "{first:?}");
    // The guess: 11 bytes in one turn of prompt, one delta so far.
    assert_eq!(generation.tally.usage(), Usage::plain(9, 1));
    let rest: Vec<_> = generation.events.collect().await;
    let Some(Ok(Event::Finish(finish))) = rest.last() else { panic!("{rest:?}") };
    assert_eq!(finish.usage, Usage::plain(11, 2));
    assert_eq!(generation.tally.usage(), Usage::plain(11, 2));
}

#[tokio::test]
async fn usage_that_the_server_does_not_count_is_estimated() {
    let upstream = Upstream::new(vec![stream_head(), event(HELLO), event(LO), event(STOP)]).await;
    let answer = outcome(&upstream.backend(), request(true)).await.unwrap();
    assert_eq!(answer.finish.usage, Usage::plain(9, 2));

    let body = r#"{"choices":[{"message":{"content":"hello"},"finish_reason":"stop"}]}"#;
    let upstream = Upstream::new(response("200 OK", "application/json", body)).await;
    let answer = outcome(&upstream.backend(), request(false)).await.unwrap();
    assert_eq!(answer.finish.usage, Usage::plain(9, 2));
}

#[tokio::test]
async fn a_server_that_cannot_stream_is_understood() {
    let upstream = Upstream::new(response("200 OK", "application/json", WHOLE)).await;
    assert_eq!(outcome(&upstream.backend(), request(true)).await.unwrap(), hello());
}

#[tokio::test]
async fn hints_that_have_no_place_are_named() {
    let upstream = Upstream::new(response("200 OK", "application/json", WHOLE)).await;
    let mut request = request(false);
    request.hints.effort = Some(canon::Effort::Low);
    request.hints.tier = Some(canon::Tier::Flex);
    request.hints.betas = vec!["x".into()];
    let generation = upstream.backend().generate(Arc::new(request)).await.unwrap();
    assert_eq!(generation.ignored.names().collect::<Vec<_>>(), ["service-tier", "betas"]);
    assert_eq!(upstream.body()["reasoning_effort"], "low");
}

#[tokio::test]
async fn calls_of_tools_are_translated() {
    let call = r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"c","function":{"name":"look","arguments":"{\"x\""}}]}}]}"#;
    let more = r#"{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":":1}"}}]}}]}"#;
    let end = r#"{"choices":[{"delta":{},"finish_reason":"tool_calls"}]}"#;
    let script = vec![stream_head(), event(call), event(more), event(end), event(USAGE), event("[DONE]")];
    let answer = outcome(&Upstream::new(script).await.backend(), request(true)).await.unwrap();
    assert_eq!(answer.finish.reason, StopReason::ToolUse);
    let [Content::ToolUse(call)] = &answer.content[..] else { panic!("{answer:?}") };
    assert_eq!((call.id.as_str(), call.input.text()), ("c", "{\"x\":1}"));
}

#[tokio::test]
async fn a_connection_is_used_again() {
    let upstream = Upstream::new(response("200 OK", "application/json", WHOLE)).await;
    let backend = upstream.backend();
    for _ in 0..5 {
        outcome(&backend, request(false)).await.unwrap();
    }
    assert_eq!(upstream.connections.load(Ordering::SeqCst), 1);

    // Also after a stream whose last bytes come a little after its end mark.
    let chunk = |text: &str| format!("{:x}\r\n{text}\r\n", text.len());
    let frames: String =
        [HELLO, STOP, USAGE, "[DONE]"].map(|data| chunk(&format!("data: {data}\n\n"))).concat();
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    let script = vec![Act::Say(head.to_owned() + &frames), Act::Wait(5), Act::Say("0\r\n\r\n".into())];
    let upstream = Upstream::new(script).await;
    let backend = upstream.backend();
    for _ in 0..5 {
        outcome(&backend, request(true)).await.unwrap();
        sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(upstream.connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn tokens_are_counted_where_the_server_can() {
    let fault =
        OpenAi::new(config("http://127.0.0.1:1/v1")).unwrap().count(&request(false)).await.unwrap_err();
    assert_eq!(fault.kind().code(), "unsupported");

    let body = r#"{"count":42,"max_model_len":4096,"tokens":[1,2]}"#;
    let upstream = Upstream::new(response("200 OK", "application/json", body)).await;
    let backend = OpenAi::new(Config { counter: Counter::Vllm, ..upstream.config() }).unwrap();
    assert_eq!(backend.count(&request(true)).await.unwrap(), 42);
    assert!(upstream.seen.lock().unwrap()[0].0.starts_with("POST /tokenize "));
    assert_eq!(upstream.body()["add_generation_prompt"], true);

    let body = r#"{"prompt":"<|user|>hello there","tokens":[1,2,{"id":3}]}"#;
    let upstream = Upstream::new(response("200 OK", "application/json", body)).await;
    let backend = OpenAi::new(Config { counter: Counter::LlamaCpp, ..upstream.config() }).unwrap();
    assert_eq!(backend.count(&request(true)).await.unwrap(), 3);
    let heads: Vec<_> = upstream.seen.lock().unwrap().iter().map(|(head, _)| head[..20].to_owned()).collect();
    assert_eq!(heads, ["POST /apply-template", "POST /tokenize HTTP/"]);

    let upstream = Upstream::new(response("200 OK", "application/json", r#"{"inputTokens":7}"#)).await;
    let config =
        Config { counter: Counter::Outcrop, upstream_model: "up/wise-v1:0".into(), ..upstream.config() };
    assert_eq!(OpenAi::new(config).unwrap().count(&request(true)).await.unwrap(), 7);
    let head = upstream.seen.lock().unwrap()[0].0.clone();
    assert!(head.starts_with("POST /model/up%2Fwise-v1%3A0/count-tokens "), "{head}");
    assert!(upstream.body()["input"]["invokeModel"]["body"].is_string());
}
