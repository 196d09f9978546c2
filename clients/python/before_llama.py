"""Before llama.cpp's Python server, which is not as able as the engine here: what it can do passes through in all three
client families, and what it cannot is refused by name. `cargo xtask test --only peers --only remote` runs this."""

import json

import anthropic
import openai

import anthropic_sdk
import openai_sdk
from bedrock import converse, gather, refused, runtime, strict_case, text_of
from outcrop_command import eventually, new_key, used
from suite import MODEL, PERSON, QUESTION, STORY, WEATHER, Arrivals, case, contains, equal, fits, raises

# Of the modules above, the tools are wanted and not the cases.
import suite

suite.CASES.clear()

CHAT = openai_sdk.client().chat.completions
MESSAGES = anthropic_sdk.direct().messages
SPEC = {"toolSpec": {"name": "get_weather", "description": "The weather.", "inputSchema": {"json": WEATHER}}}
CLOCK = {"toolSpec": {"name": "get_time", "description": "The time.", "inputSchema": {"json": {"type": "object"}}}}
WHERE = "What is the weather in Paris?"


@strict_case
def converse_is_answered_and_streamed_alike():
    whole = runtime().converse(**converse(STORY, tokens=60))
    assert text_of(whole).strip() and whole["usage"]["inputTokens"] > 0, whole
    streamed = gather(runtime().converse_stream(**converse(STORY, tokens=60))["stream"])
    streamed["arrivals"].assert_incremental()
    equal(streamed["text"], text_of(whole), "text")
    equal(streamed["stop"], whole["stopReason"], "stop reason")
    equal(streamed["usage"]["outputTokens"], whole["usage"]["outputTokens"], "a piece a token")


@case
def a_chat_is_answered_and_streamed_alike():
    whole = CHAT.create(**openai_sdk.ask(STORY, 60))
    arrivals, text, usage = Arrivals(), "", None
    asked = {"stream": True, "stream_options": {"include_usage": True}}
    for chunk in CHAT.create(**openai_sdk.ask(STORY, 60), **asked):
        arrivals.note()
        equal(chunk.model, MODEL)
        text += "".join(choice.delta.content or "" for choice in chunk.choices)
        usage = chunk.usage or usage
    arrivals.assert_incremental()
    equal(text, whole.choices[0].message.content, "text")
    equal(usage.completion_tokens, whole.usage.completion_tokens, "a piece a token")


@case
def messages_are_answered_and_streamed_alike():
    cold = {"extra_body": {"temperature": 0}}
    whole = MESSAGES.create(**anthropic_sdk.ask(STORY, 60, **cold))
    arrivals = Arrivals()
    with MESSAGES.stream(**anthropic_sdk.ask(STORY, 60, **cold)) as stream:
        for _ in stream.text_stream:
            arrivals.note()
        final = stream.get_final_message()
    arrivals.assert_incremental()
    equal(final.content[0].text, whole.content[0].text, "text")
    equal(final.usage.output_tokens, whole.usage.output_tokens, "a piece a token")


@strict_case
def converse_calls_a_tool_that_it_must():
    for choice in ({"any": {}}, {"tool": {"name": "get_weather"}}):
        config = {"tools": [SPEC], "toolChoice": choice}
        answer = runtime().converse(**converse(WHERE, tokens=60, toolConfig=config))
        (use,) = [block["toolUse"] for block in answer["output"]["message"]["content"] if "toolUse" in block]
        fits(use["input"], WEATHER)
        equal(answer["stopReason"], "tool_use")
        got = gather(runtime().converse_stream(**converse(WHERE, tokens=60, toolConfig=config))["stream"])
        (streamed,) = got["tools"].values()
        equal((streamed["name"], json.loads(streamed["input"])), ("get_weather", use["input"]))


@case
def a_chat_calls_a_tool_that_it_must():
    question = openai_sdk.ask(WHERE, 60, tools=[openai_sdk.TOOL])
    for choice in ("required", {"type": "function", "function": {"name": "get_weather"}}):
        (answer,) = CHAT.create(**question, tool_choice=choice).choices
        (call,) = answer.message.tool_calls
        fits(json.loads(call.function.arguments), WEATHER)
        streamed = ""
        for chunk in CHAT.create(**question, tool_choice=choice, stream=True):
            for piece in [piece for one in chunk.choices for piece in one.delta.tool_calls or []]:
                streamed += piece.function.arguments or ""
        equal(json.loads(streamed), json.loads(call.function.arguments))


@case
def messages_call_a_tool_that_they_must():
    question = anthropic_sdk.ask(WHERE, 60, tools=anthropic_sdk.TOOLS)
    for choice in ({"type": "any"}, {"type": "tool", "name": "get_weather"}):
        answer = MESSAGES.create(**question, tool_choice=choice)
        (use,) = [block for block in answer.content if block.type == "tool_use"]
        fits(use.input, WEATHER)
        with MESSAGES.stream(**question, tool_choice=choice) as stream:
            (use,) = [block for block in stream.get_final_message().content if block.type == "tool_use"]
        fits(use.input, WEATHER)


@case
def one_of_several_tools_cannot_be_forced_there():
    config = {"tools": [SPEC, CLOCK], "toolChoice": {"any": {}}}
    code, message, _ = refused(lambda: runtime().converse(**converse(WHERE, toolConfig=config)))
    equal(code, "ValidationException")
    contains(message, "tool_choice")
    tools = [openai_sdk.TOOL, {"type": "function", "function": {"name": "get_time", "parameters": {"type": "object"}}}]
    ask = openai_sdk.ask(WHERE, tools=tools, tool_choice="required")
    contains(str(raises(openai.BadRequestError, lambda: CHAT.create(**ask))), "tool_choice")


@case
def a_stop_sequence_ends_an_answer_before_itself():
    whole = CHAT.create(**openai_sdk.ask(STORY, 60)).choices[0].message.content
    word = whole.split()[6]
    (choice,) = CHAT.create(**openai_sdk.ask(STORY, 60, stop=[word])).choices
    equal((choice.finish_reason, choice.message.content), ("stop", whole[: whole.index(word)]))
    config = {"stopSequences": [word]}
    answer = runtime().converse(**converse(STORY, tokens=60, inferenceConfig=config))
    equal(text_of(answer), whole[: whole.index(word)])
    answer = MESSAGES.create(**anthropic_sdk.ask(STORY, 60, stop_sequences=[word], extra_body={"temperature": 0}))
    equal(answer.content[0].text, whole[: whole.index(word)])


@case
def a_json_object_can_be_had_and_a_schema_is_refused_by_name():
    with_object = CHAT.create(**openai_sdk.ask("Give JSON.", 200, response_format={"type": "json_object"}))
    if with_object.choices[0].finish_reason == "stop":
        json.loads(with_object.choices[0].message.content)
    schema = {"type": "json_schema", "json_schema": {"name": "person", "schema": PERSON}}
    error = raises(openai.BadRequestError, lambda: CHAT.create(**openai_sdk.ask(response_format=schema)))
    contains(str(error), "schema")
    config = {"format": {"type": "json_schema", "schema": PERSON}}
    error = raises(
        anthropic.BadRequestError, lambda: MESSAGES.create(**anthropic_sdk.ask("Describe.", output_config=config))
    )
    contains(str(error), "schema")


@case
def a_prompt_that_is_too_long_is_refused_with_the_texts_that_clients_match():
    long = "word " * 3000
    contains(refused(lambda: runtime().converse(**converse(long)))[1], "Input is too long for requested model")
    error = raises(openai.BadRequestError, lambda: CHAT.create(**openai_sdk.ask(long)))
    equal(error.code, "context_length_exceeded")
    error = raises(anthropic.BadRequestError, lambda: MESSAGES.create(**anthropic_sdk.ask(long)))
    contains(str(error), "prompt is too long")


@case
def receipts_are_what_clients_were_told():
    _, made, mine = new_key("llama")
    seen = [eventually(lambda: mine.converse(**converse(QUESTION)))["usage"]]
    seen += [mine.converse(**converse(STORY, tokens=n))["usage"] for n in (1, 7, 30)]
    seen += [gather(mine.converse_stream(**converse(STORY, tokens=n))["stream"])["usage"] for n in (3, 20)]
    config = {"tools": [SPEC], "toolChoice": {"any": {}}}
    seen.append(mine.converse(**converse(WHERE, tokens=60, toolConfig=config))["usage"])
    seen.append(gather(mine.converse_stream(**converse(WHERE, tokens=60, toolConfig=config))["stream"])["usage"])
    equal(seen[-1]["outputTokens"], seen[-2]["outputTokens"], "a piece a token, in tools too")
    found = used(made["accessKeyId"])
    for counter in ("inputTokens", "outputTokens"):
        equal(found[counter], sum(usage[counter] for usage in seen), counter)
    equal(found["requests"], len(seen), "requests")
