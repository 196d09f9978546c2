"""What every Python client's cases stand on: who is served where, the promises under test, and the tiny protocol that
`cargo xtask test` speaks with this process (xtask/src/clients/process.rs).

By hand, against an Outcrop that runs already:

    OUTCROP_URL=http://127.0.0.1:4100 OUTCROP_DIR=~/.local/share/outcrop python suite.py boto3_converse [CASE…]
"""

import configparser
import importlib
import json
import os
import pathlib
import sys
import time
import traceback
import uuid

MODEL = "huggingfacetb.smollm2-135m-instruct-v1:0"
REGION = "us-east-1"
ARN = f"arn:aws:bedrock:{REGION}::foundation-model/{MODEL}"

INVALID_MODEL = "The provided model identifier is invalid."
TOO_LONG = "Input is too long for requested model"

# The default model is small: no case may depend on its being clever.
QUESTION = "What is the capital of France?"
STORY = "Tell a long story about a lighthouse and the sea, with many details."


def new_text():
    """Two hundred words that nobody has sent before."""
    return " ".join(f"{uuid.uuid4().hex[:4]} stone" for _ in range(100))


# The smallest picture there is: one red pixel.
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108020000009077"
    "53de0000000c49444154789c63f8cfc0000003010100c9fe92ef0000000049454e44ae426082"
)
WEATHER = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "maxLength": 20},
        "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
    },
    "required": ["city", "unit"],
    "additionalProperties": False,
}
PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 20},
        "age": {"type": "integer", "minimum": 0, "maximum": 150},
        "colours": {"type": "array", "items": {"enum": ["red", "green", "blue"]}, "minItems": 1, "maxItems": 3},
    },
    "required": ["name", "age", "colours"],
    "additionalProperties": False,
}


class Place:
    """Where Outcrop is served, and the keys to it."""

    def __init__(self):
        self.url = os.environ["OUTCROP_URL"].rstrip("/")
        self.tls_url = self.url.replace("http://", "https://", 1)
        self.folder = pathlib.Path(os.environ["OUTCROP_DIR"]).expanduser()

    @property
    def api_key(self):
        return (self.folder / "api-key").read_text().strip()

    @property
    def ca(self):
        return str(self.folder / "tls" / "ca.pem")

    @property
    def key_pair(self):
        credentials = configparser.ConfigParser()
        credentials.read(self.folder / "credentials")
        default = credentials["default"]
        return default["aws_access_key_id"], default["aws_secret_access_key"]


PLACE = Place()
CASES = {}


def case(function):
    """Marks a case; its name reads as the promise that it holds."""
    CASES[function.__name__] = function
    return function


def equal(left, right, what=""):
    if left != right:
        raise AssertionError(f"{what}: {left!r} is not {right!r}")


def contains(text, part):
    if part not in text:
        raise AssertionError(f"{text!r} does not contain {part!r}")


def raises(kinds, call):
    """The exception, of one of `kinds`, that `call` must raise."""
    try:
        result = call()
    except kinds as error:
        return error
    raise AssertionError(f"no refusal, but {result!r}")


def fits(value, schema, path="$"):
    """Holds `value` against the part of JSON Schema that the cases use."""
    import jsonschema

    try:
        jsonschema.validate(value, schema)
    except jsonschema.ValidationError as error:
        raise AssertionError(f"{path}: {value!r}: {error.message}") from None


class Arrivals:
    """When the pieces of a stream came, to tell one that flows from one that was held back."""

    def __init__(self):
        self.start = time.monotonic()
        self.times = []

    def note(self):
        self.times.append(time.monotonic())

    def assert_incremental(self):
        count = len(self.times)
        if count < 20:
            raise AssertionError(f"{count} pieces are too few to tell")
        first, last = self.times[0] - self.start, self.times[-1] - self.start
        if first > last / 2:
            raise AssertionError(f"first piece after {first:.3f} s, last after {last:.3f} s: held back")


def main():
    module = importlib.import_module(sys.argv[1])
    if sys.argv[2:]:
        return by_hand(module, sys.argv[2:])
    for name in CASES:
        say("case", name)
    say("ready")
    for line in sys.stdin:
        problem = run(CASES[line.strip()])
        say("failed", json.dumps(problem)) if problem else say("passed")
    return 0


def say(*words):
    print("::" + " ".join(words), flush=True)


def run(function):
    try:
        function()
    except Exception:
        return traceback.format_exc()
    return None


def by_hand(module, names):
    """Runs the named cases, or all but those that have a dash before their name."""
    problems = 0
    without = {name[1:] for name in names if name.startswith("-")}
    if not without <= CASES.keys():
        raise SystemExit(f"no such cases: {', '.join(without - CASES.keys())}")
    for name in [name for name in CASES if name not in without] if names[0] == "all" else names:
        start = time.monotonic()
        problem = run(CASES[name])
        print(f"{'FAILED' if problem else 'ok':6} {time.monotonic() - start:6.2f} s  {name}", flush=True)
        if problem:
            problems += 1
            print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    # The cases import this file by its name; there must be one table of them.
    sys.modules["suite"] = sys.modules["__main__"]
    sys.exit(main())
