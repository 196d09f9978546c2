"""boto3: Converse, ConverseStream and CountTokens."""

import json
from concurrent.futures import ThreadPoolExecutor

from bedrock import client, converse, gather, refused, runtime, strict_case, text_of, user
from suite import (
    ARN,
    INVALID_MODEL,
    MODEL,
    PERSON,
    PLACE,
    PNG,
    QUESTION,
    STORY,
    TOO_LONG,
    WEATHER,
    contains,
    equal,
    fits,
    new_text,
)

WEATHER_TOOL = {"toolSpec": {"name": "get_weather", "description": "The weather.", "inputSchema": {"json": WEATHER}}}
PERSON_TOOL = {"toolSpec": {"name": "describe", "description": "A person.", "inputSchema": {"json": PERSON}}}
JSON_OUTPUT = {
    "textFormat": {
        "type": "json_schema",
        "structure": {"jsonSchema": {"schema": json.dumps(PERSON), "name": "person", "description": "A person."}},
    }
}


@strict_case
def converse_answers_and_counts():
    answer = runtime().converse(**converse(QUESTION, tokens=24))
    usage = answer["usage"]
    equal(answer["output"]["message"]["role"], "assistant")
    equal(usage["totalTokens"], usage["inputTokens"] + usage["outputTokens"], "sum")
    assert text_of(answer).strip(), answer
    assert 0 < usage["outputTokens"] <= 24 and answer["metrics"]["latencyMs"] >= 0, answer


@strict_case
def a_stream_flows_and_says_what_converse_says():
    # Greedy, so that both are the same answer.
    whole = runtime().converse(**converse(STORY, tokens=120))
    stream = gather(runtime().converse_stream(**converse(STORY, tokens=120))["stream"])
    stream["arrivals"].assert_incremental()
    equal(stream["text"], text_of(whole), "text")
    equal(stream["stop"], whole["stopReason"], "stop reason")
    for counter in ("inputTokens", "outputTokens", "totalTokens"):
        equal(stream["usage"][counter], whole["usage"][counter], counter)


@strict_case
def a_conversation_and_a_system_prompt_are_read():
    request = converse(QUESTION, system=[{"text": "You are terse."}])
    alone = runtime().converse(**request)["usage"]["inputTokens"]
    request["messages"] += [{"role": "assistant", "content": [{"text": "Paris."}]}, user("And of Italy?")]
    longer = runtime().converse(**request)["usage"]["inputTokens"]
    without = runtime().converse(**converse(QUESTION))["usage"]["inputTokens"]
    assert longer > alone, (longer, alone)
    assert alone != without, "the system prompt left no trace"


@strict_case
def max_tokens_ends_an_answer():
    answer = runtime().converse(**converse(STORY, tokens=5))
    equal(answer["stopReason"], "max_tokens")
    equal(answer["usage"]["outputTokens"], 5)


@strict_case
def a_stop_sequence_ends_an_answer_before_itself():
    whole = text_of(runtime().converse(**converse(STORY, tokens=60)))
    word = whole.split()[6]
    config = {"stopSequences": [word]}
    answer = runtime().converse(**converse(STORY, tokens=60, inferenceConfig=config))
    equal(answer["stopReason"], "stop_sequence")
    equal(text_of(answer), whole[: whole.index(word)], "text")
    stream = gather(runtime().converse_stream(**converse(STORY, tokens=60, inferenceConfig=config))["stream"])
    equal(stream["text"], text_of(answer), "streamed text")
    equal(stream["stop"], "stop_sequence")


@strict_case
def the_same_seed_gives_the_same_answer():
    def told(seed):
        request = converse(STORY, tokens=40, temperature=1.0, additionalModelRequestFields={"seed": seed})
        return text_of(runtime().converse(**request))

    first = told(7)
    equal(told(7), first, "text of the same seed")
    assert any(told(seed) != first for seed in (8, 9, 10)), "every seed gives one answer"


@strict_case
def top_p_and_top_k_are_taken():
    request = converse(STORY, temperature=1.0, inferenceConfig={"topP": 0.5}, additionalModelRequestFields={"top_k": 1})
    greedy = text_of(runtime().converse(**converse(STORY)))
    equal(text_of(runtime().converse(**request)), greedy, "the likeliest token alone is the greedy answer")


@strict_case
def a_forced_tool_is_called_with_valid_input_and_takes_its_result():
    for choice in ({"any": {}}, {"tool": {"name": "get_weather"}}):
        config = {"tools": [WEATHER_TOOL], "toolChoice": choice}
        request = converse("What is the weather in Paris?", tokens=100, temperature=1.0, toolConfig=config)
        answer = runtime().converse(**request)
        equal(answer["stopReason"], "tool_use")
        (use,) = [block["toolUse"] for block in answer["output"]["message"]["content"] if "toolUse" in block]
        equal(use["name"], "get_weather")
        fits(use["input"], WEATHER)
    result = {"toolUseId": use["toolUseId"], "content": [{"json": {"degrees": 21}}], "status": "success"}
    request["messages"] += [answer["output"]["message"], user({"toolResult": result})]
    request["toolConfig"] = {"tools": [WEATHER_TOOL]}
    assert runtime().converse(**request)["stopReason"] in ("end_turn", "max_tokens", "tool_use")


@strict_case
def any_picks_among_several_tools():
    config = {"tools": [WEATHER_TOOL, PERSON_TOOL], "toolChoice": {"any": {}}}
    answer = runtime().converse(**converse("Describe Ada.", tokens=150, temperature=1.0, toolConfig=config))
    equal(answer["stopReason"], "tool_use")
    for block in answer["output"]["message"]["content"]:
        if "toolUse" in block:
            fits(block["toolUse"]["input"], WEATHER if block["toolUse"]["name"] == "get_weather" else PERSON)


@strict_case
def auto_leaves_the_choice_to_the_model():
    config = {"tools": [WEATHER_TOOL], "toolChoice": {"auto": {}}}
    answer = runtime().converse(**converse("Say hello.", tokens=60, toolConfig=config))
    assert answer["stopReason"] in ("end_turn", "max_tokens", "tool_use"), answer


@strict_case
def a_tool_call_streams_its_input_in_pieces():
    config = {"tools": [PERSON_TOOL], "toolChoice": {"tool": {"name": "describe"}}}
    stream = gather(runtime().converse_stream(**converse("Describe Ada.", tokens=150, toolConfig=config))["stream"])
    equal(stream["stop"], "tool_use")
    (tool,) = stream["tools"].values()
    equal(tool["name"], "describe")
    fits(json.loads(tool["input"]), PERSON)
    assert len(stream["arrivals"].times) > 3, "the input came in one piece"


@strict_case
def a_schema_holds_the_answer():
    for temperature in (0.0, 1.0):
        request = converse("Describe a person.", tokens=150, temperature=temperature, outputConfig=JSON_OUTPUT)
        fits(json.loads(text_of(runtime().converse(**request))), PERSON)
    stream = gather(runtime().converse_stream(**request)["stream"])
    fits(json.loads(stream["text"]), PERSON)


@strict_case
def count_tokens_is_what_the_call_costs():
    requests = [
        converse(QUESTION),
        converse(QUESTION, system=[{"text": "You are terse."}]),
        converse(QUESTION, toolConfig={"tools": [WEATHER_TOOL, PERSON_TOOL]}),
        {
            "modelId": MODEL,
            "messages": [user("Hi"), {"role": "assistant", "content": [{"text": "Yes?"}]}, user("Ça va? 🙂")],
        },
    ]
    for request in requests:
        parts = {key: request[key] for key in ("messages", "system", "toolConfig") if key in request}
        counted = runtime().count_tokens(modelId=MODEL, input={"converse": parts})["inputTokens"]
        equal(counted, runtime().converse(**{**request, "inferenceConfig": {"maxTokens": 1}})["usage"]["inputTokens"])


@strict_case
def an_arn_names_the_model():
    request = {**converse(QUESTION), "modelId": ARN}
    equal(text_of(runtime().converse(**request)), text_of(runtime().converse(**converse(QUESTION))))


@strict_case
def any_path_prefix_is_kept():
    prefixed = client(url=f"{PLACE.url}/some/prefix")
    equal(text_of(prefixed.converse(**converse(QUESTION))), text_of(runtime().converse(**converse(QUESTION))))


@strict_case
def the_service_tier_is_echoed():
    answer = runtime().converse(**converse(QUESTION, serviceTier={"type": "flex"}))
    equal(answer["serviceTier"], {"type": "flex"})


@strict_case
def hints_are_ignored_aloud():
    request = converse(QUESTION, requestMetadata={"team": "a"}, performanceConfig={"latency": "optimized"})
    request["messages"][0]["content"].append({"cachePoint": {"type": "default"}})
    headers = runtime().converse(**request)["ResponseMetadata"]["HTTPHeaders"]
    assert headers.get("x-outcrop-ignored"), headers


@strict_case
def a_cache_point_is_written_once_and_read_afterwards():
    point = {"cachePoint": {"type": "default"}}
    text = new_text()
    first = runtime().converse(**converse("One?", system=[{"text": text}, point]))
    written = first["usage"]["cacheWriteInputTokens"]
    assert written > 100 and first["usage"]["cacheReadInputTokens"] == 0, first["usage"]
    equal(first["usage"]["cacheDetails"], [{"ttl": "5m", "inputTokens": written}])
    again = runtime().converse(**converse("And two?", system=[{"text": text}, point]))
    equal((again["usage"]["cacheReadInputTokens"], again["usage"]["cacheWriteInputTokens"]), (written, 0))
    stream = gather(runtime().converse_stream(**converse("One?", system=[{"text": text}, point]))["stream"])
    equal(stream["usage"]["cacheReadInputTokens"], written)
    equal(stream["text"], text_of(first), "the cache changes no word")
    for usage in (first["usage"], again["usage"], stream["usage"]):
        parts = ("inputTokens", "outputTokens", "cacheReadInputTokens", "cacheWriteInputTokens")
        equal(usage["totalTokens"], sum(usage[part] for part in parts), "sum")
    plain = runtime().converse(**converse("One?", system=[{"text": text}]))["usage"]
    equal((plain["cacheReadInputTokens"], plain["cacheWriteInputTokens"]), (0, 0))
    equal(plain["inputTokens"], first["usage"]["inputTokens"] + written)


@strict_case
def a_cache_point_for_an_hour_says_so():
    point = {"cachePoint": {"type": "default", "ttl": "1h"}}
    request = converse(QUESTION)
    request["messages"][0]["content"] = [{"text": new_text()}, point, {"text": QUESTION}]
    answer = runtime().converse(**request)
    written = answer["usage"]["cacheWriteInputTokens"]
    assert written > 100, answer["usage"]
    equal(answer["usage"]["cacheDetails"], [{"ttl": "1h", "inputTokens": written}])
    assert "cache-point" not in answer["ResponseMetadata"]["HTTPHeaders"].get("x-outcrop-ignored", "")


@strict_case
def an_unknown_model_is_refused_in_bedrocks_words():
    found = refused(lambda: runtime().converse(**{**converse(QUESTION), "modelId": "meta.no-such-model-v1:0"}))
    equal(found, ("ValidationException", INVALID_MODEL, 400))
    found = refused(lambda: runtime().converse_stream(**{**converse(QUESTION), "modelId": "meta.no-such-model-v1:0"}))
    equal(found, ("ValidationException", INVALID_MODEL, 400), "before the first byte")


@strict_case
def a_prompt_that_does_not_fit_is_refused_in_bedrocks_words():
    for call in (runtime().converse, runtime().converse_stream):
        code, message, status = refused(lambda: call(**converse("word " * 20_000)))
        equal((code, status), ("ValidationException", 400))
        contains(message, TOO_LONG)


@strict_case
def a_picture_is_refused_by_name():
    picture = {"image": {"format": "png", "source": {"bytes": PNG}}}
    request = {**converse(QUESTION), "messages": [user("What is this?", picture)]}
    code, message, status = refused(lambda: runtime().converse(**request))
    equal((code, status), ("ValidationException", 400))
    contains(message, "image")


@strict_case
def what_is_malformed_is_refused_by_name():
    # boto3 checks types itself, so this is what it lets through.
    code, message, status = refused(
        lambda: runtime().converse(modelId=MODEL, messages=[{"role": "user", "content": []}])
    )
    equal((code, status), ("ValidationException", 400))
    contains(message, "content")
    request = converse(QUESTION, inferenceConfig={"temperature": 9.0})
    code, message, status = refused(lambda: runtime().converse(**request))
    equal((code, status), ("ValidationException", 400))
    contains(message, "temperature")


@strict_case
def fifty_streams_at_once_are_each_what_they_are_alone():
    questions = [f"{QUESTION} Then count from {n} on." for n in range(5)]
    alone = [gather(runtime().converse_stream(**converse(question, tokens=24))["stream"]) for question in questions]

    def ask(n):
        return gather(runtime().converse_stream(**converse(questions[n % 5], tokens=24))["stream"])

    with ThreadPoolExecutor(50) as pool:
        together = list(pool.map(ask, range(50)))
    for n, stream in enumerate(together):
        equal(stream["text"], alone[n % 5]["text"], f"text of stream {n}")
        equal(stream["usage"], alone[n % 5]["usage"], f"usage of stream {n}")


@strict_case
def a_client_that_goes_away_harms_nobody():
    for _ in range(5):
        stream = runtime().converse_stream(**converse(STORY, tokens=400))["stream"]
        for _, event in zip(range(4), stream):
            assert event
        stream.close()
    assert runtime().converse(**converse(QUESTION))["usage"]["outputTokens"] > 0
