"""boto3: who is calling, and the models that there are."""

import os

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

import strict
from aws_bedrock_token_generator import BedrockTokenGenerator
from botocore.credentials import Credentials
from bedrock import client, converse, environment, refused, runtime, strict_case, text_of
from suite import ARN, MODEL, PLACE, QUESTION, REGION, contains, equal


def with_bearer(token):
    """A client that has a bearer key and no key pair; boto3 wants TLS for it."""
    with environment(AWS_BEARER_TOKEN_BEDROCK=token, AWS_CA_BUNDLE=PLACE.ca):
        config = Config(retries={"total_max_attempts": 1})
        made = boto3.session.Session(region_name=REGION).client(
            "bedrock-runtime", endpoint_url=PLACE.tls_url, config=config
        )
        strict.watch(made)
        return made.converse(**converse(QUESTION))


@strict_case
def a_key_pair_works_over_tls():
    answer = client(url=PLACE.tls_url, verify=PLACE.ca).converse(**converse(QUESTION))
    equal(text_of(answer), text_of(runtime().converse(**converse(QUESTION))))


@strict_case
def a_long_term_bearer_key_works():
    contains(PLACE.api_key, "ABSK")
    assert text_of(with_bearer(PLACE.api_key)).strip()


@strict_case
def a_short_term_bearer_key_works():
    token = BedrockTokenGenerator().get_token(Credentials(*PLACE.key_pair), REGION)
    contains(token, "bedrock-api-key-")
    assert text_of(with_bearer(token)).strip()


@strict_case
def a_bearer_key_that_nobody_gave_out_is_refused():
    for token in ("ABSKQmVkcm9ja0FQSUtleS1ub2JvZHk6bm90aGluZw==", "nonsense"):
        code, _, status = refused(lambda: with_bearer(token))
        equal(status, 403)
        assert code in ("AccessDeniedException", "UnrecognizedClientException"), code


@strict_case
def a_short_term_key_signed_by_a_stranger_is_refused():
    stranger = Credentials(PLACE.key_pair[0], "x" * 40)
    token = BedrockTokenGenerator().get_token(stranger, REGION)
    equal(refused(lambda: with_bearer(token))[2], 403)


@strict_case
def without_a_key_nothing_works():
    from botocore import UNSIGNED

    config = Config(signature_version=UNSIGNED, retries={"total_max_attempts": 1})
    for service, call in (
        ("bedrock-runtime", lambda anyone: anyone.converse(**converse(QUESTION))),
        ("bedrock-runtime", lambda anyone: anyone.count_tokens(modelId=MODEL, input={"converse": {}})),
        ("bedrock", lambda anyone: anyone.list_foundation_models()),
    ):
        anyone = boto3.session.Session(region_name=REGION).client(service, endpoint_url=PLACE.url, config=config)
        code, _, status = refused(lambda: call(strict.watch(anyone)))
        equal((code, status), ("MissingAuthenticationTokenException", 403))


@strict_case
def a_wrong_secret_is_a_wrong_signature():
    code, _, status = refused(lambda: client(key_pair=(PLACE.key_pair[0], "x" * 40)).converse(**converse(QUESTION)))
    equal((code, status), ("InvalidSignatureException", 403))


@strict_case
def an_unknown_key_is_an_unrecognised_client():
    code, _, status = refused(
        lambda: client(key_pair=("AKIAAAAAAAAAAAAAAAAA", "x" * 40)).converse(**converse(QUESTION))
    )
    equal((code, status), ("UnrecognizedClientException", 403))


@strict_case
def the_foundation_models_are_listed():
    control = client("bedrock")
    (summary,) = [one for one in control.list_foundation_models()["modelSummaries"] if one["modelId"] == MODEL]
    equal(summary["modelArn"], ARN)
    equal((summary["inputModalities"], summary["outputModalities"]), (["TEXT"], ["TEXT"]))
    equal(summary["responseStreamingSupported"], True)
    contains(summary["inferenceTypesSupported"], "ON_DEMAND")
    equal(summary["modelLifecycle"]["status"], "ACTIVE")
    for name in (MODEL, ARN):
        equal(control.get_foundation_model(modelIdentifier=name)["modelDetails"]["modelId"], MODEL)


@strict_case
def the_list_is_filtered():
    control = client("bedrock")
    ids = lambda **filters: [one["modelId"] for one in control.list_foundation_models(**filters)["modelSummaries"]]
    contains(ids(byOutputModality="TEXT", byInferenceType="ON_DEMAND"), MODEL)
    equal(ids(byOutputModality="IMAGE"), [])


@strict_case
def a_foundation_model_that_is_not_there_is_not_found():
    code, _, status = refused(lambda: client("bedrock").get_foundation_model(modelIdentifier="meta.no-such-model-v1:0"))
    assert (code, status) in (("ResourceNotFoundException", 404), ("ValidationException", 400)), (code, status)


@strict_case
def a_body_that_is_too_large_is_refused_readably():
    try:
        runtime().converse(**converse("x" * 26_000_000))
    except ClientError as error:
        equal(error.response["ResponseMetadata"]["HTTPStatusCode"] in (400, 413), True, str(error))
        strict.problems.clear()
        return
    raise AssertionError("no refusal")


@strict_case
def the_environment_alone_is_enough():
    folder = str(PLACE.folder / "credentials")
    with environment(AWS_SHARED_CREDENTIALS_FILE=folder, AWS_ENDPOINT_URL=PLACE.url, AWS_REGION=REGION):
        plain = strict.watch(boto3.session.Session().client("bedrock-runtime", region_name=os.environ["AWS_REGION"]))
        assert text_of(plain.converse(**converse(QUESTION))).strip()
