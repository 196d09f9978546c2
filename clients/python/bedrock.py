"""boto3 clients of this Outcrop, each watched by `strict`."""

import contextlib
import functools
import os

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

import strict
from suite import MODEL, PLACE, REGION, Arrivals, case, equal

ONCE = {"total_max_attempts": 1}


def client(service="bedrock-runtime", url=None, key_pair=None, **more):
    access, secret = key_pair or PLACE.key_pair
    made = boto3.session.Session(access, secret, region_name=REGION).client(
        service,
        endpoint_url=url or PLACE.url,
        config=Config(retries=ONCE, max_pool_connections=64, read_timeout=300),
        **more,
    )
    return strict.watch(made)


@functools.cache
def runtime():
    return client()


def strict_case(function):
    """A case that also holds every answer against the service's model."""

    @functools.wraps(function)
    def held():
        strict.problems.clear()
        before = sum(strict.seen.values())
        function()
        strict.assert_nothing_unknown()
        assert sum(strict.seen.values()) > before, "nobody watched"

    return case(held)


def user(*content):
    return {"role": "user", "content": [{"text": part} if isinstance(part, str) else part for part in content]}


def converse(text, tokens=16, temperature=0.0, **more):
    config = {"maxTokens": tokens, "temperature": temperature, **more.pop("inferenceConfig", {})}
    return {"modelId": MODEL, "messages": [user(text)], "inferenceConfig": config, **more}


def text_of(answer):
    return "".join(block.get("text", "") for block in answer["output"]["message"]["content"])


def refused(call):
    """The code, the message and the status of a refusal."""
    try:
        call()
    except ClientError as error:
        found = error.response
        return found["Error"]["Code"], found["Error"]["Message"], found["ResponseMetadata"]["HTTPStatusCode"]
    raise AssertionError("no refusal")


def gather(stream):
    """A Converse stream, held to the order of its events: text, tool inputs, stop reason, metadata, arrivals."""
    got = {"text": "", "tools": {}, "stop": None, "usage": None, "arrivals": Arrivals()}
    order = []
    for event in stream:
        ((name, body),) = event.items()
        order.append(name)
        if name == "contentBlockStart":
            got["tools"][body["contentBlockIndex"]] = {**body["start"]["toolUse"], "input": ""}
        elif name == "contentBlockDelta":
            got["arrivals"].note()
            delta = body["delta"]
            got["text"] += delta.get("text", "")
            if "toolUse" in delta:
                got["tools"][body["contentBlockIndex"]]["input"] += delta["toolUse"]["input"]
        elif name == "messageStop":
            got["stop"] = body["stopReason"]
        elif name == "metadata":
            got["usage"] = body["usage"]
    equal(order[0], "messageStart", "first event")
    equal(order[-2:], ["messageStop", "metadata"], "last events")
    equal(order.count("contentBlockStop") >= 1, True, "blocks are closed")
    return got


@contextlib.contextmanager
def environment(**values):
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
