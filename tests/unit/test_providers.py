"""The four APIs that are always there: requests and answers, and that nothing unknown is ever success.

tests/catalogue does the same for every entry of the catalogue, from its data; here it is spelt out once.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskhook.accounts import Account
from taskhook.http import Answer
from taskhook.providers import REGION, asking, catalogue
from taskhook.providers.model import Observation, Outcome, Provider, Question, Refusal, TaskId, Trouble
from taskhook.states import ANSWERED, State
from taskhook.task import Resource
from tests.conftest import NOW, Clock, MakeAccount, MakeAnswer
from tests.strategies import json_values

BM = "tencent.bm.DescriptionOperationResult"
CLB = "tencent.clb.DescribeTaskStatus"
DTS = "tencent.dts.DescribeAsyncRequestInfo"
BDRC = "alibaba.bdrc.DescribeTask"
NAMES = (BM, CLB, DTS, BDRC)
FIND = catalogue.Catalogue().find
ROWS = {name: row for name in NAMES if (row := FIND(name))}

type Envelope = Callable[[Any], Any]

ENVELOPES: dict[str, Envelope] = {
    BM: lambda status: {"code": 0, "message": "OK", "data": {"status": status}},
    CLB: lambda status: {"Response": {"Status": status, "RequestId": "r-1"}},
    DTS: lambda status: {"Response": {"Status": status, "Info": "success", "RequestId": "r-1"}},
    BDRC: lambda status: {"RequestId": "r-1", "Data": {"TaskStatus": status, "Progress": 10_000}},
}
"""The answer of each API with one status in it, and with everything else looking like success."""

DOCUMENTED: dict[str, Mapping[Any, State]] = {
    BM: {1: State.SUCCEEDED, 2: State.FAILED, 3: State.PARTIAL, **dict.fromkeys((4, 5, 6, 7), State.RUNNING)},
    CLB: {0: State.SUCCEEDED, 1: State.FAILED, 2: State.RUNNING},
    DTS: {"success": State.SUCCEEDED, "failed": State.FAILED, "running": State.RUNNING},
    BDRC: {
        "CREATED": State.RUNNING,
        "RUNNING": State.RUNNING,
        "COMPLETE": State.SUCCEEDED,
        "FAILED": State.FAILED,
        "EXPIRED": State.FAILED,
        "CANCELED": State.CANCELED,
    },
}
SUCCESS = {BM: {"1"}, CLB: {"0"}, DTS: {"success"}, BDRC: {"complete", "completed"}}
"""Spelt out here once more: a law must not be read from what it judges."""

MEMBERS = (
    "code", "Code", "data", "Data", "Response", "Error", "status", "Status", "TaskStatus", "instanceIds", "resourceIds",
    "TaskResult", "Progress", "StartTime", "CompleteTime", "LoadBalancerIds", "Info", "message", "Message",
    "ErrorMessage", "RequestId",
)  # fmt: skip
EVERY = [(name, word, state) for name, words in DOCUMENTED.items() for word, state in words.items()]
TASK_IDS = {BM: "1000123", CLB: "55c85074-3e7f-4c6d", DTS: "cafebabe-254f", BDRC: "t-0004d9ctt1ii0000000"}


def read(name: str, answer: Answer) -> Outcome:
    row = ROWS[name]
    owner = Account(name=row.cloud, cloud=row.cloud, key_id="AKIDEXAMPLE", key_secret="not-a-real-secret")
    asked = Question(task_id=TASK_IDS[name], region="ap-guangzhou", account=owner, clock=Clock())
    return asking.look(row, asked, lambda request: answer)


def canonical(rule: TaskId, value: str | int) -> str | None:
    return rule.canonical(value)


def plain(body: Any, *, status: int = 200) -> Answer:
    return Answer(status=status, headers={}, body=json.dumps(body).encode(), truncated=False, elapsed=0.0)


def observed(name: str, body: Any) -> Observation:
    outcome = read(name, plain(body))
    assert isinstance(outcome, Observation)
    return outcome


def refused(name: str, body: Any, *, status: int = 200) -> Refusal:
    outcome = read(name, plain(body, status=status))
    assert isinstance(outcome, Refusal)
    return outcome


def is_success(name: str, value: Any) -> bool:
    """Whether a value is the documented word for success: as text or as a number, never as a boolean."""
    if isinstance(value, bool | list | dict) or value is None:
        return False
    number = isinstance(value, int | float) and value in (0, 1) and str(int(value)) in SUCCESS[name]
    return number or str(value).strip().casefold() in SUCCESS[name]


# --- the catalogue ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_a_row_says_everything_a_reader_of_the_catalogue_needs(name: str) -> None:
    row = ROWS[name]
    assert row.name == name
    assert re.fullmatch(r"(tencent|alibaba)\.[a-z]+\.[A-Z][A-Za-z]+", name)
    assert row.source.startswith("https://")
    assert row.task_id.shape
    assert row.task_id.found
    assert State.SUCCEEDED in row.words.values()
    assert {word.casefold() for word in row.words} == set(row.words)


def test_the_four_of_the_contract_are_there_with_their_versions() -> None:
    versions = {BM: None, CLB: "2018-03-17", DTS: "2018-03-30", BDRC: "2023-08-08"}
    assert versions == {name: ROWS[name].version for name in versions}


@pytest.mark.parametrize("name", NAMES)
def test_a_provider_is_found_by_its_long_and_short_name_in_any_case(name: str) -> None:
    short = name.rpartition(".")[0]
    found = {row.name for one in (name, name.lower(), name.upper(), short, short.upper()) if (row := FIND(one))}
    assert found == {name}


@pytest.mark.parametrize("name", ["", "tencent", "tencent.", "clb", "tencent.clb.", "tencent.clb.Other", "aws.s3"])
def test_what_is_no_provider_is_not_found(name: str) -> None:
    assert FIND(name) is None


@pytest.mark.parametrize(
    ("meant", "found"),
    [
        ("tencent.cbl", "tencent.clb"),
        ("tencent.clb.DescribeTaskState", CLB),
        ("TENCENT.DTSS", "tencent.dts"),
        ("alibaba.bdrc.DescribeTasks", BDRC),
        ("aliyun.bdrc", "alibaba.bdrc"),
    ],
)
def test_the_nearest_names_are_proposed(meant: str, found: str) -> None:
    assert found in catalogue.nearest(meant)


def test_nothing_is_proposed_for_what_is_near_to_nothing() -> None:
    assert catalogue.nearest("x" * 100_000) == []


# --- task ids --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [CLB, DTS, BDRC])
@pytest.mark.parametrize("value", ["a", "55c85074-3e7f-4c6d-864f-673660d4f8de", "t-0004.x:y_z", "A" * 128, 7])
def test_a_task_id_is_taken_as_it_is(name: str, value: str | int) -> None:
    assert canonical(ROWS[name].task_id, value) == str(value)


@pytest.mark.parametrize(
    ("value", "taken"), [(1000123, "1000123"), ("1000123", "1000123"), (" 7 ", "7"), ("007", "7"), (2**64 - 1, None)]
)
def test_a_whole_number_is_taken_as_number_or_text(value: str | int, taken: str | None) -> None:
    assert canonical(ROWS[BM].task_id, value) == (taken or str(value))


@pytest.mark.parametrize("value", ["abc", "1.5", "1e3", "-1", -1, "+1", "0x1", 2**64, 10**20, "１２", "1 2", ""])
def test_bare_metal_takes_no_text_and_nothing_beyond_64_bits(value: str | int) -> None:
    assert canonical(ROWS[BM].task_id, value) is None


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "value", ["", " ", ".", "..", "../", "../x", "a/../b", "a..b", "a/b", "a\\b", "a b", "a\x00", "a\nb", "a?b", "a#b",
              "a%2e", "%2e%2e", "A" * 129, "é", "-a", "\u202ea"]
)  # fmt: skip
def test_a_task_id_that_could_lead_elsewhere_is_refused(name: str, value: str) -> None:
    assert canonical(ROWS[name].task_id, value) is None


@given(st.sampled_from(NAMES), st.text(max_size=140) | st.integers())
def test_a_task_id_that_is_taken_is_safe_in_a_path_and_in_a_log(name: str, value: str | int) -> None:
    taken = canonical(ROWS[name].task_id, value)
    assert taken is None or (re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.:=@-]*", taken) and ".." not in taken)


@given(st.sampled_from(NAMES), st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.:=@-]{0,127}", fullmatch=True))
def test_a_canonical_task_id_is_its_own_canonical_form(name: str, value: str) -> None:
    rule = ROWS[name].task_id
    taken = canonical(rule, value)
    assert taken is None or canonical(rule, taken) == taken


@pytest.mark.parametrize("region", ["ap-guangzhou", "bj", "cn-shanghai-finance-1", "a"])
def test_a_region_is_one_label_of_a_host(region: str) -> None:
    assert REGION.fullmatch(region)


@pytest.mark.parametrize("region", ["", "-a", "a-", "a.b", "a/b", "a@b", "a b", "A", "é", "a" * 33, "a\n"])
def test_what_could_name_another_host_is_no_region(region: str) -> None:
    assert not REGION.fullmatch(region)


# --- requests --------------------------------------------------------------------------------------------------------


def question(row: Provider, make_account: MakeAccount, region: str = "ap-guangzhou", **account: Any) -> Question:
    owner = make_account(row.cloud, **account)
    return Question(task_id=TASK_IDS[row.name], region=region, account=owner, clock=Clock())


@pytest.mark.parametrize(
    ("name", "region", "site", "url"),
    [
        (BM, "bj", "cn", "https://bm.api.qcloud.com/v2/index.php"),
        (BM, "bj", "intl", "https://bm.api.cloud.tencent.com/v2/index.php"),
        (CLB, "ap-guangzhou", "cn", "https://clb.tencentcloudapi.com/"),
        (CLB, "ap-guangzhou", "intl", "https://clb.intl.tencentcloudapi.com/"),
        (CLB, "ap-shanghai-fsi", "cn", "https://clb.ap-shanghai-fsi.tencentcloudapi.com/"),
        (CLB, "ap-shanghai-fsi-2", "cn", "https://clb.ap-shanghai-fsi.tencentcloudapi.com/"),
        (DTS, "ap-guangzhou", "cn", "https://dts.tencentcloudapi.com/"),
        (DTS, "ap-guangzhou", "intl", "https://dts.intl.tencentcloudapi.com/"),
        (BDRC, "cn-shanghai", "cn", "https://bdrc.cn-shanghai.aliyuncs.com/api/v1/tasks/t-0004d9ctt1ii0000000"),
    ],
)
def test_a_request_goes_to_the_documented_host(
    name: str, region: str, site: str, url: str, make_account: MakeAccount
) -> None:
    row = ROWS[name]
    assert asking.request(row, question(row, make_account, region, site=site)).prepare().url == url


@pytest.mark.parametrize("name", NAMES)
def test_an_accounts_endpoint_wins_and_its_host_is_the_one_that_is_signed(name: str, make_account: MakeAccount) -> None:
    row = ROWS[name]
    endpoints = {row.account_service: "https://proxy.example.com:8443/base", "other": "https://other.example.com"}
    prepared = asking.request(row, question(row, make_account, "ap-shanghai-fsi", endpoints=endpoints)).prepare()
    assert str(prepared.url).startswith("https://proxy.example.com:8443/base/")
    assert prepared.headers.get("Host", "proxy.example.com:8443") == "proxy.example.com:8443"


def test_bare_metal_is_asked_with_a_signed_form(make_account: MakeAccount) -> None:
    row = ROWS[BM]
    prepared = asking.request(row, question(row, make_account, "bj", token="t")).prepare()
    body = prepared.body.decode() if isinstance(prepared.body, bytes) else str(prepared.body)
    form = {key: value[0] for key, value in parse_qs(body).items()}
    assert prepared.method == "POST"
    assert (
        form.items()
        >= {
            "Action": "DescriptionOperationResult",
            "taskId": "1000123",
            "Region": "bj",
            "SignatureMethod": "HmacSHA256",
            "SecretId": "AKIDEXAMPLE",
            "Timestamp": str(int(NOW)),
            "Token": "t",
        }.items()
    )
    assert form["Signature"]


@pytest.mark.parametrize(("name", "body"), [(CLB, {"TaskId": TASK_IDS[CLB]}), (DTS, {"AsyncRequestId": TASK_IDS[DTS]})])
def test_tencent_3_is_asked_with_signed_headers(name: str, body: dict[str, str], make_account: MakeAccount) -> None:
    row = ROWS[name]
    prepared = asking.request(row, question(row, make_account, token="t")).prepare()
    assert json.loads(prepared.body or b"") == body
    assert prepared.headers["X-TC-Action"] == row.action
    assert prepared.headers["X-TC-Version"] == row.version
    assert prepared.headers["X-TC-Region"] == "ap-guangzhou"
    assert prepared.headers["X-TC-Token"] == "t"
    assert prepared.headers["Authorization"].startswith("TC3-HMAC-SHA256 Credential=AKIDEXAMPLE/")


def test_bdrc_is_asked_with_signed_headers(make_account: MakeAccount) -> None:
    row = ROWS[BDRC]
    prepared = asking.request(row, question(row, make_account, "cn-shanghai", token="t")).prepare()
    assert prepared.method == "GET"
    assert prepared.headers["x-acs-action"] == "DescribeTask"
    assert prepared.headers["x-acs-version"] == "2023-08-08"
    assert prepared.headers["x-acs-security-token"] == "t"
    assert prepared.headers["Authorization"].startswith("ACS3-HMAC-SHA256 Credential=AKIDEXAMPLE,")


@pytest.mark.parametrize("name", NAMES)
def test_no_request_carries_the_secret(name: str, make_account: MakeAccount) -> None:
    row = ROWS[name]
    prepared = asking.request(row, question(row, make_account)).prepare()
    assert "not-a-real-secret" not in f"{prepared.url} {prepared.headers} {prepared.body!r}"


@pytest.mark.parametrize("name", [BM, BDRC])
def test_every_look_is_signed_with_another_nonce(name: str, make_account: MakeAccount) -> None:
    row = ROWS[name]
    first, second = (asking.request(row, question(row, make_account)).prepare() for _ in range(2))
    assert (first.body, dict(first.headers)) != (second.body, dict(second.headers))


# --- answers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "word", "state"), EVERY)
def test_a_documented_word_means_what_its_page_says(name: str, word: Any, state: State) -> None:
    for spelling in (word, str(word), f" {word} ", str(word).upper(), str(word).lower()):
        seen = observed(name, ENVELOPES[name](spelling))
        assert (seen.state, seen.known) == (state, True)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("status", [None, True, False, "", " ", "ok", "done", 8, -1, 99, 0.5, [], {}, [0], {"a": 1}])
def test_unknown_status_is_never_success(name: str, status: Any) -> None:
    seen = observed(name, ENVELOPES[name](status))
    assert (seen.state, seen.known) == (State.RUNNING, False)


@pytest.mark.parametrize("name", NAMES)
@given(status=json_values)
def test_only_the_documented_word_is_success(name: str, status: Any) -> None:
    outcome = read(name, plain(ENVELOPES[name](status)))
    succeeded = isinstance(outcome, Observation) and outcome.state is State.SUCCEEDED
    assert succeeded == is_success(name, status)


@pytest.mark.parametrize("name", NAMES)
@given(body=json_values, status=st.sampled_from([200, 204, 301, 400, 404, 429, 500, 503]))
def test_no_answer_breaks_the_reader_nor_becomes_success_by_chance(name: str, body: Any, status: int) -> None:
    outcome = read(name, plain(body, status=status))
    assert not (isinstance(outcome, Observation) and outcome.state is State.SUCCEEDED)


@pytest.mark.parametrize("name", NAMES)
@given(field=st.sampled_from(MEMBERS), value=json_values)
def test_no_member_of_any_type_breaks_the_reader(name: str, field: str, value: Any) -> None:
    body = ENVELOPES[name](next(iter(DOCUMENTED[name])))
    outer = next((one for one in ("Response", "Data", "data") if one in body), "")
    for changed in ({**body, field: value}, {**body, outer: {**body[outer], field: value}}):
        read(name, plain(changed))


@pytest.mark.parametrize("name", NAMES)
@given(body=st.binary(max_size=60), status=st.integers(200, 599))
def test_bytes_that_are_no_answer_are_a_refusal(name: str, body: bytes, status: int) -> None:
    answer = Answer(status=status, headers={}, body=body, truncated=False, elapsed=0.0)
    assert isinstance(read(name, answer), Refusal)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("status", [201, 302, 403, 500, 503])
def test_a_success_inside_an_http_error_is_none(name: str, status: int) -> None:
    word = next(word for word, state in DOCUMENTED[name].items() if state is State.SUCCEEDED)
    assert isinstance(read(name, plain(ENVELOPES[name](word), status=status)), Refusal)


@pytest.mark.parametrize("name", NAMES)
def test_half_an_answer_is_no_answer(name: str, make_answer: MakeAnswer) -> None:
    word = next(word for word, state in DOCUMENTED[name].items() if state is State.SUCCEEDED)
    outcome = read(name, make_answer(ENVELOPES[name](word), truncated=True))
    assert isinstance(outcome, Refusal)
    assert outcome.trouble is Trouble.TRANSIENT


@pytest.mark.parametrize("name", [CLB, DTS])
@pytest.mark.parametrize("failure", [{"Code": "InternalError", "Message": "m"}, {}, "InternalError", [], 0])
def test_an_error_beside_a_success_is_an_error(name: str, failure: Any) -> None:
    word = next(iter(SUCCESS[name]))
    body = {"Response": {"Status": word, "Error": failure, "RequestId": "r-1"}}
    refusal = refused(name, body)
    assert refusal.request_id == "r-1"
    assert refusal.problem.code == ("InternalError" if failure and isinstance(failure, dict) else "UnknownError")


@pytest.mark.parametrize("name", [CLB, DTS])
def test_an_error_of_null_is_none(name: str) -> None:
    body = ENVELOPES[name](next(iter(SUCCESS[name])))
    body["Response"]["Error"] = None
    assert observed(name, body).state is State.SUCCEEDED


@pytest.mark.parametrize(
    ("name", "body", "trouble", "code"),
    [
        (BM, {"code": 4100, "message": "no"}, Trouble.CREDENTIALS, "4100"),
        (BM, {"code": "4400", "message": "slow"}, Trouble.THROTTLED, "4400"),
        (BM, {"code": 5100, "message": "(9001)InternalError.DbError"}, Trouble.TRANSIENT, "9001"),
        (BM, {"code": 5100, "message": "(100004)no idea"}, Trouble.DOUBTFUL, "5100"),
        (BM, {"code": 4400, "codeDesc": "InvalidRequest.LimitExceeded"}, Trouble.THROTTLED,
         "InvalidRequest.LimitExceeded"),
        (BM, {"code": -1, "message": "?"}, Trouble.DOUBTFUL, "-1"),
        (BM, {"code": 5000, "data": {"status": 1}}, Trouble.NOT_FOUND, "5000"),
        (BM, {"code": 5400, "message": "nothing in it"}, Trouble.DOUBTFUL, "5400"),
        (CLB, {"Response": {"Error": {"Code": "InvalidParameter", "Message": "m"}}}, Trouble.NOT_FOUND,
         "InvalidParameter"),
        (DTS, {"Response": {"Error": {"Code": "InvalidParameter", "Message": "m"}}}, Trouble.FINAL, "InvalidParameter"),
        (DTS, {"Response": {"Error": {"Code": "RequestLimitExceeded.RequestLimitExceededError"}}}, Trouble.THROTTLED,
         "RequestLimitExceeded.RequestLimitExceededError"),
    ],
)  # fmt: skip
def test_an_error_inside_a_200_is_an_error(name: str, body: Any, trouble: Trouble, code: str) -> None:
    refusal = refused(name, body)
    assert (refusal.trouble, refusal.problem.code) == (trouble, code)


@pytest.mark.parametrize("status", [400, 429, 503])
def test_alibaba_throttles_with_any_status_and_milliseconds(status: int, make_answer: MakeAnswer) -> None:
    answer = make_answer(
        {"code": "Throttling.User", "message": "m", "requestId": "r-9"},
        status=status,
        headers={"x-acs-retry-after": "2500"},
    )
    outcome = read(BDRC, answer)
    assert isinstance(outcome, Refusal)
    assert (outcome.trouble, outcome.retry_after, outcome.request_id) == (Trouble.THROTTLED, 2.5, "r-9")


def test_alibabas_error_in_a_200_without_data_is_an_error() -> None:
    assert refused(BDRC, {"Code": "InternalError", "Message": "m"}).trouble is Trouble.TRANSIENT


@pytest.mark.parametrize(("name", "word", "state"), [row for row in EVERY if row[2] in ANSWERED])
def test_a_bad_end_has_a_reason_and_a_good_one_none(name: str, word: Any, state: State) -> None:
    seen = observed(name, ENVELOPES[name](word))
    assert (seen.error is not None) == (state in (State.FAILED, State.PARTIAL))


# --- what is particular ----------------------------------------------------------------------------------------------

MACHINES = [{"instanceId": "cpm-1", "status": 1}, {"instanceId": "cpm-2", "status": 2}]
READ = (Resource(id="cpm-1", state=State.SUCCEEDED), Resource(id="cpm-2", state=State.FAILED))


@pytest.mark.parametrize(
    "data",
    [
        {"resourceIds": MACHINES},
        {"instanceIds": MACHINES},
        {"resourceIds": [], "instanceIds": MACHINES},
        {"resourceIds": None, "instanceIds": MACHINES},
        {"instanceIds": {"cpm-1": 1, "cpm-2": {"status": 2}}},
        {"instanceIds ": [{"instanceId ": "cpm-1", "status ": "1"}, {"instanceId": " cpm-2 ", "status": 2.0}]},
    ],
)
def test_machines_are_read_in_every_shape_the_documents_show(data: dict[str, Any]) -> None:
    seen = observed(BM, {"code": 0, "data": {"status": 3, **data}})
    assert seen.resources == READ
    assert seen.progress == 1.0
    assert seen.error is not None
    assert "1 of 2 failed: cpm-2" in seen.error.message


def test_one_machine_may_come_as_an_object() -> None:
    seen = observed(BM, {"code": 0, "data": {"status": 5, "resourceIds": MACHINES[0]}})
    assert seen.resources == READ[:1]


def test_half_of_the_machines_is_half_of_the_progress() -> None:
    machines = [*MACHINES, {"instanceId": "cpm-3", "status": 4}, {"instanceId": "cpm-4"}]
    seen = observed(BM, {"code": 0, "data": {"status": 7, "instanceIds": machines}})
    assert (seen.state, seen.progress) == (State.RUNNING, 0.5)


def test_of_too_many_machines_the_failed_ones_are_kept() -> None:
    machines = [{"instanceId": f"cpm-{n}", "status": 2 if n >= 990 else 1} for n in range(1000)]
    seen = observed(BM, {"code": 0, "data": {"status": 3, "instanceIds": machines}})
    assert len(seen.resources) == 500
    assert sum(one.state is State.FAILED for one in seen.resources) == 10


def test_a_partial_answer_of_bare_metal_is_an_answer() -> None:
    assert observed(BM, {"code": 5400, "data": {"status": 3}}).state is State.PARTIAL


def test_clb_shows_its_message_and_what_it_created() -> None:
    seen = observed(CLB, {"Response": {"Status": 0, "Message": None, "LoadBalancerIds": ["lb-1"], "RequestId": "r"}})
    assert (seen.message, seen.result, seen.request_id) == (None, {"LoadBalancerIds": ["lb-1"]}, "r")
    failed = observed(CLB, {"Response": {"Status": 1, "Message": "quota"}})
    assert failed.error is not None
    assert failed.error.message == "quota"


def test_bdrc_is_decided_by_its_status_alone() -> None:
    example = {"TaskStatus": "RUNNING", "CompleteTime": 1633017600, "ErrorMessage": "too many requests.",
               "Progress": 100, "StartTime": 1633017500, "ExpireTime": 1, "TaskResult": "{}"}  # fmt: skip
    seen = observed(BDRC, {"Data": example, "RequestId": "r"})
    assert (seen.state, seen.error, seen.finished_at, seen.result) == (State.RUNNING, None, None, None)
    assert (seen.progress, seen.started_at) == (0.01, 1633017500.0)


@pytest.mark.parametrize(
    ("came", "shown"),
    [
        ('{"a": 1}', {"a": 1}),
        ({"a": 1}, {"a": 1}),
        ("[]", []),
        ("plain words", "plain words"),
        (" empty", None),
        ("", None),
        (None, None),
        ("[" * 400 + "]" * 400, "[" * 400 + "]" * 400),
    ],
)
def test_bdrcs_result_is_json_or_words(came: Any, shown: Any) -> None:
    seen = observed(BDRC, {"Data": {"TaskStatus": "COMPLETE", "TaskResult": came}})
    assert seen.result == shown


@pytest.mark.parametrize(
    ("value", "progress"), [(0, 0.0), (4200, 0.42), (10_000, 1.0), (12_000, 1.0), (-5, 0.0), ("x", None)]
)
def test_bdrcs_progress_runs_to_ten_thousand(value: Any, progress: float | None) -> None:
    assert observed(BDRC, {"Data": {"TaskStatus": "RUNNING", "Progress": value}}).progress == progress


# --- answers in pages ------------------------------------------------------------------------------------------------


def purge(total: int, *, cap: int = 1000) -> Callable[[Any], Answer]:
    """A provider that lists ``total`` URLs, ``cap`` at most at once, however many are asked for."""

    def send(request: Any) -> Answer:
        first = request.json["Offset"]
        count = min(request.json["Limit"], cap, total - first)
        logs = [{"TaskId": "t", "Url": f"u{first + n}", "Status": "done"} for n in range(max(count, 0))]
        if first + count >= total and logs:
            logs[-1]["Status"] = "fail"
        return plain({"Response": {"PurgeLogs": logs, "TotalCount": str(total) if cap < 1000 else total}})

    return send


@pytest.mark.parametrize(("total", "cap"), [(1, 1000), (100, 1000), (101, 1000), (1000, 1000), (130, 50), (7, 2)])
def test_every_page_is_read_before_a_task_counts_as_ended(total: int, cap: int, make_account: MakeAccount) -> None:
    row = FIND("tencent.cdn.DescribePurgeTasks")
    assert row is not None
    asked = Question(task_id="t", region=None, account=make_account(), clock=Clock())
    seen = asking.look(row, asked, purge(total, cap=cap))
    assert isinstance(seen, Observation)
    assert len(seen.resources) == min(total, 500)
    assert seen.state is (State.FAILED if total == 1 else State.PARTIAL)


def test_a_list_without_an_end_is_not_read_for_ever_and_is_no_end(make_account: MakeAccount) -> None:
    row = FIND("tencent.cdn.DescribePurgeTasks")
    assert row is not None
    asked = Question(task_id="t", region=None, account=make_account(), clock=Clock())
    requests: list[Any] = []

    def send(request: Any) -> Answer:
        requests.append(request)
        item = {"TaskId": "t", "Url": f"u{len(requests)}", "Status": "done"}
        return plain({"Response": {"PurgeLogs": [item], "TotalCount": 10**9}})

    seen = asking.look(row, asked, send)
    assert isinstance(seen, Observation)
    assert (seen.state, len(requests)) == (State.RUNNING, asking.MOST_PAGES)


def test_a_provider_that_counts_more_than_it_shows_has_not_ended(make_account: MakeAccount) -> None:
    row = FIND("tencent.cdn.DescribePurgeTasks")
    assert row is not None
    asked = Question(task_id="t", region=None, account=make_account(), clock=Clock())
    pages = [[{"TaskId": "t", "Url": "u", "Status": "done"}], []]
    seen = asking.look(row, asked, lambda _: plain({"Response": {"PurgeLogs": pages.pop(0), "TotalCount": 2}}))
    assert isinstance(seen, Observation)
    assert seen.state is State.RUNNING


def test_a_task_that_is_on_the_second_page_only_is_found(make_account: MakeAccount) -> None:
    row = FIND("tencent.cdn.DescribePurgeTasks")
    assert row is not None
    asked = Question(task_id="t", region=None, account=make_account(), clock=Clock())
    pages = [[{"TaskId": "other", "Url": "u", "Status": "fail"}], [{"TaskId": "t", "Url": "u", "Status": "done"}]]
    seen = asking.look(row, asked, lambda _: plain({"Response": {"PurgeLogs": pages.pop(0), "TotalCount": 2}}))
    assert isinstance(seen, Observation)
    assert seen.state is State.SUCCEEDED


@pytest.mark.parametrize("total", [4, None, -1])
def test_a_page_that_comes_again_is_no_progress(make_account: MakeAccount, total: int | None) -> None:
    row = FIND("tencent.cdn.DescribePurgeTasks")
    assert row is not None
    asked = Question(task_id="t", region=None, account=make_account(), clock=Clock())
    page = [{"TaskId": "t", "Url": f"u{number}", "Status": "done"} for number in range(100 if total != 4 else 2)]
    seen = asking.look(row, asked, lambda _: plain({"Response": {"PurgeLogs": page, "TotalCount": total}}))
    assert isinstance(seen, Observation)
    assert seen.state is State.RUNNING
    assert seen.message is not None
    assert "counts more" in seen.message


def test_an_object_where_a_list_was_promised_is_held_to_the_id_too(make_account: MakeAccount) -> None:
    row = FIND("alibaba.ecs.DescribeInvocations")
    assert row is not None
    asked = Question(task_id="t-1", region="cn-hangzhou", account=make_account("alibaba"), clock=Clock())
    for id, kind in (("t-1", Observation), ("OTHER", Refusal)):
        body = {"Invocations": {"Invocation": {"InvokeId": id, "InvocationStatus": "Success"}}}
        assert isinstance(asking.look(row, asked, lambda _, body=body: plain(body)), kind)  # type: ignore[misc]
