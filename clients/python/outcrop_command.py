"""The program itself, beside its own server: what it counts, keys that come and go, the audit trail, a chat."""

import json
import math
import os
import pathlib
import stat
import struct
import subprocess
import tempfile
import time

import boto3
from openai import OpenAI

from bedrock import client, converse, environment, gather, refused, runtime, text_of
from suite import INVALID_MODEL, MODEL, PLACE, QUESTION, STORY, case, contains, equal

BINARY = os.environ.get("OUTCROP_BINARY", "outcrop")
# A running server notices a new or a revoked key within this time.
NOTICE_S = 10


def outcrop(*words):
    whole = [BINARY, "--data-dir", str(PLACE.folder), *words]
    # Its input is this process's, a pipe that nobody closes: no command may wait for its end unasked.
    done = subprocess.run(whole, capture_output=True, text=True, timeout=60, check=False)
    equal(done.returncode, 0, f"exit code of {words}: {done.stderr}")
    return done.stdout


def used(key_id):
    """What a key has used so far: requests, prompt tokens, generated tokens."""
    totals = {"requests": 0, "inputTokens": 0, "outputTokens": 0, "cancelled": 0}
    for row in json.loads(outcrop("usage", "--format", "json")):
        if row["keyId"] == key_id and row["model"] == MODEL:
            for counter in totals:
                totals[counter] += row[counter]
    return totals


def new_key(name, *more):
    name = f"{name}-{time.time_ns()}"
    made = json.loads(outcrop("keys", "create", name, "--format", "json", *more))
    return name, made, client(key_pair=(made["accessKeyId"], made["secretAccessKey"]))


def eventually(check):
    deadline = time.monotonic() + NOTICE_S
    while True:
        try:
            return check()
        except Exception:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


@case
def usage_is_what_clients_were_told_to_the_token():
    _, made, mine = new_key("meter")
    seen = [eventually(lambda: mine.converse(**converse(QUESTION)))["usage"]]
    seen += [mine.converse(**converse(STORY, tokens=n))["usage"] for n in (1, 7, 40)]
    seen += [gather(mine.converse_stream(**converse(STORY, tokens=n))["stream"])["usage"] for n in (3, 30)]
    chat = OpenAI(base_url=f"{PLACE.url}/v1", api_key=made["apiKey"], max_retries=0).chat.completions
    one = chat.create(model=MODEL, messages=[{"role": "user", "content": QUESTION}], max_completion_tokens=9).usage
    seen.append({"inputTokens": one.prompt_tokens, "outputTokens": one.completion_tokens})
    # Counting is free, and what is refused is not admitted.
    mine.count_tokens(modelId=MODEL, input={"converse": {"messages": converse(QUESTION)["messages"]}})
    refused(lambda: mine.converse(**{**converse(QUESTION), "modelId": "no.such-model-v1:0"}))
    found = used(made["accessKeyId"])
    for counter in ("inputTokens", "outputTokens"):
        equal(found[counter], sum(usage[counter] for usage in seen), counter)
    equal(found["requests"], len(seen), "requests")


@case
def a_dropped_stream_is_charged_for_what_was_produced():
    _, made, mine = new_key("drop")
    eventually(lambda: mine.converse(**converse(QUESTION, tokens=1)))
    before = used(made["accessKeyId"])
    stream = mine.converse_stream(**converse(STORY, tokens=1000, temperature=1.0))["stream"]
    for _, event in zip(range(6), stream):
        assert event
    stream.close()

    def settled():
        after = used(made["accessKeyId"])
        equal(after["requests"] - before["requests"], 1, "requests")
        produced = after["outputTokens"] - before["outputTokens"]
        assert 0 < produced < 900, f"{produced} tokens were charged"

    eventually(settled)


@case
def a_new_key_works_and_a_revoked_one_does_not():
    name, made, mine = new_key("brief")
    assert text_of(eventually(lambda: mine.converse(**converse(QUESTION)))).strip()
    contains([row["name"] for row in json.loads(outcrop("keys", "list", "--format", "json"))], name)
    outcrop("keys", "revoke", name)

    def gone():
        equal(refused(lambda: mine.converse(**converse(QUESTION)))[2], 403)

    eventually(gone)
    anyone = OpenAI(base_url=f"{PLACE.url}/v1", api_key=made["apiKey"], max_retries=0)
    try:
        anyone.models.list()
    except Exception as error:
        contains(str(error), "401")
    else:
        raise AssertionError("a revoked API key lists models")


@case
def a_key_for_other_models_may_not_use_this_one():
    _, _, mine = new_key("narrow", "--models", "meta.*")

    def denied():
        code, message, status = refused(lambda: mine.converse(**converse(QUESTION)))
        assert (code, status) == ("AccessDeniedException", 403) or message == INVALID_MODEL, (code, message)

    eventually(denied)


@case
def the_audit_trail_verifies_while_it_grows():
    runtime().converse(**converse(QUESTION))
    outcrop("audit", "verify")


@case
def models_are_listed():
    contains([model["id"] for model in json.loads(outcrop("models", "--format", "json"))], MODEL)


@case
def a_model_that_was_unloaded_is_loaded_by_the_next_call():
    for change in ("load", "unload"):
        equal(json.loads(outcrop("models", change, MODEL, "--format", "json"))["id"], MODEL)
    assert text_of(runtime().converse(**converse(QUESTION))).strip()
    shelf = json.loads(outcrop("models", "status", "--format", "json"))
    model = next(model for model in shelf["models"] if model["id"] == MODEL)
    equal(model["state"], "loaded")
    assert 0 < model["memoryBytes"] <= shelf["memoryBytes"] <= shelf["memoryBytesMax"], shelf


def adapter(folder):
    """A PEFT folder that changes the default model's first query matrix by waves."""
    rank, width = 2, 576
    header, data = {}, b""
    for name, shape in (("A", [rank, width]), ("B", [width, rank])):
        numbers = [math.sin(at * (1 + len(data))) for at in range(rank * width)]
        end = len(data) + 4 * len(numbers)
        module = "base_model.model.model.layers.0.self_attn.q_proj"
        header[f"{module}.lora_{name}.weight"] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), end]}
        data += struct.pack(f"<{len(numbers)}f", *numbers)
    text = json.dumps(header).encode()
    (folder / "adapter_model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)
    config = {"peft_type": "LORA", "r": rank, "lora_alpha": 64, "target_modules": ["q_proj"], "bias": "none"}
    (folder / "adapter_config.json").write_text(json.dumps(config))


@case
def a_tuned_model_is_served_beside_its_base():
    tuned = "acme.waves-v1:0"
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        adapter(folder)
        words = [BINARY, "--data-dir", str(folder / "data"), "up", "--listen", "127.0.0.1:0"]
        words += ["--adapter", f"{tuned}={name}"]
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
            try:
                url = server.stdout.readline().split()[1]
                keys = (folder / "data" / "api-key").read_text().strip()
                chat = OpenAI(base_url=f"{url}/v1", api_key=keys, max_retries=0)
                served = [model.id for model in chat.models.list()]
                assert {MODEL, tuned} <= set(served), served

                def say(model):
                    asked = [{"role": "user", "content": QUESTION}]
                    answer = chat.chat.completions.create(model=model, messages=asked, temperature=0, max_tokens=20)
                    return answer.choices[0].message.content

                base = say(MODEL)
                assert say(tuned) != base, base
                equal(say(MODEL), base, "the base beside its tuned model")
            finally:
                server.terminate()


@case
def a_chat_answers_and_pipes_nothing_else():
    assert outcrop("chat", "--max-tokens", "40", QUESTION).strip()


@case
def a_second_process_on_the_same_folder_is_refused():
    words = [BINARY, "--data-dir", str(PLACE.folder), "up", "--listen", "127.0.0.1:0"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0 and "ready" not in done.stdout, done.stdout
    assert done.stderr.strip(), "it says nothing"


@case
def secrets_are_files_for_their_owner_alone():
    for name in ("credentials", "api-key"):
        equal(stat.S_IMODE((PLACE.folder / name).stat().st_mode), 0o600, name)
    assert (PLACE.folder / "tls" / "ca.pem").read_text().startswith("-----BEGIN CERTIFICATE-----")


@case
def every_fault_is_explained():
    contains(outcrop("explain", "throttled"), "Retry-After")


@case
def the_credentials_file_is_one_that_boto3_reads():
    with environment(AWS_SHARED_CREDENTIALS_FILE=str(PLACE.folder / "credentials")):
        session = boto3.session.Session(profile_name="default", region_name="us-east-1")
        assert session.client("bedrock", endpoint_url=PLACE.url).list_foundation_models()["modelSummaries"]
