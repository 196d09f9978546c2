"""Strands Agents: an agent whose model is Outcrop's."""

import boto3
from pydantic import BaseModel, Field
from strands import Agent, tool
from strands.models import BedrockModel
from strands.types.exceptions import ContextWindowOverflowException

import strict  # noqa: F401  frames are held to the model here too
from suite import MODEL, PLACE, QUESTION, REGION, case, equal, raises


class Person(BaseModel):
    """A person."""

    name: str = Field(max_length=20)
    age: int = Field(ge=0, le=150)


@tool
def get_weather(city: str) -> str:
    """The weather of a city.

    Args:
        city: Its name.
    """
    return f"{city}: 21 degrees"


def model(**more):
    access, secret = PLACE.key_pair
    session = boto3.session.Session(access, secret, region_name=REGION)
    settings = {"model_id": MODEL, "max_tokens": 400, "temperature": 0.0, **more}
    return BedrockModel(boto_session=session, endpoint_url=PLACE.url, **settings)


def agent(streaming=True, ends=None, **more):
    settings = {
        "callback_handler": None,
        "system_prompt": "You are terse.",
        "tools": [],
        "load_tools_from_directory": False,
    }
    # A small model may go on and on, which Strands takes for a failure.
    return Agent(model=model(streaming=streaming, stop_sequences=ends), **settings | more)


def text_of(result):
    return "".join(block.get("text", "") for block in result.message["content"])


@case
def an_agent_answers():
    for streaming in (True, False):
        result = agent(streaming, ends=["."])(QUESTION)
        assert text_of(result).strip() and result.metrics.accumulated_usage["inputTokens"] > 0, result


@case
def an_agent_remembers():
    one = agent(ends=["."])
    one(QUESTION)
    one("And of Italy?")
    equal([message["role"] for message in one.messages], ["user", "assistant", "user", "assistant"])


@case
def an_agent_with_a_tool_comes_to_an_end():
    result = agent(tools=[get_weather])("Say hello.")
    assert result.stop_reason in ("end_turn", "max_tokens", "tool_use"), result


@case
def structured_output_is_an_instance():
    result = agent()("Say hello.", structured_output_model=Person)
    assert isinstance(result.structured_output, Person), result


@case
def an_overflow_is_recognised():
    # Strands knows it by Bedrock's text, and would shorten the conversation.
    from strands.agent.conversation_manager import NullConversationManager

    one = agent(conversation_manager=NullConversationManager())
    raises(ContextWindowOverflowException, lambda: one("word " * 20_000))
