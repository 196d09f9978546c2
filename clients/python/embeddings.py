"""Embeddings: boto3 in Titan's and Cohere's bodies, OpenAI's SDK, and LangChain's BedrockEmbeddings."""

import base64
import json
import math
import struct

import openai
from langchain_aws import BedrockEmbeddings
from openai import OpenAI

from bedrock import client, refused, runtime, strict_case
from suite import MODEL, PLACE, QUESTION, REGION, TOO_LONG, case, contains, equal, raises

EMBEDDER = "sentence-transformers.all-minilm-l6-v2"
NUMBERS = 384
LONG = "word " * 400


def invoke(body, model=EMBEDDER):
    answer = runtime().invoke_model(modelId=model, body=json.dumps(body))
    return json.loads(answer["body"].read()), answer["ResponseMetadata"]["HTTPHeaders"]


def sdk(path="/v1"):
    # Not with the SDK's strict validation: it asks for base64 by itself, and would refuse that before it unpacks it.
    return OpenAI(base_url=PLACE.url + path, api_key=PLACE.api_key, max_retries=0)


def create(path="/v1", **more):
    return sdk(path).embeddings.create(**{"model": EMBEDDER, "input": "hello", **more})


def vector(text="hello"):
    return invoke({"inputText": text})[0]["embedding"]


def alike(a, b):
    return sum(x * y for x, y in zip(a, b)) / math.dist(a, [0] * len(a)) / math.dist(b, [0] * len(b))


def close(a, b):
    assert len(a) == len(b) == NUMBERS and max(abs(x - y) for x, y in zip(a, b)) < 1e-6, (a[:4], b[:4])


@strict_case
def titans_body_is_answered_with_all_that_v2_says():
    answer, headers = invoke({"inputText": "hello", "dimensions": NUMBERS, "normalize": True})
    equal(sorted(answer), ["embedding", "embeddingsByType", "inputTextTokenCount"])
    close(answer["embedding"], answer["embeddingsByType"]["float"])
    equal(answer["inputTextTokenCount"], 3, "hello, and its beginning and end")
    equal(headers["x-amzn-bedrock-input-token-count"], "3", "header")
    assert abs(math.dist(answer["embedding"], [0] * NUMBERS) - 1) < 1e-5, "length"


@strict_case
def titans_binary_form_is_the_signs_of_its_floats():
    answer, _ = invoke({"inputText": "hello", "embeddingTypes": ["binary", "float"]})
    by_type = answer["embeddingsByType"]
    equal(by_type["binary"], [int(number > 0) for number in by_type["float"]])


@strict_case
def coheres_body_is_answered_and_its_texts_are_echoed():
    texts = ["hello", "a cat sat on the mat", "ünïcödé 漢字 🙂"]
    answer, headers = invoke({"texts": texts, "input_type": "search_document"})
    equal((answer["response_type"], answer["texts"], len(answer["id"])), ("embeddings_floats", texts, 36))
    for text, one in zip(texts, answer["embeddings"]):
        close(one, vector(text))
    equal(headers["x-outcrop-ignored"], "input-type", "what makes no difference is said")
    types = ["float", "binary", "ubinary"]
    answer, _ = invoke({"texts": texts, "input_type": "clustering", "embedding_types": types})
    equal((answer["response_type"], sorted(answer["embeddings"])), ("embeddings_by_type", sorted(types)))
    equal([len(answer["embeddings"][kind][0]) for kind in types], [NUMBERS, NUMBERS // 8, NUMBERS // 8])


@strict_case
def coheres_truncation_is_honoured_at_either_end():
    body = {"texts": [LONG + "cats and dogs " * 40], "input_type": "search_query"}
    code, message, status = refused(lambda: invoke({**body, "truncate": "NONE"}))
    equal((code, status), ("ValidationException", 400))
    contains(message, TOO_LONG)
    start, end = (invoke({**body, "truncate": truncate})[0]["embeddings"][0] for truncate in ("END", "START"))
    close(start, vector("word " * 254))
    assert alike(start, end) < 0.999, "the cats are at one end"


@strict_case
def what_cannot_be_had_is_refused_by_name():
    for body, named in (
        ({"inputText": "a", "dimensions": 256}, "dimensions"),
        ({"inputText": LONG}, TOO_LONG),
        ({"inputText": ""}, "inputText"),
        ({"inputText": "a", "no_such_member": 1}, "no_such_member"),
        ({"texts": ["a"]}, "input_type"),
        ({"texts": ["a"] * 97, "input_type": "clustering"}, "texts"),
        ({"texts": ["a"], "input_type": "clustering", "embedding_types": ["int8"]}, "embedding_types"),
        ({"messages": [{"role": "user", "content": "hi"}], "max_tokens": 4}, "makes embeddings and writes no text"),
    ):
        code, message, status = refused(lambda body=body: invoke(body))
        equal((code, status), ("ValidationException", 400), named)
        contains(message, named)
    code, message, _ = refused(lambda: invoke({"texts": ["a"], "input_type": "clustering"}, MODEL))
    contains(message, "makes no embeddings")


@strict_case
def the_model_is_listed_by_what_it_makes():
    control = client("bedrock")
    (summary,) = control.list_foundation_models(byOutputModality="EMBEDDING")["modelSummaries"]
    equal(summary["modelId"], EMBEDDER)
    equal((summary["inputModalities"], summary["outputModalities"]), (["TEXT"], ["EMBEDDING"]))
    equal(summary["responseStreamingSupported"], False)


@case
def openais_sdk_gets_what_boto3_gets_in_either_encoding():
    for path in ("/v1", "/openai/v1"):
        answer = create(path)
        equal((answer.object, answer.model, answer.data[0].index), ("list", EMBEDDER, 0))
        equal((answer.usage.prompt_tokens, answer.usage.total_tokens), (3, 3))
        close(answer.data[0].embedding, vector())
        close(create(path, encoding_format="float").data[0].embedding, vector())
    raw = sdk().embeddings.with_raw_response.create(model=EMBEDDER, input="hello", encoding_format="base64")
    packed = base64.b64decode(json.loads(raw.text)["data"][0]["embedding"])
    close(struct.unpack(f"<{NUMBERS}f", packed), vector())


@case
def many_texts_come_back_in_their_order():
    texts = [f"text number {number}" for number in range(300)]
    answer = create(input=texts)
    equal([one.index for one in answer.data], list(range(300)))
    for at in (0, 123, 299):
        close(answer.data[at].embedding, vector(texts[at]))


@case
def tokens_are_the_models_own():
    # "hello" is 7592 in BERT's vocabulary.
    close(create(input=[7592]).data[0].embedding, vector())
    close(create(input=[[7592], [7592, 7592]]).data[0].embedding, vector())
    error = raises(openai.BadRequestError, lambda: create(input=[[100_000]]))
    contains(str(error), "token 100000")


@case
def openais_refusals_name_the_member():
    for more, named in (
        ({"dimensions": 256}, "dimensions"),
        ({"input": ""}, "input"),
        ({"input": ["a"] * 2049}, "input"),
        ({"model": MODEL}, "model"),
        ({"extra_body": {"no_such_member": 1}}, "no_such_member"),
    ):
        error = raises(openai.BadRequestError, lambda more=more: create(**more))
        equal((error.param or "").split("[")[0], named)
    equal(raises(openai.BadRequestError, lambda: create(input=LONG)).code, "context_length_exceeded")
    raises(openai.NotFoundError, lambda: create(model="acme.none-v1:0"))
    raises(openai.AuthenticationError, lambda: OpenAI(
        base_url=PLACE.url + "/v1", api_key="ABSKstranger", max_retries=0).embeddings.create(model=EMBEDDER, input="a"))


@case
def langchain_embeds_documents_and_finds_the_nearest():
    access, secret = PLACE.key_pair
    store = BedrockEmbeddings(
        model_id=EMBEDDER, endpoint_url=PLACE.url, region_name=REGION, aws_access_key_id=access,
        aws_secret_access_key=secret,
    )
    documents = ["Paris is the capital of France.", "A cat sat on the mat.", "Bread is baked from flour."]
    vectors = store.embed_documents(documents)
    query = store.embed_query(QUESTION)
    close(query, vector(QUESTION))
    scores = [alike(query, one) for one in vectors]
    equal(scores.index(max(scores)), 0, scores)
