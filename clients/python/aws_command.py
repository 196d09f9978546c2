"""The AWS command line: every operation that it has for these services (it has none that stream)."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

from suite import INVALID_MODEL, MODEL, PLACE, QUESTION, REGION, case, contains, equal

AWS = str(pathlib.Path(sys.executable).with_name("aws"))
MESSAGES = json.dumps([{"role": "user", "content": [{"text": QUESTION}]}])
SHORT = json.dumps({"maxTokens": 16, "temperature": 0})


def aws(*words, **environment):
    access, secret = PLACE.key_pair
    variables = {
        **os.environ,
        "AWS_ACCESS_KEY_ID": access,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL": PLACE.url,
        "AWS_MAX_ATTEMPTS": "1",
        **environment,
    }
    return subprocess.run([AWS, *words], env=variables, capture_output=True, text=True, timeout=120, check=False)


def answer(*words, **environment):
    done = aws(*words, **environment)
    equal(done.returncode, 0, done.stderr)
    return json.loads(done.stdout)


@case
def converse_answers():
    found = answer(
        "bedrock-runtime", "converse", "--model-id", MODEL, "--messages", MESSAGES, "--inference-config", SHORT
    )
    assert found["output"]["message"]["content"][0]["text"].strip(), found
    equal(found["usage"]["totalTokens"], found["usage"]["inputTokens"] + found["usage"]["outputTokens"])


@case
def count_tokens_counts():
    whole = json.dumps({"converse": {"messages": json.loads(MESSAGES)}})
    counted = answer("bedrock-runtime", "count-tokens", "--model-id", MODEL, "--input", whole)
    asked = answer(
        "bedrock-runtime", "converse", "--model-id", MODEL, "--messages", MESSAGES, "--inference-config", SHORT
    )
    equal(counted["inputTokens"], asked["usage"]["inputTokens"])


@case
def invoke_model_writes_a_file():
    body = {
        "anthropic_version": "bedrock-2023-05-31",
        "max_tokens": 16,
        "messages": [{"role": "user", "content": QUESTION}],
    }
    with tempfile.TemporaryDirectory() as folder:
        source, target = pathlib.Path(folder, "in.json"), pathlib.Path(folder, "out.json")
        source.write_text(json.dumps(body))
        words = ("--body", f"fileb://{source}", str(target))
        equal(answer("bedrock-runtime", "invoke-model", "--model-id", MODEL, *words)["contentType"], "application/json")
        assert json.loads(target.read_text())["content"][0]["text"].strip()


@case
def models_are_listed_and_shown():
    ids = [model["modelId"] for model in answer("bedrock", "list-foundation-models")["modelSummaries"]]
    contains(ids, MODEL)
    found = answer("bedrock", "get-foundation-model", "--model-identifier", MODEL)
    equal(found["modelDetails"]["modelId"], MODEL)


@case
def a_bad_model_fails_in_bedrocks_words():
    done = aws("bedrock-runtime", "converse", "--model-id", "meta.no-such-model-v1:0", "--messages", MESSAGES)
    assert done.returncode != 0
    contains(
        done.stderr, f"An error occurred (ValidationException) when calling the Converse operation: {INVALID_MODEL}"
    )


@case
def a_wrong_secret_fails():
    done = aws("bedrock", "list-foundation-models", AWS_SECRET_ACCESS_KEY="x" * 40)
    assert done.returncode != 0
    contains(done.stderr, "InvalidSignatureException")


@case
def a_bearer_key_works_over_tls():
    found = answer(
        "bedrock-runtime",
        "converse",
        "--model-id",
        MODEL,
        "--messages",
        MESSAGES,
        "--inference-config",
        SHORT,
        AWS_BEARER_TOKEN_BEDROCK=PLACE.api_key,
        AWS_CA_BUNDLE=PLACE.ca,
        AWS_ENDPOINT_URL=PLACE.tls_url,
    )
    assert found["output"]["message"]["content"][0]["text"].strip(), found
