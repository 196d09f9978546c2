"""Three hundred answers at temperature 1 that must each satisfy a schema: ten schemas of growing difficulty, each
thirty times, as a forced tool, as Converse's `outputConfig` and as OpenAI's `response_format`."""

import json
from concurrent.futures import ThreadPoolExecutor

from openai import OpenAI

from bedrock import converse, runtime, strict_case, text_of
from suite import MODEL, PLACE, equal, fits

ROUNDS = 10
AT_ONCE = 10
TOKENS = 600


def thing(required=None, **properties):
    """An object schema, closed."""
    required = list(properties) if required is None else required
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def text(length):
    return {"type": "string", "maxLength": length}


def several(item, least, most):
    return {"type": "array", "items": item, "minItems": least, "maxItems": most}


SCHEMAS = {
    "a_flag": thing(yes={"type": "boolean"}),
    "a_choice": thing(colour={"type": "string", "enum": ["red", "green", "blue", "dark red"]}),
    "bounded_numbers": thing(
        age={"type": "integer", "minimum": 18, "maximum": 99}, score={"type": "number", "minimum": 0, "maximum": 1}
    ),
    "a_short_list": thing(tags=several(text(10), 1, 4)),
    "something_optional": thing(
        ["id"], id={"type": "integer", "minimum": 0, "maximum": 9999}, note=text(20), done={"type": "boolean"}
    ),
    "something_nested": thing(
        person=thing(name=text(15), address=thing(city=text(15), code={"type": "string", "pattern": "^[0-9]{5}$"}))
    ),
    "one_of_several_kinds": thing(
        shape={
            "anyOf": [
                thing(kind={"const": "circle"}, radius={"type": "integer", "minimum": 1, "maximum": 100}),
                thing(kind={"const": "square"}, side={"type": "integer", "minimum": 1, "maximum": 100}),
                {"type": "null"},
            ]
        }
    ),
    "shared_definitions": {
        "$defs": {
            "money": thing(
                amount={"type": "integer", "minimum": 0, "maximum": 10000}, currency={"enum": ["EUR", "USD", "JPY"]}
            )
        },
        **thing(price={"$ref": "#/$defs/money"}, tax={"$ref": "#/$defs/money"}),
    },
    "formats": thing(
        day={"type": "string", "pattern": "^20[0-9]{2}-(0[1-9]|1[0-2])-[0-2][0-9]$"},
        id={"type": "string", "format": "uuid"},
    ),
    "everything_together": thing(
        ["title", "lines"],
        title=text(20),
        paid={"type": ["boolean", "null"]},
        lines=several(
            thing(
                ["item", "count"],
                item=text(12),
                count={"type": "integer", "minimum": 1, "maximum": 20},
                options=several({"enum": ["gift", "fragile"]}, 0, 2),
            ),
            1,
            3,
        ),
    ),
}

OPENAI = OpenAI(base_url=f"{PLACE.url}/v1", api_key=PLACE.api_key, max_retries=0)


def as_tool(name, schema, seed):
    tool = {"toolSpec": {"name": name, "description": "Records it.", "inputSchema": {"json": schema}}}
    config = {"tools": [tool], "toolChoice": {"tool": {"name": name}}}
    request = converse(f"Invent an example, number {seed}.", tokens=TOKENS, temperature=1.0, toolConfig=config)
    answer = runtime().converse(**request)
    equal(answer["stopReason"], "tool_use")
    (use,) = [block["toolUse"] for block in answer["output"]["message"]["content"] if "toolUse" in block]
    return use["input"]


def as_output(name, schema, seed):
    structure = {"jsonSchema": {"schema": json.dumps(schema), "name": name}}
    config = {"textFormat": {"type": "json_schema", "structure": structure}}
    request = converse(f"Invent an example, number {seed}.", tokens=TOKENS, temperature=1.0, outputConfig=config)
    return json.loads(text_of(runtime().converse(**request)))


def as_response_format(name, schema, seed):
    answer = OPENAI.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": f"Invent an example, number {seed}."}],
        max_completion_tokens=TOKENS,
        temperature=1,
        seed=seed,
        response_format={"type": "json_schema", "json_schema": {"name": name, "schema": schema, "strict": True}},
    )
    return json.loads(answer.choices[0].message.content)


def promise(name, schema):
    def held():
        def one(n):
            way = (as_tool, as_output, as_response_format)[n % 3]
            fits(way(name, schema, n), schema, f"{way.__name__}, round {n // 3}")

        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(one, range(3 * ROUNDS)))

    held.__name__ = f"{name}_holds_thirty_times"
    return strict_case(held)


for schema_name, its_schema in SCHEMAS.items():
    promise(schema_name, its_schema)
