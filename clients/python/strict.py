"""Holds every answer against botocore's own model of the service: nothing unknown, nothing missing, nothing of the
wrong type. botocore itself passes over what it does not know, so that a mistake would look like an empty answer."""

import base64
import datetime
import json

import botocore.eventstream
import botocore.model

# Padding that hides a frame's length; the live service sends it and no model knows it.
PADDING = "p"
# Codes that any operation may answer and that no operation's model lists.
GENERAL_CODES = {
    "AccessDeniedException",
    "ExpiredTokenException",
    "IncompleteSignatureException",
    "InvalidSignatureException",
    "MissingAuthenticationTokenException",
    "SerializationException",
    "UnknownOperationException",
    "UnrecognizedClientException",
}

problems = []
seen = {"answers": 0, "events": 0, "refusals": 0}


def watch(client):
    """Holds everything that `client` receives from now on."""
    client.meta.events.register("before-parse", before_parse)
    return client


def assert_nothing_unknown():
    found, problems[:] = list(problems), []
    if found:
        raise AssertionError("; ".join(found[:10]))


def before_parse(operation_model, response_dict, **_):
    name, headers = operation_model.name, response_dict["headers"]
    if not headers.get("x-amzn-requestid"):
        problems.append(f"{name}: no x-amzn-requestid")
    if response_dict["status_code"] >= 300:
        return refusal(name, operation_model, response_dict)
    seen["answers"] += 1
    shape = operation_model.output_shape
    for member, target in shape.members.items():
        if target.serialization.get("location") == "header":
            text = headers.get(target.serialization["name"])
            if text is not None and target.enum and text not in target.enum:
                problems.append(f"{name}.{member}: {text!r} is not one of {target.enum}")
    if "payload" in shape.serialization or operation_model.has_event_stream_output:
        return
    content_type = headers.get("content-type", "")
    if content_type != "application/json":
        problems.append(f"{name}: content-type {content_type!r}")
    document(name, shape, json.loads(response_dict["body"]))


def refusal(name, operation_model, response_dict):
    seen["refusals"] += 1
    code = response_dict["headers"].get("x-amzn-errortype", "")
    known = {shape.name: shape for shape in operation_model.error_shapes}
    if code not in known and code not in GENERAL_CODES:
        problems.append(f"{name}: refusal {code!r} is none of {sorted(known)}")
        return
    if code in known:
        status = known[code].metadata.get("error", {}).get("httpStatusCode")
        if status != response_dict["status_code"]:
            problems.append(f"{name}: {code} with status {response_dict['status_code']}, not {status}")
        document(f"{name}!{code}", known[code], json.loads(response_dict["body"]))


def document(path, shape, value):
    in_body = {
        target.serialization.get("name", member): (member, target)
        for member, target in shape.members.items()
        if "location" not in target.serialization
    }
    members(path, in_body, shape, value)


def check(path, shape, value):
    """Walks a JSON value along its shape."""
    kind = shape.type_name
    if kind == "structure":
        if getattr(shape, "is_document_type", False):
            return
        named = {target.serialization.get("name", member): (member, target) for member, target in shape.members.items()}
        members(path, named, shape, value)
    elif kind == "list":
        if typed(path, value, list):
            for index, item in enumerate(value):
                check(f"{path}[{index}]", shape.member, item)
    elif kind == "map":
        if typed(path, value, dict):
            for key, item in value.items():
                check(f"{path}.{key}", shape.value, item)
    else:
        scalar(path, shape, value)


def members(path, named, shape, value):
    if not typed(path, value, dict):
        return
    for key in value:
        if key not in named:
            problems.append(f"{path}.{key}: unknown")
    present = [key for key in value if key in named and value[key] is not None]
    if getattr(shape, "is_tagged_union", False) and len(present) != 1:
        problems.append(f"{path}: a union with {present}")
    for required in shape.required_members:
        if not any(named[key][0] == required for key in present) and in_body(shape, required):
            problems.append(f"{path}.{required}: missing")
    for key in present:
        check(f"{path}.{key}", named[key][1], value[key])


def in_body(shape, member):
    return "location" not in shape.members[member].serialization


def scalar(path, shape, value):
    kind = shape.type_name
    if kind in ("string", "character"):
        if typed(path, value, str) and shape.enum and value not in shape.enum:
            problems.append(f"{path}: {value!r} is not one of {shape.enum}")
    elif kind in ("integer", "long"):
        if isinstance(value, bool) or not isinstance(value, int):
            problems.append(f"{path}: {value!r} is no integer")
    elif kind in ("float", "double"):
        typed(path, value, (int, float))
    elif kind == "boolean":
        typed(path, value, bool)
    elif kind == "blob":
        if typed(path, value, str):
            base64.b64decode(value, validate=True)
    elif kind == "timestamp":
        if typed(path, value, str):
            datetime.datetime.fromisoformat(value.replace("Z", "+00:00"))
    else:
        problems.append(f"{path}: a {kind} that this walk does not know")


def typed(path, value, kinds):
    if isinstance(value, kinds):
        return True
    problems.append(f"{path}: {value!r} is no {kinds}")
    return False


def event(shape, raw):
    """Holds one frame of an event stream."""
    seen["events"] += 1
    headers = raw.headers
    name = headers.get(":event-type") or headers.get(":exception-type")
    if name not in shape.members:
        problems.append(f"{shape.name}: event {name!r} is unknown")
        return
    expected = "exception" if ":exception-type" in headers else "event"
    if headers.get(":message-type") != expected:
        problems.append(f"{shape.name}.{name}: message type {headers.get(':message-type')!r}")
    if headers.get(":content-type") != "application/json":
        problems.append(f"{shape.name}.{name}: content type {headers.get(':content-type')!r}")
    payload = json.loads(raw.payload)
    payload.pop(PADDING, None)
    check(f"{shape.name}.{name}", shape.members[name], payload)


def observe_event_streams():
    parse = botocore.eventstream.EventStream._parse_event

    def observed(stream, raw_event):
        event(stream._output_shape, raw_event)
        return parse(stream, raw_event)

    botocore.eventstream.EventStream._parse_event = observed


observe_event_streams()
