"""Every endpoint by plain HTTP: nobody without a key, nothing malformed, nothing too large, each refused in its surface's own
words, and readably: the connection serves the next request."""

import http.client
import json
from urllib.parse import quote, urlsplit

from suite import MODEL, PLACE, QUESTION, case, contains, equal

BODY_BYTES_MAX = 25_000_000
ID = quote(MODEL, safe="")
MESSAGES = [{"role": "user", "content": QUESTION}]
BLOCKS = [{"role": "user", "content": [{"text": QUESTION}]}]

CONVERSE = {"messages": BLOCKS, "inferenceConfig": {"maxTokens": 4}}
INVOKE = {"anthropic_version": "bedrock-2023-05-31", "max_tokens": 4, "messages": MESSAGES}
CHAT = {"model": MODEL, "max_tokens": 4, "messages": MESSAGES}
RESPONSES = {"model": MODEL, "max_output_tokens": 16, "input": QUESTION}
EMBEDDER = "sentence-transformers.all-minilm-l6-v2"
EMBED = {"model": EMBEDDER, "input": QUESTION}
COUNT = {"model": MODEL, "messages": MESSAGES}

# Method, path, surface, a body that is right.
ENDPOINTS = [
    ("POST", f"/model/{ID}/converse", "bedrock", CONVERSE),
    ("POST", f"/model/{ID}/converse-stream", "bedrock", CONVERSE),
    ("POST", f"/model/{ID}/invoke", "bedrock", INVOKE),
    ("POST", f"/model/{ID}/invoke-with-response-stream", "bedrock", INVOKE),
    ("POST", f"/model/{ID}/count-tokens", "bedrock", {"input": {"converse": {"messages": BLOCKS}}}),
    ("GET", "/foundation-models", "bedrock", None),
    ("GET", f"/foundation-models/{ID}", "bedrock", None),
    ("POST", "/openai/v1/chat/completions", "openai", CHAT),
    ("POST", "/v1/chat/completions", "openai", CHAT),
    ("POST", "/openai/v1/responses", "openai", RESPONSES),
    ("POST", "/v1/responses", "openai", RESPONSES),
    ("POST", "/openai/v1/embeddings", "openai", EMBED),
    ("POST", "/v1/embeddings", "openai", EMBED),
    ("POST", f"/model/{EMBEDDER}/invoke", "bedrock", {"inputText": QUESTION}),
    ("GET", "/openai/v1/models", "openai", None),
    ("GET", "/v1/models", "openai", None),
    ("GET", f"/v1/models/{ID}", "openai", None),
    ("POST", "/anthropic/v1/messages", "anthropic", CHAT),
    ("POST", "/v1/messages", "anthropic", CHAT),
    ("POST", "/anthropic/v1/messages/count_tokens", "anthropic", COUNT),
    ("POST", "/v1/messages/count_tokens", "anthropic", COUNT),
    ("GET", "/anthropic/v1/models", "anthropic", None),
    ("GET", "/outcrop/v1/models", "bedrock", None),
    ("GET", f"/outcrop/v1/models/{ID}", "bedrock", None),
]
POSTS = [endpoint for endpoint in ENDPOINTS if endpoint[0] == "POST"]


def connect():
    parts = urlsplit(PLACE.url)
    return http.client.HTTPConnection(parts.hostname, parts.port, timeout=120)


def call(method, path, body=None, key=PLACE.api_key, on=None, **headers):
    connection = on or connect()
    sent = {"content-type": "application/json", **({"authorization": f"Bearer {key}"} if key else {}), **headers}
    connection.request(method, path, body=json.dumps(body) if isinstance(body, dict) else body, headers=sent)
    answer = connection.getresponse()
    return answer, answer.read()


def problem(surface, answer, text):
    """The code and the message of a refusal, in the surface's own shape."""
    body = json.loads(text)
    if surface == "bedrock":
        return answer.headers["x-amzn-errortype"], body["message"]
    if surface == "openai":
        equal(sorted(body["error"]), ["code", "message", "param", "type"], "members")
        return body["error"]["code"], body["error"]["message"]
    equal(body["type"], "error")
    return body["error"]["type"], body["error"]["message"]


def each(endpoints, check):
    failures = []
    for method, path, surface, body in endpoints:
        try:
            check(method, path, surface, body)
        except Exception as error:
            failures.append(f"{method} {path}: {error!r}")
    assert not failures, "\n".join(failures)


@case
def every_endpoint_answers_who_has_a_key_and_names_the_call():
    def check(method, path, surface, body):
        answer, text = call(method, path, body)
        equal(answer.status, 200, text[:200])
        for header in ("x-amzn-requestid", "request-id", "x-request-id", "date"):
            assert answer.headers.get(header), f"no {header}"

    each(ENDPOINTS, check)


@case
def no_endpoint_answers_without_a_key_or_with_a_strangers():
    def check(method, path, surface, body):
        for key in (None, "ABSKstranger", "nonsense"):
            answer, text = call(method, path, body, key=key)
            equal(answer.status, 403 if surface == "bedrock" else 401, f"{key}: {text[:200]}")
            code, message = problem(surface, answer, text)
            assert code and message, text

    each(ENDPOINTS, check)


@case
def every_endpoint_refuses_what_is_malformed():
    def check(method, path, surface, body):
        member = next(iter(set(body) & {"messages", "input", "inputText"}))
        for broken in (b"", b"{", b"[]", b"\xff\xfe", b'"text"'):
            answer, text = call(method, path, broken)
            equal(answer.status, 400, f"{broken}: {text[:200]}")
            assert problem(surface, answer, text)[1], text
        answer, text = call(method, path, {**body, member: 7})
        equal(answer.status, 400, text[:200])
        contains(problem(surface, answer, text)[1], member)

    each(POSTS, check)


@case
def every_endpoint_names_a_member_that_it_does_not_know():
    def check(method, path, surface, body):
        answer, text = call(method, path, {**body, "no_such_member": 1})
        equal(answer.status, 400, text[:200])
        contains(problem(surface, answer, text)[1], "no_such_member")

    each(POSTS, check)


@case
def every_endpoint_refuses_what_is_too_large_and_goes_on():
    large = b'{"x":"' + b"x" * BODY_BYTES_MAX + b'"}'

    def check(method, path, surface, body):
        connection = connect()
        answer, text = call(method, path, large, on=connection)
        assert answer.status in (400, 413), answer.status
        contains(problem(surface, answer, text)[1], "25")
        equal(call("GET", "/healthz")[0].status, 200)

    each(POSTS, check)


@case
def deeply_nested_json_is_refused_and_harms_nobody():
    deep = b"[" * 200_000 + b"]" * 200_000

    def check(method, path, surface, body):
        member = next(name.encode() for name in ("messages", "inputText", "input") if name in body)
        answer, text = call(method, path, b'{"' + member + b'":' + deep + b"}")
        equal(answer.status, 400, text[:200])

    each(POSTS, check)


@case
def no_endpoint_takes_another_method():
    def check(method, path, surface, body):
        answer, text = call("DELETE", path)
        assert answer.status in (404, 405), answer.status

    each(ENDPOINTS, check)


@case
def an_unknown_path_is_refused_in_its_surfaces_words():
    for path, surface in (
        ("/nowhere", "bedrock"),
        ("/openai/v1/nowhere", "openai"),
        ("/anthropic/v1/nowhere", "anthropic"),
    ):
        answer, text = call("POST", path, {})
        equal(answer.status, 404, path)
        if surface != "bedrock":
            assert problem(surface, answer, text)[1], text
        else:
            contains(answer.headers["x-amzn-errortype"], "UnknownOperationException")


@case
def health_needs_no_key():
    for path in ("/healthz", "/readyz", "/some/prefix/healthz"):
        equal(call("GET", path, key=None)[0].status, 200, path)


@case
def a_body_may_come_in_chunks():
    parts = iter([json.dumps(CHAT)[:20].encode(), json.dumps(CHAT)[20:].encode()])
    connection = connect()
    headers = {"content-type": "application/json", "authorization": f"Bearer {PLACE.api_key}"}
    connection.request("POST", "/v1/chat/completions", body=parts, headers=headers, encode_chunked=True)
    equal(connection.getresponse().status, 200)


@case
def one_connection_serves_many_requests():
    connection = connect()
    for _ in range(5):
        answer, _ = call("POST", "/v1/chat/completions", CHAT, on=connection)
        equal(answer.status, 200)
        answer, _ = call("POST", "/v1/chat/completions", b"{", on=connection)
        equal(answer.status, 400)
