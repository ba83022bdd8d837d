"""The sample's two functions: one submits a job, the other asks how it stands. Never deployed but by the benchmark.

    {"url": ..., "service": "clb", "region": ..., "version": "2018-03-17", "action": "DescribeTaskStatus",
     "send": {"TaskId": "..."}, "succeeded": ["0"], "failed": ["1"]}

A job is anything that Tencent Cloud answers ``Status`` of. The simulated one begins when it is first asked about, so
submitting is asking."""

import hashlib
import hmac
import json
import os
import time
from datetime import UTC, datetime
from http.client import HTTPConnection
from typing import Any
from urllib.parse import urlsplit

_HEADERS = "content-type;host"


def submit_job(event: dict[str, Any], context: object) -> dict[str, Any]:
    job: dict[str, Any] = event["job"]
    print(f"submitted {job['send']} as {status(job)}")
    return job


def check_job(event: dict[str, Any], context: object) -> str:
    word = str(status(event))
    print(f"{event['send']} is {word}")
    return "SUCCEEDED" if word in event["succeeded"] else "FAILED" if word in event["failed"] else "RUNNING"


def status(job: dict[str, Any]) -> Any:
    url, body = urlsplit(job["url"]), json.dumps(job["send"])
    headers = {"Content-Type": "application/json", "Host": url.netloc, "X-TC-Action": job["action"]}
    headers |= {"X-TC-Version": job["version"], "X-TC-Region": job["region"]}
    connection = HTTPConnection(url.netloc, timeout=15)
    connection.request("POST", "/", body, headers | _signature(job["service"], url.netloc, body))
    answer = json.loads(connection.getresponse().read())["Response"]
    connection.close()
    return answer["Status"]


def _signature(service: str, host: str, body: str) -> dict[str, str]:
    """TC3-HMAC-SHA256, as the documentation of API 3.0 describes it."""
    now = int(time.time())
    scope = f"{datetime.fromtimestamp(now, UTC):%Y-%m-%d}/{service}/tc3_request"
    canonical = f"POST\n/\n\ncontent-type:application/json\nhost:{host}\n\n{_HEADERS}\n{_sha256(body)}"
    key = f"TC3{os.environ['SECRET_KEY']}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    text = f"TC3-HMAC-SHA256\n{now}\n{scope}\n{_sha256(canonical)}"
    signed = hmac.digest(key, text.encode(), "sha256").hex()
    credential = f"{os.environ['SECRET_ID']}/{scope}"
    authorization = f"TC3-HMAC-SHA256 Credential={credential}, SignedHeaders={_HEADERS}, Signature={signed}"
    return {"Authorization": authorization, "X-TC-Timestamp": str(now)}


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
