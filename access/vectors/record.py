"""Records what real clients sign, one file a request, for `src/sigv4/tests.rs`.

    python3 -m venv /tmp/v && /tmp/v/bin/pip install boto3==1.44.5 anthropic==2.10.0 aws-bedrock-token-generator==1.1.0
    /tmp/v/bin/python record.py

The key pair is the one of AWS's documentation. A client sees a refusal and gives up; only its request matters.
"""

import os
import pathlib
import socket
import threading
from datetime import timedelta

os.environ.update(
    AWS_ACCESS_KEY_ID="AKIAIOSFODNN7EXAMPLE",
    AWS_SECRET_ACCESS_KEY="wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    AWS_REGION="us-east-1",
    AWS_DEFAULT_REGION="us-east-1",
    AWS_MAX_ATTEMPTS="1",
    AWS_EC2_METADATA_DISABLED="true",
)

import anthropic
import boto3
from aws_bedrock_token_generator import provide_token

HERE = pathlib.Path(__file__).parent
REFUSAL = b'HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: 16\r\nconnection: close\r\n\r\n{"message":"no"}'


def record(name, call):
    """Runs `call` against a socket of its own and keeps the request as it came."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        peer, _ = listener.accept()
        data = b""
        while b"\r\n\r\n" not in data:
            data += peer.recv(65536)
        head = data.split(b"\r\n\r\n")[0].lower()
        length = [int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.startswith(b"content-length:")]
        want = data.index(b"\r\n\r\n") + 4 + (length[0] if length else 0)
        while len(data) < want:
            data += peer.recv(65536)
        # Nobody signs the user agent, and it tells much about the machine.
        lines = [line for line in data.split(b"\r\n") if not line.lower().startswith(b"user-agent:")]
        (HERE / f"{name}.http").write_bytes(b"\n".join(lines))
        peer.sendall(REFUSAL)
        peer.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        call(f"http://127.0.0.1:{listener.getsockname()[1]}")
    except Exception as refusal:
        print(name, type(refusal).__name__)
    thread.join()


def boto(service, call):
    return lambda url: call(boto3.client(service, endpoint_url=url))


def bedrock(call, prefix=""):
    return lambda url: call(anthropic.AnthropicBedrock(base_url=url + prefix, max_retries=0))


MESSAGES = [{"role": "user", "content": [{"text": "Say  hé!"}]}]
ARN = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.meta.llama3-1-8b-instruct-v1:0"
ASK = dict(max_tokens=5, messages=[{"role": "user", "content": "hi"}])

record("boto3-converse", boto("bedrock-runtime", lambda c: c.converse(modelId="meta.llama3-1-8b-instruct-v1:0", messages=MESSAGES)))
record("boto3-arn", boto("bedrock-runtime", lambda c: c.converse(modelId=ARN, messages=MESSAGES)))
record("boto3-invoke-model", boto("bedrock-runtime", lambda c: c.invoke_model(modelId="amazon.nova-lite-v1:0", trace="ENABLED", body=b"{}")))
record("boto3-prefix", lambda url: boto3.client("bedrock-runtime", endpoint_url=url + "/a/prefix/").converse(modelId="m:0", messages=MESSAGES))
record("boto3-list-models", boto("bedrock", lambda c: c.list_foundation_models(byProvider="Meta & co/ü+x", byOutputModality="TEXT")))
record("anthropic-bedrock", bedrock(lambda c: c.messages.create(model="anthropic.claude-v2:1", **ASK)))
record("anthropic-bedrock-stream", bedrock(lambda c: c.messages.create(model="anthropic.claude-v2:1", stream=True, **ASK), "/a/prefix"))
(HERE / "short-term-key.txt").write_text(provide_token(expiry=timedelta(hours=1)) + "\n")
