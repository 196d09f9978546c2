"""LangChain's ChatBedrockConverse, which hands one URL to both of Bedrock's services."""

import json

from langchain_aws import ChatBedrockConverse
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from pydantic import BaseModel, Field

import strict  # noqa: F401  frames are held to the model here too
from suite import MODEL, PLACE, QUESTION, REGION, STORY, Arrivals, case, equal

ACCESS, SECRET = PLACE.key_pair


@tool
def get_weather(city: str, days: int) -> str:
    """The weather of a city."""
    return f"{city}: 21 degrees for {days} days"


class Person(BaseModel):
    """A person."""

    name: str = Field(max_length=20)
    age: int = Field(ge=0, le=150)


def chat(**more):
    return ChatBedrockConverse(
        model_id=MODEL,
        endpoint_url=PLACE.url,
        region_name=REGION,
        aws_access_key_id=ACCESS,
        aws_secret_access_key=SECRET,
        # LangChain knows a list of providers, and takes any other for one that neither streams nor takes tool choices.
        disable_streaming=False,
        supports_tool_choice_values=("auto", "any", "tool"),
        **{"max_tokens": 24, "temperature": 0, **more},
    )


@case
def a_chat_is_answered():
    answer = chat().invoke([SystemMessage("You are terse."), HumanMessage(QUESTION)])
    assert answer.text.strip() and answer.usage_metadata["output_tokens"] > 0, answer


@case
def a_chat_streams_as_it_is_made():
    arrivals, whole = Arrivals(), None
    for chunk in chat(max_tokens=120).stream(STORY):
        arrivals.note()
        whole = chunk if whole is None else whole + chunk
    arrivals.assert_incremental()
    equal(whole.text, chat(max_tokens=120).invoke(STORY).text, "text")
    assert whole.usage_metadata["input_tokens"] > 0, whole


@case
def a_forced_tool_is_called_and_takes_its_result():
    bound = chat(max_tokens=100).bind_tools([get_weather], tool_choice="any")
    question = HumanMessage("What is the weather in Paris this week?")
    answer = bound.invoke([question])
    (call,) = answer.tool_calls
    equal(sorted(call["args"]), ["city", "days"])
    result = ToolMessage("21 degrees", tool_call_id=call["id"])
    after = chat().bind_tools([get_weather]).invoke([question, answer, result])
    assert isinstance(after, AIMessage)


@case
def structured_output_is_an_instance():
    for method in ("function_calling", "json_schema"):
        person = chat(max_tokens=150).with_structured_output(Person, method=method).invoke("Describe Ada Lovelace.")
        assert isinstance(person, Person), (method, person)


@case
def a_batch_is_answered():
    answers = chat().batch([f"{QUESTION} {n}" for n in range(4)])
    assert all(answer.text.strip() for answer in answers), answers


@case
def an_asynchronous_stream_flows():
    import asyncio

    async def gather():
        return [chunk.text async for chunk in chat().astream(QUESTION)]

    assert "".join(asyncio.run(gather())).strip()


@case
def a_tool_call_streams():
    whole = None
    for chunk in chat(max_tokens=100).bind_tools([get_weather], tool_choice="get_weather").stream("Weather in Paris?"):
        whole = chunk if whole is None else whole + chunk
    (call,) = whole.tool_calls
    equal((call["name"], sorted(json.loads(json.dumps(call["args"])))), ("get_weather", ["city", "days"]))
