use std::time::Instant;

use aws_sdk_bedrockruntime::Client;
use aws_sdk_bedrockruntime::error::ProvideErrorMetadata;
use aws_sdk_bedrockruntime::operation::converse::builders::ConverseFluentBuilder;
use aws_sdk_bedrockruntime::operation::converse_stream::builders::ConverseStreamFluentBuilder;
use aws_sdk_bedrockruntime::primitives::Blob;
use aws_sdk_bedrockruntime::types::{
    AnyToolChoice, ContentBlock, ContentBlockDelta, ConversationRole, ConverseStreamOutput, ConverseTokensRequest,
    CountTokensInput, InferenceConfiguration, Message, ResponseStream, StopReason, TokenUsage, Tool, ToolChoice,
    ToolConfiguration, ToolInputSchema, ToolSpecification,
};
use aws_smithy_types::Document;

use crate::place::Place;
use crate::{Body, Outcome};

const MODEL: &str = "huggingfacetb.smollm2-135m-instruct-v1:0";
const QUESTION: &str = "What is the capital of France?";
const STORY: &str = "Tell a long story about a lighthouse and the sea, with many details.";

pub const CASES: &[(&str, Body)] = &[
    ("converse_answers_and_counts", |place| Box::pin(answers(place.client()))),
    ("a_stream_flows_and_says_what_converse_says", |place| Box::pin(streams(place.client()))),
    ("a_forced_tool_is_called", |place| Box::pin(calls_a_tool(place.client()))),
    ("count_tokens_is_what_the_call_costs", |place| Box::pin(counts(place.client()))),
    ("invoke_answers_and_streams", |place| Box::pin(invokes(place.client()))),
    ("fifty_streams_at_once_all_end_with_their_usage", |place| Box::pin(crowd(place.client()))),
    ("a_bad_model_is_refused_in_bedrocks_words", |place| Box::pin(refuses(place.client()))),
    ("a_wrong_secret_is_a_wrong_signature", |place| Box::pin(refuses_a_stranger(place))),
    ("a_bearer_key_works_over_tls_and_http2", |place| Box::pin(answers(place.bearer()))),
    ("a_stream_flows_over_tls_and_http2", |place| Box::pin(streams(place.bearer()))),
];

fn user(text: &str) -> Message {
    let content = ContentBlock::Text(text.to_owned());
    Message::builder().role(ConversationRole::User).content(content).build().expect("a message")
}

fn sampling(tokens: i32) -> InferenceConfiguration {
    InferenceConfiguration::builder().max_tokens(tokens).temperature(0.0).build()
}

fn ask(client: &Client, text: &str, tokens: i32) -> ConverseFluentBuilder {
    client.converse().model_id(MODEL).messages(user(text)).inference_config(sampling(tokens))
}

fn ask_stream(client: &Client, text: &str, tokens: i32) -> ConverseStreamFluentBuilder {
    client.converse_stream().model_id(MODEL).messages(user(text)).inference_config(sampling(tokens))
}

#[derive(Default)]
struct Gathered {
    text: String,
    stop: Option<StopReason>,
    usage: Option<TokenUsage>,
    pieces: usize,
    first_s: f64,
    last_s: f64,
}

async fn gather(request: ConverseStreamFluentBuilder) -> Result<Gathered, Box<dyn std::error::Error + Send + Sync>> {
    let start = Instant::now();
    let mut answer = request.send().await?;
    let mut all = Gathered::default();
    while let Some(event) = answer.stream.recv().await? {
        match event {
            ConverseStreamOutput::ContentBlockDelta(delta) => {
                all.last_s = start.elapsed().as_secs_f64();
                if all.pieces == 0 {
                    all.first_s = all.last_s;
                }
                all.pieces += 1;
                if let Some(ContentBlockDelta::Text(text)) = delta.delta {
                    all.text.push_str(&text);
                }
            }
            ConverseStreamOutput::MessageStop(stop) => all.stop = Some(stop.stop_reason),
            ConverseStreamOutput::Metadata(metadata) => all.usage = metadata.usage,
            _ => {}
        }
    }
    Ok(all)
}

fn text_of(content: &[ContentBlock]) -> String {
    content.iter().filter_map(|block| block.as_text().ok()).map(String::as_str).collect()
}

async fn answers(client: Client) -> Outcome {
    let answer = ask(&client, QUESTION, 24).send().await?;
    let message = answer.output().and_then(|output| output.as_message().ok()).ok_or("no message")?;
    assert_that(!text_of(message.content()).trim().is_empty(), "no text")?;
    let usage = answer.usage().ok_or("no usage")?;
    assert_that(usage.total_tokens() == usage.input_tokens() + usage.output_tokens(), "the sum is wrong")
}

async fn streams(client: Client) -> Outcome {
    let whole = ask(&client, STORY, 120).send().await?;
    let message = whole.output().and_then(|output| output.as_message().ok()).ok_or("no message")?;
    let streamed = gather(ask_stream(&client, STORY, 120)).await?;
    assert_that(streamed.text == text_of(message.content()), "the texts differ")?;
    assert_that(streamed.stop.as_ref() == Some(whole.stop_reason()), "the stop reasons differ")?;
    assert_that(streamed.usage.as_ref() == whole.usage(), "the usages differ")?;
    let Gathered { pieces, first_s, last_s, .. } = streamed;
    let flows = pieces >= 20 && first_s <= last_s / 2.0;
    assert_that(flows, &format!("held back: {pieces} pieces, first after {first_s} s, last after {last_s} s"))
}

async fn calls_a_tool(client: Client) -> Outcome {
    let text = |of_type: &str| Document::Object([("type".to_owned(), Document::from(of_type))].into());
    let properties = Document::Object([("n".to_owned(), text("integer"))].into());
    let schema = Document::Object(
        [
            ("type".to_owned(), Document::from("object")),
            ("properties".to_owned(), properties),
            ("required".to_owned(), Document::from(vec![Document::from("n")])),
        ]
        .into(),
    );
    let tool = ToolSpecification::builder().name("pick").input_schema(ToolInputSchema::Json(schema)).build()?;
    let config = ToolConfiguration::builder()
        .tools(Tool::ToolSpec(tool))
        .tool_choice(ToolChoice::Any(AnyToolChoice::builder().build()))
        .build()?;
    let answer = ask(&client, "Pick a number.", 60).tool_config(config).send().await?;
    assert_that(answer.stop_reason() == &StopReason::ToolUse, "no tool was called")?;
    let message = answer.output().and_then(|output| output.as_message().ok()).ok_or("no message")?;
    let call = message.content().iter().find_map(|block| block.as_tool_use().ok()).ok_or("no call")?;
    assert_that(call.input().as_object().is_some_and(|input| input.contains_key("n")), "the input lacks `n`")
}

async fn counts(client: Client) -> Outcome {
    let conversation = ConverseTokensRequest::builder().messages(user(QUESTION)).build();
    let counted =
        client.count_tokens().model_id(MODEL).input(CountTokensInput::Converse(conversation)).send().await?;
    let answer = ask(&client, QUESTION, 1).send().await?;
    assert_that(answer.usage().map(TokenUsage::input_tokens) == Some(counted.input_tokens()), "the counts differ")
}

async fn invokes(client: Client) -> Outcome {
    let body = serde_json::json!({
        "anthropic_version": "bedrock-2023-05-31", "max_tokens": 24, "temperature": 0,
        "messages": [{"role": "user", "content": QUESTION}],
    });
    let body = Blob::new(body.to_string());
    let answer = client.invoke_model().model_id(MODEL).body(body.clone()).send().await?;
    let whole: serde_json::Value = serde_json::from_slice(answer.body().as_ref())?;
    let mut stream = client.invoke_model_with_response_stream().model_id(MODEL).body(body).send().await?;
    let mut text = String::new();
    while let Some(event) = stream.body.recv().await? {
        if let ResponseStream::Chunk(chunk) = event {
            let bytes = chunk.bytes().ok_or("a chunk without bytes")?;
            let value: serde_json::Value = serde_json::from_slice(bytes.as_ref())?;
            text.push_str(value["delta"]["text"].as_str().unwrap_or_default());
        }
    }
    assert_that(whole["content"][0]["text"].as_str() == Some(&text), "the texts differ")
}

async fn crowd(client: Client) -> Outcome {
    let alone = gather(ask_stream(&client, QUESTION, 24)).await?;
    let all = futures::future::join_all((0..50).map(|_| gather(ask_stream(&client, QUESTION, 24)))).await;
    for one in all {
        let one = one?;
        assert_that(one.text == alone.text && one.usage == alone.usage, "a stream differs from one alone")?;
    }
    Ok(())
}

async fn refuses(client: Client) -> Outcome {
    let refusal = ask(&client, QUESTION, 8).model_id("no.such-model-v1:0").send().await.err().ok_or("no refusal")?;
    let service = refusal.into_service_error();
    assert_that(service.is_validation_exception(), "another error")?;
    assert_that(service.message() == Some("The provided model identifier is invalid."), "another message")
}

async fn refuses_a_stranger(place: Place) -> Outcome {
    let refusal = ask(&place.with_secret("x"), QUESTION, 8).send().await.err().ok_or("no refusal")?;
    assert_that(refusal.code() == Some("InvalidSignatureException"), "another code")
}

fn assert_that(holds: bool, otherwise: &str) -> Outcome {
    if holds { Ok(()) } else { Err(otherwise.into()) }
}
