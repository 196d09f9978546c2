"""OpenAI's SDK: chat completions, responses and models."""

import json

import openai
from openai import OpenAI

from suite import (
    MODEL,
    PERSON,
    PLACE,
    PNG,
    QUESTION,
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

TOOL = {"type": "function", "function": {"name": "get_weather", "description": "The weather.", "parameters": WEATHER}}
FLAT_TOOL = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather.",
    "parameters": WEATHER,
    "strict": True,
}

# Every answer is also held against the SDK's own types.
STRICT = {"max_retries": 0, "_strict_response_validation": True}


def client(path="/openai/v1", **more):
    return OpenAI(**{"base_url": PLACE.url + path, "api_key": PLACE.api_key, **STRICT, **more})


def ask(text=QUESTION, tokens=24, **more):
    messages = [{"role": "user", "content": text}]
    return {"model": MODEL, "messages": messages, "max_completion_tokens": tokens, "temperature": 0, **more}


def respond(question=QUESTION, tokens=24, **more):
    return {"model": MODEL, "input": question, "max_output_tokens": tokens, "temperature": 0, **more}


@case
def a_chat_is_answered_under_both_paths():
    for path in ("/openai/v1", "/v1"):
        answer = client(path).chat.completions.create(**ask())
        (choice,) = answer.choices
        equal((answer.object, choice.message.role), ("chat.completion", "assistant"))
        assert choice.message.content.strip() and choice.finish_reason in ("stop", "length"), answer
        equal(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens)


@case
def a_chat_streams_as_it_is_made():
    whole = client().chat.completions.create(**ask(STORY, 120))
    arrivals, text, usage, finish = Arrivals(), "", None, None
    for chunk in client().chat.completions.create(
        **ask(STORY, 120), stream=True, stream_options={"include_usage": True}
    ):
        arrivals.note()
        usage = chunk.usage or usage
        for choice in chunk.choices:
            text += choice.delta.content or ""
            finish = choice.finish_reason or finish
    arrivals.assert_incremental()
    equal(text, whole.choices[0].message.content, "text")
    equal(finish, whole.choices[0].finish_reason, "finish reason")
    equal(usage.model_dump(), whole.usage.model_dump(), "usage")


@case
def a_chat_stream_without_being_asked_says_no_usage():
    chunks = list(client().chat.completions.create(**ask(), stream=True))
    assert all(chunk.usage is None for chunk in chunks)


@case
def what_a_cache_supplies_is_told_unasked():
    question = ask(" ".join(new_text() for _ in range(4)), 4)
    first = client().chat.completions.create(**question).usage
    again = client().chat.completions.create(**question).usage
    assert first.prompt_tokens >= 1024, first
    equal((first.prompt_tokens_details.cached_tokens, again.prompt_tokens), (0, first.prompt_tokens))
    assert 1024 <= again.prompt_tokens_details.cached_tokens < again.prompt_tokens, again


@case
def a_system_message_and_earlier_turns_are_read():
    question = ask()
    alone = client().chat.completions.create(**question).usage.prompt_tokens
    question["messages"] = [
        {"role": "system", "content": "You are terse."},
        *question["messages"],
        {"role": "assistant", "content": "Paris."},
        {"role": "user", "content": [{"type": "text", "text": "And of Italy?"}]},
    ]
    assert client().chat.completions.create(**question).usage.prompt_tokens > alone


@case
def the_same_seed_gives_the_same_answer():
    def told(seed):
        return (
            client()
            .chat.completions.create(**ask(STORY, 40) | {"temperature": 1, "seed": seed})
            .choices[0]
            .message.content
        )

    first = told(7)
    equal(told(7), first)
    assert any(told(seed) != first for seed in (8, 9, 10)), "every seed gives one answer"


@case
def a_stop_word_ends_a_chat_before_itself():
    whole = client().chat.completions.create(**ask(STORY, 60)).choices[0].message.content
    word = whole.split()[6]
    (choice,) = client().chat.completions.create(**ask(STORY, 60, stop=[word])).choices
    equal((choice.finish_reason, choice.message.content), ("stop", whole[: whole.index(word)]))


@case
def a_forced_tool_is_called_with_valid_input_and_takes_its_result():
    question = ask("What is the weather in Paris?", 100, tools=[TOOL])
    for choice in ("required", {"type": "function", "function": {"name": "get_weather"}}):
        (answer,) = client().chat.completions.create(**question, tool_choice=choice).choices
        (call,) = answer.message.tool_calls
        equal(call.function.name, "get_weather")
        fits(json.loads(call.function.arguments), WEATHER)
    question["messages"] += [
        answer.message.model_dump(exclude_none=True),
        {"role": "tool", "tool_call_id": call.id, "content": json.dumps({"degrees": 21})},
    ]
    assert client().chat.completions.create(**question).choices[0].finish_reason in ("stop", "length", "tool_calls")


@case
def a_tool_call_streams():
    name, arguments = "", ""
    request = ask("What is the weather in Paris?", 100, tools=[TOOL], tool_choice="required")
    for chunk in client().chat.completions.create(**request, stream=True):
        for choice in chunk.choices:
            for call in choice.delta.tool_calls or []:
                name += call.function.name or ""
                arguments += call.function.arguments or ""
    equal(name, "get_weather")
    fits(json.loads(arguments), WEATHER)


@case
def a_response_format_holds_the_answer():
    schema = {"type": "json_schema", "json_schema": {"name": "person", "schema": PERSON, "strict": True}}
    for temperature in (0, 1):
        request = ask("Describe a person.", 150, response_format=schema) | {"temperature": temperature}
        fits(json.loads(client().chat.completions.create(**request).choices[0].message.content), PERSON)
    plain = ask("Give a JSON object.", 200, response_format={"type": "json_object"})
    (choice,) = client().chat.completions.create(**plain).choices
    if choice.finish_reason == "stop":
        assert isinstance(json.loads(choice.message.content), dict), choice


@case
def a_response_is_made_and_streamed():
    whole = client().responses.create(**respond(STORY, 60))
    equal((whole.object, whole.status in ("completed", "incomplete")), ("response", True))
    assert whole.output_text.strip() and whole.usage.input_tokens > 0 and whole.usage.output_tokens > 0, whole
    kinds, text = [], ""
    for event in client().responses.create(**respond(STORY, 60), stream=True):
        kinds.append(event.type)
        if event.type == "response.output_text.delta":
            text += event.delta
    equal(kinds[0], "response.created")
    assert kinds[-1] in ("response.completed", "response.incomplete"), kinds[-1]
    equal(text, whole.output_text, "text")


@case
def a_response_reads_instructions_and_a_list():
    turns = [
        {"role": "user", "content": QUESTION},
        {"role": "assistant", "content": "Paris."},
        {"role": "user", "content": [{"type": "input_text", "text": "And of Italy?"}]},
    ]
    answer = client().responses.create(**respond(turns, instructions="You are terse."))
    assert answer.output_text.strip(), answer


@case
def a_response_calls_a_forced_tool():
    question = respond("What is the weather in Paris?", 100, tools=[FLAT_TOOL])
    answer = client().responses.create(**question, tool_choice="required")
    (call,) = [item for item in answer.output if item.type == "function_call"]
    fits(json.loads(call.arguments), WEATHER)
    question["input"] = [
        {"role": "user", "content": question["input"]},
        call.model_dump(exclude_none=True),
        {"type": "function_call_output", "call_id": call.call_id, "output": '{"degrees": 21}'},
    ]
    assert client().responses.create(**question).status in ("completed", "incomplete")


@case
def a_responses_text_format_holds_the_answer():
    form = {"format": {"type": "json_schema", "name": "person", "schema": PERSON, "strict": True}}
    answer = client().responses.create(**respond("Describe a person.", 150, text=form))
    fits(json.loads(answer.output_text), PERSON)


@case
def models_are_listed_and_shown():
    for path in ("/openai/v1", "/v1"):
        contains([model.id for model in client(path).models.list()], MODEL)
    equal(client().models.retrieve(MODEL).id, MODEL)


@case
def one_question_costs_the_same_in_both_shapes():
    chat = client().chat.completions.create(**ask()).usage.prompt_tokens
    equal(client().responses.create(**respond()).usage.input_tokens, chat)


@case
def it_works_over_tls():
    import httpx2

    secure = client(base_url=f"{PLACE.tls_url}/openai/v1", http_client=httpx2.Client(verify=PLACE.ca, http2=False))
    assert secure.chat.completions.create(**ask()).choices[0].message.content.strip()


@case
def refusals_are_openais():
    create = lambda **request: client().chat.completions.create(**request)
    for wrong in ("ABSKnobody", "nonsense"):
        error = raises(openai.AuthenticationError, lambda: client(api_key=wrong).chat.completions.create(**ask()))
        equal(error.code, "invalid_api_key")
    error = raises(openai.NotFoundError, lambda: create(**ask() | {"model": "no-such-model"}))
    equal(error.code, "model_not_found")
    error = raises(openai.BadRequestError, lambda: create(**ask("word " * 20_000)))
    equal(error.code, "context_length_exceeded")
    error = raises(openai.BadRequestError, lambda: create(**ask() | {"temperature": 9}))
    contains(error.param, "temperature")
    import base64

    url = "data:image/png;base64," + base64.b64encode(PNG).decode()
    picture = [{"type": "image_url", "image_url": {"url": url}}]
    contains(str(raises(openai.BadRequestError, lambda: create(**ask(picture)))), "image")
    contains(str(raises(openai.BadRequestError, lambda: create(**ask(), n=3))), "n")
    contains(
        str(raises(openai.BadRequestError, lambda: create(**ask(), extra_body={"no_such_field": 1}))), "no_such_field"
    )
    error = raises(openai.NotFoundError, lambda: client().images.generate(prompt="x"))
    assert error.request_id or error.status_code == 404
