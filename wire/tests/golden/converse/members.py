"""Writes members.tsv: for every member that botocore's service model gives ConverseRequest, its path and a body that
sets it. Run it in an environment that has botocore, when AWS has a new model:

    python members.py > members.tsv
"""

import json
import sys

from botocore.loaders import Loader

SHAPES = Loader().load_service_model("bedrock-runtime", "service-2")["shapes"]
STRINGS = {
    "S3Uri": "s3://bucket/key",
    "AccountId": "123456789012",
    "OutputConfigEffortString": "low",
    "ConverseRequestAdditionalModelResponseFieldPathsListMemberString": "/a",
}


def smallest(name):
    """The smallest valid value of a shape."""
    shape = SHAPES[name]
    kind = shape["type"]
    if kind == "string":
        return STRINGS.get(name) or shape.get("enum", ["a"])[0]
    if kind in ("integer", "long"):
        return max(1, shape.get("min", 1))
    if kind in ("float", "double"):
        return 0.5
    if kind == "boolean":
        return True
    if kind == "blob":
        return "aGk="
    if kind == "list":
        return [smallest(shape["member"]["shape"])]
    if kind == "map":
        return {"k": smallest(shape["value"]["shape"])}
    if shape.get("document"):
        return {}
    members = shape.get("members", {})
    chosen = list(members)[:1] if shape.get("union") else shape.get("required", [])
    return {member: smallest(members[member]["shape"]) for member in chosen}


def variants(name, path):
    """Every member below a shape, with a value of the shape that sets it."""
    shape = SHAPES[name]
    kind = shape["type"]
    if kind == "list":
        for below, value in variants(shape["member"]["shape"], path + "[]"):
            yield below, [value]
    elif kind == "map":
        for below, value in variants(shape["value"]["shape"], path + "{}"):
            yield below, {"k": value}
    elif kind == "string":
        for choice in shape.get("enum", []):
            yield f"{path}={choice}", choice
    elif kind == "structure" and not shape.get("document"):
        base = {} if shape.get("union") else smallest(name)
        for member, what in shape["members"].items():
            if "location" in what:
                continue
            here = f"{path}.{member}" if path else member
            yield here, base | {member: smallest(what["shape"])}
            for below, value in variants(what["shape"], here):
                yield below, base | {member: value}


for path, members in variants("ConverseRequest", ""):
    members.pop("modelId", None)
    body = {"messages": [{"role": "user", "content": [{"text": "hi"}]}]} | members
    text = json.dumps(body, separators=(",", ":")).replace('"schema":"a"', '"schema":"{}"')
    sys.stdout.write(f"{path}\t{text}\n")
