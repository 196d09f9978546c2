"""Anthropic's SDK: its own API, and both of its Bedrock clients."""

import json

import anthropic
from anthropic import Anthropic, AnthropicBedrock, AnthropicBedrockMantle

from suite import (
    MODEL,
    PERSON,
    PLACE,
    QUESTION,
    REGION,
    STORY,
    WEATHER,
    Arrivals,
    case,
    contains,
    equal,
    fits,
    new_text,
    raises,
)

ACCESS, SECRET = PLACE.key_pair
TOOLS = [{"name": "get_weather", "description": "The weather.", "input_schema": WEATHER}]

# Every answer is also held against the SDK's own types.
STRICT = {"max_retries": 0, "_strict_response_validation": True}


def direct(**more):
    return Anthropic(**{"base_url": f"{PLACE.url}/anthropic", "api_key": PLACE.api_key, **STRICT, **more})


def bedrock(**more):
    pair = {"aws_access_key": ACCESS, "aws_secret_key": SECRET, "aws_region": REGION}
    return AnthropicBedrock(**{"base_url": PLACE.url, **STRICT, **pair, **more})


def mantle(**more):
    pair = {"aws_access_key": ACCESS, "aws_secret_key": SECRET, "aws_region": REGION}
    return AnthropicBedrockMantle(**{"base_url": f"{PLACE.url}/anthropic", **STRICT, **pair, **more})


def ask(text=QUESTION, tokens=24, **more):
    return {"model": MODEL, "max_tokens": tokens, "messages": [{"role": "user", "content": text}], **more}


def check_answer(client):
    answer = client.messages.create(**ask())
    equal((answer.type, answer.role), ("message", "assistant"))
    assert answer.content[0].text.strip() and answer.usage.input_tokens > 0 and answer.usage.output_tokens > 0, answer
    return answer


def check_stream(client):
    arrivals = Arrivals()
    with client.messages.stream(**ask(STORY, 120)) as stream:
        for text in stream.text_stream:
            assert isinstance(text, str)
            arrivals.note()
        final = stream.get_final_message()
    arrivals.assert_incremental()
    assert final.usage.output_tokens > 0 and final.stop_reason in ("end_turn", "max_tokens"), final


def check_tools(client):
    question = ask("What is the weather in Paris?", 100, tools=TOOLS)
    for choice in ({"type": "any"}, {"type": "tool", "name": "get_weather"}):
        answer = client.messages.create(**question, tool_choice=choice)
        equal(answer.stop_reason, "tool_use")
        (use,) = [block for block in answer.content if block.type == "tool_use"]
        fits(use.input, WEATHER)
    with client.messages.stream(**question, tool_choice=choice) as stream:
        (streamed,) = [block for block in stream.get_final_message().content if block.type == "tool_use"]
    fits(streamed.input, WEATHER)
    result = {"type": "tool_result", "tool_use_id": use.id, "content": json.dumps({"degrees": 21})}
    question["messages"] += [
        {"role": "assistant", "content": [block.model_dump(exclude_none=True) for block in answer.content]},
        {"role": "user", "content": [result]},
    ]
    after = client.messages.create(**question)
    assert after.stop_reason in ("end_turn", "max_tokens", "tool_use"), after


@case
def messages_are_answered_under_anthropic():
    check_answer(direct())


@case
def messages_are_answered_at_the_root():
    check_answer(direct(base_url=PLACE.url))


@case
def messages_are_answered_over_tls():
    import httpx2

    check_answer(direct(base_url=f"{PLACE.tls_url}/anthropic", http_client=httpx2.Client(verify=PLACE.ca)))


@case
def a_bearer_token_works_as_well_as_x_api_key():
    check_answer(direct(api_key=None, auth_token=PLACE.api_key))


@case
def messages_stream_as_they_are_made():
    check_stream(direct())


@case
def forced_tools_are_called_with_valid_input_and_take_results():
    check_tools(direct())


@case
def an_output_format_holds_the_answer():
    config = {"format": {"type": "json_schema", "schema": PERSON}}
    answer = direct().messages.create(**ask("Describe a person.", 150, output_config=config))
    fits(json.loads(answer.content[0].text), PERSON)


@case
def count_tokens_is_what_the_call_costs():
    for more in ({}, {"system": "You are terse."}, {"tools": TOOLS}):
        question = ask(tokens=1, **more)
        counted = direct().messages.count_tokens(**{key: question[key] for key in question if key != "max_tokens"})
        equal(counted.input_tokens, direct().messages.create(**question).usage.input_tokens)


def check_cache(client):
    def asked(text, ttl=None):
        control = {"type": "ephemeral", **({"ttl": ttl} if ttl else {})}
        return ask(tokens=8, system=[{"type": "text", "text": text, "cache_control": control}])

    text = new_text()
    first = client.messages.create(**asked(text)).usage
    written = first.cache_creation_input_tokens
    assert written > 100 and first.cache_read_input_tokens == 0 and first.input_tokens > 0, first
    equal(first.cache_creation.ephemeral_5m_input_tokens, written)
    again = client.messages.create(**asked(text)).usage
    equal((again.cache_read_input_tokens, again.cache_creation_input_tokens), (written, 0))
    equal(again.input_tokens, first.input_tokens)
    with client.messages.stream(**asked(text)) as stream:
        begun = next(event for event in stream if event.type == "message_start").message.usage
        final = stream.get_final_message().usage
    equal((begun.cache_read_input_tokens, begun.input_tokens), (written, first.input_tokens))
    equal((final.cache_read_input_tokens, final.input_tokens), (written, first.input_tokens))
    hour = client.messages.create(**asked(new_text(), "1h")).usage.cache_creation
    assert hour.ephemeral_1h_input_tokens > 100 and hour.ephemeral_5m_input_tokens == 0, hour
    plain = client.messages.create(**ask(tokens=8, system=text)).usage
    equal((plain.cache_read_input_tokens, plain.input_tokens), (0, written + first.input_tokens))


@case
def a_cache_control_is_written_once_and_read_afterwards():
    check_cache(direct())


@case
def bedrock_takes_cache_control():
    check_cache(bedrock())


@case
def a_stop_sequence_is_named():
    whole = direct().messages.create(**ask(STORY, 60, extra_body={"temperature": 0})).content[0].text
    word = whole.split()[6]
    answer = direct().messages.create(**ask(STORY, 60, stop_sequences=[word], extra_body={"temperature": 0}))
    equal((answer.stop_reason, answer.stop_sequence), ("stop_sequence", word))
    equal(answer.content[0].text, whole[: whole.index(word)])


@case
def models_are_listed():
    contains([model.id for model in direct().models.list()], MODEL)
    equal(direct().models.retrieve(MODEL).id, MODEL)


@case
def refusals_are_anthropics():
    error = raises(anthropic.AuthenticationError, lambda: direct(api_key="ABSKnobody").messages.create(**ask()))
    equal(error.body["error"]["type"], "authentication_error")
    error = raises(anthropic.NotFoundError, lambda: direct().messages.create(**ask() | {"model": "no-such-model"}))
    equal(error.body["error"]["type"], "not_found_error")
    error = raises(anthropic.BadRequestError, lambda: direct().messages.create(**ask("word " * 20_000)))
    contains(error.body["error"]["message"], "prompt is too long")
    picture = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
    error = raises(anthropic.BadRequestError, lambda: direct().messages.create(**ask([picture])))
    contains(error.body["error"]["message"], "image")
    assert error.request_id, "no request-id"


@case
def bedrock_messages_are_answered():
    check_answer(bedrock())


@case
def bedrock_messages_stream_as_they_are_made():
    check_stream(bedrock())


@case
def bedrock_forced_tools_are_called_with_valid_input():
    check_tools(bedrock())


@case
def bedrock_takes_an_api_key():
    import httpx2

    pair = {"aws_access_key": None, "aws_secret_key": None, "api_key": PLACE.api_key}
    check_answer(bedrock(base_url=PLACE.tls_url, http_client=httpx2.Client(verify=PLACE.ca), **pair))


@case
def bedrock_refusals_have_bedrocks_texts():
    error = raises(
        anthropic.BadRequestError, lambda: bedrock().messages.create(**ask() | {"model": "no.such-model-v1:0"})
    )
    contains(str(error), "The provided model identifier is invalid.")
    error = raises(anthropic.PermissionDeniedError, lambda: bedrock(aws_secret_key="x" * 40).messages.create(**ask()))
    contains(str(error), "signature")


@case
def mantle_messages_are_answered_and_streamed():
    check_answer(mantle())
    check_stream(mantle())
