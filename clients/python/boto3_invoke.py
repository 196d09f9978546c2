"""boto3: InvokeModel and its stream, in the body of each model family."""

import json

from bedrock import converse, refused, runtime, strict_case
from suite import INVALID_MODEL, MODEL, QUESTION, STORY, TOO_LONG, WEATHER, Arrivals, contains, equal, fits

LLAMA_PROMPT = (
    "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\n"
    f"{QUESTION}<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"
)


def invoke(body, **more):
    answer = runtime().invoke_model(modelId=MODEL, body=json.dumps(body), **more)
    equal(answer["contentType"], "application/json", "content type")
    return json.loads(answer["body"].read()), answer["ResponseMetadata"]["HTTPHeaders"]


def stream(body):
    """The chunks of an invoke stream, and when they came."""
    arrivals, chunks = Arrivals(), []
    for event in runtime().invoke_model_with_response_stream(modelId=MODEL, body=json.dumps(body))["body"]:
        arrivals.note()
        chunks.append(json.loads(event["chunk"]["bytes"]))
    return chunks, arrivals


def anthropic(text=QUESTION, tokens=24, **more):
    message = {"role": "user", "content": text}
    return {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": tokens,
        "temperature": 0,
        "messages": [message],
        **more,
    }


def nova(text=QUESTION, tokens=24):
    config = {"maxTokens": tokens, "temperature": 0}
    return {
        "schemaVersion": "messages-v1",
        "messages": [{"role": "user", "content": [{"text": text}]}],
        "inferenceConfig": config,
    }


def titan(text=QUESTION, tokens=24):
    return {"inputText": f"User: {text}\nBot:", "textGenerationConfig": {"maxTokenCount": tokens, "temperature": 0}}


def openai(text=QUESTION, tokens=24, **more):
    return {"messages": [{"role": "user", "content": text}], "max_tokens": tokens, "temperature": 0, **more}


@strict_case
def anthropics_body_is_answered():
    answer, headers = invoke(anthropic())
    equal((answer["type"], answer["role"]), ("message", "assistant"))
    assert answer["content"][0]["text"].strip(), answer
    equal(headers["x-amzn-bedrock-input-token-count"], str(answer["usage"]["input_tokens"]), "header")
    equal(headers["x-amzn-bedrock-output-token-count"], str(answer["usage"]["output_tokens"]), "header")


@strict_case
def anthropics_newer_version_is_answered():
    body = anthropic(anthropic_version="2026-10-21")
    body.pop("temperature")
    answer, _ = invoke(body)
    assert answer["content"][0]["text"].strip(), answer


@strict_case
def anthropics_stream_flows():
    chunks, arrivals = stream(anthropic(STORY, 120))
    arrivals.assert_incremental()
    kinds = [chunk["type"] for chunk in chunks if chunk["type"] != "ping"]
    equal(kinds[:2], ["message_start", "content_block_start"])
    equal(kinds[-3:], ["content_block_stop", "message_delta", "message_stop"])
    text = "".join(chunk["delta"].get("text", "") for chunk in chunks if chunk["type"] == "content_block_delta")
    equal(text, invoke(anthropic(STORY, 120))[0]["content"][0]["text"], "text")


@strict_case
def anthropics_forced_tool_is_called_with_valid_input():
    tools = [{"name": "get_weather", "description": "The weather.", "input_schema": WEATHER}]
    body = anthropic("Weather in Paris?", 100, tools=tools, tool_choice={"type": "any"})
    answer, _ = invoke(body)
    equal(answer["stop_reason"], "tool_use")
    (use,) = [block for block in answer["content"] if block["type"] == "tool_use"]
    fits(use["input"], WEATHER)


@strict_case
def novas_body_is_answered_and_streamed():
    answer, _ = invoke(nova())
    text = answer["output"]["message"]["content"][0]["text"]
    assert text.strip() and answer["stopReason"] in ("end_turn", "max_tokens"), answer
    assert answer["usage"]["inputTokens"] > 0 and answer["usage"]["outputTokens"] > 0, answer
    chunks, _ = stream(nova())
    equal(list(chunks[0]), ["messageStart"])
    parts = [chunk["contentBlockDelta"]["delta"].get("text", "") for chunk in chunks if "contentBlockDelta" in chunk]
    equal("".join(parts), text, "text")
    assert any("metadata" in chunk for chunk in chunks), chunks[-1]


@strict_case
def llamas_body_is_answered_and_streamed():
    body = {"prompt": LLAMA_PROMPT, "max_gen_len": 24, "temperature": 0}
    answer, _ = invoke(body)
    assert answer["generation"].strip() and answer["stop_reason"] in ("stop", "length"), answer
    assert answer["prompt_token_count"] > 0 and answer["generation_token_count"] > 0, answer
    chunks, _ = stream(body)
    equal("".join(chunk.get("generation", "") for chunk in chunks), answer["generation"], "text")
    equal(chunks[-1]["stop_reason"], answer["stop_reason"], "stop reason")


@strict_case
def mistrals_body_is_answered_and_streamed():
    body = {"prompt": f"<s>[INST] {QUESTION} [/INST]", "max_tokens": 24, "temperature": 0}
    answer, _ = invoke(body)
    (output,) = answer["outputs"]
    assert output["text"].strip() and output["stop_reason"] in ("stop", "length"), answer
    chunks, _ = stream(body)
    equal("".join(chunk["outputs"][0]["text"] for chunk in chunks), output["text"], "text")


@strict_case
def titans_body_is_answered_and_streamed():
    answer, _ = invoke(titan())
    (result,) = answer["results"]
    assert result["outputText"].strip() and result["completionReason"] in ("FINISH", "LENGTH"), answer
    assert answer["inputTextTokenCount"] > 0 and result["tokenCount"] > 0, answer
    chunks, _ = stream(titan())
    equal("".join(chunk["outputText"] for chunk in chunks), result["outputText"], "text")
    equal([chunk["completionReason"] for chunk in chunks if chunk["completionReason"]], [result["completionReason"]])
    equal(chunks[-1]["totalOutputTextTokenCount"], result["tokenCount"], "tokens")
    counts = [chunk["inputTextTokenCount"] for chunk in chunks if chunk["inputTextTokenCount"] is not None]
    equal(counts, [answer["inputTextTokenCount"]], "the prompt's tokens")


@strict_case
def openais_body_is_answered_and_streamed():
    answer, _ = invoke(openai())
    text = answer["choices"][0]["message"]["content"]
    assert text.strip() and answer["usage"]["prompt_tokens"] > 0, answer
    chunks, _ = stream(openai())
    parts = [choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"]]
    equal("".join(parts), text, "text")


@strict_case
def one_conversation_costs_the_same_in_every_shape():
    cost = runtime().converse(**converse(QUESTION))["usage"]["inputTokens"]
    equal(invoke(anthropic())[0]["usage"]["input_tokens"], cost, "Anthropic")
    equal(invoke(nova())[0]["usage"]["inputTokens"], cost, "Nova")
    equal(invoke(titan())[0]["inputTextTokenCount"], cost, "Titan")
    equal(invoke(openai())[0]["usage"]["prompt_tokens"], cost, "OpenAI")
    for body in (anthropic(), nova(), titan(), openai()):
        counted = runtime().count_tokens(modelId=MODEL, input={"invokeModel": {"body": json.dumps(body)}})
        equal(counted["inputTokens"], cost, "counted")


@strict_case
def refusals_are_bedrocks_whatever_the_shape():
    bad = "meta.no-such-model-v1:0"
    for call in (runtime().invoke_model, runtime().invoke_model_with_response_stream):
        found = refused(lambda: call(modelId=bad, body=json.dumps(anthropic())))
        equal(found, ("ValidationException", INVALID_MODEL, 400))
        code, message, status = refused(lambda: call(modelId=MODEL, body=json.dumps(anthropic("word " * 20_000))))
        equal((code, status), ("ValidationException", 400))
        contains(message.lower(), "too long")
        code, _, status = refused(lambda: call(modelId=MODEL, body="{"))
        assert code in ("ValidationException", "SerializationException") and status == 400, code
    code, message, _ = refused(lambda: runtime().invoke_model(modelId=MODEL, body=json.dumps(nova("word " * 20_000))))
    contains(message, TOO_LONG)
    code, message, _ = refused(
        lambda: runtime().invoke_model(modelId=MODEL, body=json.dumps(anthropic(no_such_field=1)))
    )
    equal(code, "ValidationException")
    contains(message, "no_such_field")
