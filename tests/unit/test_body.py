"""The body of ``POST /tasks``: every fault by its path, all at once, and no value where a secret could be."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taskhook.accounts import Account
from taskhook.api import body
from taskhook.api.body import parse_wish
from taskhook.api.document import parse_object
from taskhook.api.keys import Key
from taskhook.api.problem import ProblemError
from taskhook.api.wish import Installation, Wish
from taskhook.errors import ConfigError
from taskhook.providers.catalogue import Catalogue
from taskhook.schedule import Urgency
from tests.strategies import json_values

VALID = {
    "provider": "tencent.clb",
    "task_id": "55c85074-3e7f-4c6d-864f-673660d4f8de",
    "region": "ap-guangzhou",
    "notify": ["ops"],
}
HOOK = {"type": "webhook", "url": "https://hooks.example.com/s3cr3t"}


def account(name: str) -> Account:
    clouds = {"tencent": "tencent", "alibaba": "alibaba", "prod": "tencent"}
    if name not in clouds:
        raise ConfigError(f"no account '{name}' is configured")
    return Account(name=name, cloud=clouds[name], key_id="i", key_secret="s3cr3t")


def destination(name: str) -> str:
    if name == "broken":
        return '{"type": "slak", "url": "https://hooks.example.com/s3cr3t"}'
    if name not in ("ops", "default"):
        raise ConfigError(f"no destination '{name}' is configured")
    return '{"type": "slack", "url": "https://hooks.example.com/s3cr3t"}'


OWN = """
version = "2026-01-01"
docs = "https://docs.example.com/widget"
found = "`TaskId`"
status = "Status"
states = { running = ["a"], succeeded = ["b"] }

[DescribeTask]
task_id = "{TaskId}"

[DescribeBroken]
task_id = "{TaskId}"
statuss = "Status"
"""

FIND = Catalogue({"tencent.widget": OWN}.get).find
NAMES = {"accounts": ["tencent", "alibaba", "prod"], "destinations": ["ops", "default"]}
HERE = Installation(
    account=account, find=FIND, destination=destination, allow_private=False, names=lambda kind: NAMES[kind]
)


def wish(**changes: Any) -> Wish:
    record = {name: value for name, value in {**VALID, **changes}.items() if value is not ...}
    return parse_wish(parse_object(json.dumps(record).encode()), HERE)


def faults(*, here: Installation = HERE, **changes: Any) -> dict[str, str]:
    record = {name: value for name, value in {**VALID, **changes}.items() if value is not ...}
    with pytest.raises(ProblemError) as refused:
        parse_wish(parse_object(json.dumps(record).encode()), here)
    assert refused.value.status == 422
    assert "s3cr3t" not in json.dumps(refused.value.body())
    return {one.field: one.message for one in refused.value.errors}


def test_what_is_left_out_falls_back_as_promised() -> None:
    parsed = wish(notify=...)
    assert parsed.provider.name == "tencent.clb.DescribeTaskStatus"
    assert (parsed.account, parsed.timeout, parsed.title, parsed.metadata) == ("tencent", 86_400, None, {})
    assert parsed.urgency is Urgency.NORMAL
    assert parsed.notify == {"default": None}


def test_everything_that_is_given_is_taken() -> None:
    parsed = wish(account="prod", notify=["ops", HOOK], timeout_seconds=60, title=" T ", metadata={"a": [1]})
    assert (parsed.account, parsed.timeout, parsed.title, parsed.metadata) == ("prod", 60, "T", {"a": [1]})
    assert parsed.notify["ops"] is None
    assert list(parsed.notify.values()).count(HOOK) == 1


@pytest.mark.parametrize("field", ["region", "account", "title", "metadata"])
def test_null_is_as_good_as_leaving_it_out(field: str) -> None:
    provider = {"provider": "tencent.bm", "task_id": 7}
    assert wish(**{**provider, field: None}) == wish(**{**provider, field: ...})


def test_all_faults_are_reported_at_once_by_field() -> None:
    found = faults(
        provider="tencent.cbl",
        task_id=True,
        region="not a region",
        account="nobody",
        notify=["nobody", 7, {"type": "webhook", "url": "http://10.0.0.1/s3cr3t"}],
        timeout_seconds=0,
        title="x" * 201,
        metadata=[],
        colour="red",
    )
    assert set(found) == {
        "provider", "task_id", "region", "account", "notify[0]", "notify[1]", "notify[2].url", "timeout_seconds",
        "title", "metadata", "colour",
    }  # fmt: skip


@pytest.mark.parametrize("field", ["provider", "task_id"])
def test_required_fields_are_required(field: str) -> None:
    left_out: dict[str, Any] = {field: ...}
    nothing: dict[str, Any] = {field: None}
    assert "required" in faults(**left_out)[field]
    assert "null" in faults(**nothing)[field]


def unknown(field: str) -> str:
    """What is said of a field that there is none of. Its name is cut where it stands for itself."""
    extra: dict[str, Any] = {field: 1}
    return faults(**extra)[field[:100] or '""']


@pytest.mark.parametrize(
    ("field", "meant"), [("taskId", "task_id"), ("timeout", "timeout_seconds"), ("acount", "account")]
)
def test_an_unknown_field_is_refused_by_name_with_the_one_that_was_meant(field: str, meant: str) -> None:
    assert f"did you mean '{meant}'?" in unknown(field)


def test_an_unknown_field_near_to_nothing_is_refused_with_the_list() -> None:
    assert "provider, task_id, region" in unknown("zzz")
    assert unknown("x" * 5000)
    assert unknown("")


def test_a_field_given_twice_is_refused() -> None:
    text = json.dumps(VALID)[:-1] + ',"region":"ap-shanghai"}'
    with pytest.raises(ProblemError) as refused:
        parse_wish(parse_object(text.encode()), HERE)
    assert [one.field for one in refused.value.errors] == ["region"]


def test_an_unknown_provider_names_the_nearest() -> None:
    assert "did you mean tencent.clb" in faults(provider="tencent.cbl")["provider"]
    assert "GET /providers lists them all" in faults(provider="zzzzzzzzzz")["provider"]


@pytest.mark.parametrize("value", ["abc", "1.5", -1, 2**64, "9" * 30])
def test_bare_metal_wants_a_whole_number_of_64_bits(value: Any) -> None:
    message = faults(provider="tencent.bm", task_id=value)["task_id"]
    assert "64 bits" in message
    assert "taskId" in message


@pytest.mark.parametrize("value", ["../", "../../etc/passwd", "a/b", "a\x00b", "a\nb", "..", "%2e%2e"])
def test_a_task_id_cannot_leave_its_path(value: str) -> None:
    assert "must be letters, digits" in faults(provider="alibaba.bdrc", task_id=value, region="cn-shanghai")["task_id"]


@pytest.mark.parametrize("value", [1.5, True, [], {}, ""])
def test_a_task_id_is_text_or_a_whole_number(value: Any) -> None:
    assert "task_id" in faults(task_id=value)


def test_a_number_and_its_text_are_the_same_task_id() -> None:
    by_number, by_text = (wish(provider="tencent.bm", task_id=value) for value in (1000123, "1000123"))
    assert by_number.task_id == by_text.task_id == "1000123"


@pytest.mark.parametrize("provider", ["tencent.clb", "tencent.dts", "alibaba.bdrc"])
def test_a_region_is_required_where_the_api_needs_one(provider: str) -> None:
    assert "is required by" in faults(provider=provider, region=...)["region"]


def test_bare_metal_needs_no_region() -> None:
    assert wish(provider="tencent.bm", task_id=1, region=...).region is None


@pytest.mark.parametrize("region", ["evil.example.com", "a/b", "a@b", "a:1", "x" * 40, "-a", "", 7])
def test_a_region_that_could_name_another_host_is_refused(region: Any) -> None:
    assert "region" in faults(region=region)


def test_a_region_is_taken_in_any_case() -> None:
    assert wish(region="AP-Guangzhou").region == "ap-guangzhou"


@pytest.mark.parametrize("name", ["", "a/b", "../x", "x" * 65, "a b", 7])
def test_an_account_name_cannot_leave_its_path(name: Any) -> None:
    assert "account" in faults(account=name)


def test_an_account_that_is_not_configured_is_a_fault_even_as_the_fallback() -> None:
    def nobody(name: str) -> Account:
        raise ConfigError(f"no account '{name}' is configured")

    here = Installation(account=nobody, find=FIND, destination=destination, allow_private=False)
    assert "no account 'tencent'" in faults(here=here)["account"]


def test_an_account_of_another_cloud_is_a_fault() -> None:
    assert "is an account of alibaba" in faults(account="alibaba")["account"]


@pytest.mark.parametrize("value", [None, {}, "ops", [], ["ops"] * 11])
def test_notify_is_a_list_of_one_to_ten(value: Any) -> None:
    assert "notify" in faults(notify=value)


def test_a_missing_default_destination_says_where_the_name_comes_from() -> None:
    def nobody(name: str) -> str:
        raise ConfigError(f"no destination '{name}' is configured")

    here = Installation(account=account, find=FIND, destination=nobody, allow_private=False)
    assert "notify was left out" in faults(here=here, notify=...)["notify"]


def test_a_configured_destination_that_cannot_work_is_a_fault_now_and_not_when_the_task_has_ended() -> None:
    said = faults(notify=["broken"])["notify[0]"]
    assert "did you mean slack" in said
    assert "s3cr3t" not in said


@pytest.mark.parametrize("region", ["mars-1", "cn-shanghai", "ap-guangzhou-9", "bj"])
def test_a_region_that_the_cloud_does_not_have_is_a_fault(region: str) -> None:
    assert "not a region of tencent" in faults(region=region)["region"]


def test_the_nearest_regions_are_named() -> None:
    assert "ap-guangzhou" in faults(region="ap-guangzho")["region"]


def test_an_operator_may_name_regions_that_are_newer_than_this_version() -> None:
    newer = frozenset({"ap-newtown"})
    here = Installation(account=account, find=FIND, destination=destination, allow_private=False, more_regions=newer)
    record = {**VALID, "region": "ap-newtown", "notify": ["ops"]}
    assert parse_wish(parse_object(json.dumps(record).encode()), here).region == "ap-newtown"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://hooks.example.com/s3cr3t", "https"),
        ("https://user:s3cr3t@hooks.example.com/", "password"),
        ("https://127.0.0.1/s3cr3t", "public internet"),
        ("https://10.1.2.3/s3cr3t", "public internet"),
        ("https://192.168.0.1/s3cr3t", "public internet"),
        ("https://[::1]/s3cr3t", "public internet"),
        ("https://[::ffff:10.0.0.1]/s3cr3t", "public internet"),
        ("https://2130706433/s3cr3t", "public internet"),
        ("https://localhost/s3cr3t", "public internet"),
        ("https://169.254.169.254/latest/s3cr3t", "public internet"),
        ("https://100.100.100.200/latest/s3cr3t", "public internet"),
        ("https://metadata.google.internal/s3cr3t", "public internet"),
        ("ftp://hooks.example.com/s3cr3t", "https"),
        ("//hooks.example.com/s3cr3t", "https"),
        ("s3cr3t", "https"),
        ("https://", "host"),
        ("https://hooks.example.com/s3cr3t#x", "fragment"),
        (7, "text"),
        (None, "required"),
    ],
)
def test_a_url_that_must_not_be_called_is_refused_without_showing_it(url: Any, said: str) -> None:
    found = faults(notify=[{"type": "webhook", "url": url}])
    assert said in found["notify[0].url"]


@pytest.mark.parametrize("one", [7, None, True, [], {}, {"type": "pigeon"}, {"type": ["webhook"]}, {"url": "x"}])
def test_a_destination_that_is_none_is_refused(one: Any) -> None:
    assert all(field.startswith("notify[0]") for field in faults(notify=[one]))


def test_unknown_members_of_a_destination_are_refused_by_path() -> None:
    assert "notify[1].colour" in faults(notify=["ops", {**HOOK, "colour": "red"}])


def test_a_destination_too_long_to_be_sealed_is_refused() -> None:
    headers = {f"x-{number}": "v" * 250 for number in range(12)}
    assert list(faults(notify=[{**HOOK, "url": HOOK["url"] + "x" * 1900, "headers": headers}])) == ["notify[0]"]


def test_the_same_destination_twice_is_told_once() -> None:
    assert len(wish(notify=["ops", "ops", HOOK, HOOK]).notify) == 2


@pytest.mark.parametrize("value", [0, -1, 30 * 86_400 + 1, 1.5, "60", True, None, 10**30])
def test_a_timeout_is_a_second_to_thirty_days(value: Any) -> None:
    assert "timeout_seconds" in faults(timeout_seconds=value)


@pytest.mark.parametrize("value", [1, 30 * 86_400])
def test_the_ends_of_the_range_are_in_it(value: int) -> None:
    assert wish(timeout_seconds=value).timeout == value


@pytest.mark.parametrize("value", ["x" * 201, "two\nlines", "\x1b[31m", 7, []])
def test_a_title_is_one_short_line(value: Any) -> None:
    assert "title" in faults(title=value)


def test_metadata_has_a_limit_in_bytes() -> None:
    assert wish(metadata={"a": "x" * (body.LONGEST_METADATA - 10)})
    assert "at most 8192" in faults(metadata={"a": "界" * 2800})["metadata"]


@pytest.mark.parametrize("value", [[], "text", 7, True])
def test_metadata_is_an_object(value: Any) -> None:
    assert "metadata" in faults(metadata=value)


type Parse = Callable[[bytes], Wish]


@given(field=st.sampled_from([*VALID, "account", "title", "metadata", "timeout_seconds"]), value=json_values)
@settings(max_examples=60)
def test_no_value_of_any_field_does_anything_but_pass_or_be_refused(field: str, value: Any) -> None:
    try:
        parse_wish(parse_object(json.dumps({**VALID, field: value}).encode()), HERE)
    except ProblemError as error:
        refused = error
    else:
        return
    assert refused.status == 422
    assert all(one.field.startswith(field) for one in refused.errors)


def test_an_operators_own_provider_is_as_good_as_any() -> None:
    assert wish(provider="tencent.widget").provider.name == "tencent.widget.DescribeTask"


def test_a_broken_entry_is_refused_with_its_line_and_the_key_at_fault() -> None:
    message = faults(provider="tencent.widget.DescribeBroken")["provider"]
    assert "providers/tencent.widget, line 13" in message
    assert "'statuss' is not a key of an entry; did you mean 'status'?" in message


def test_an_api_that_needs_two_values_takes_them_with_a_slash_between() -> None:
    parsed = wish(provider="tencent.cvm", task_id="ins-1a2b3c/55c85074-3e7f-4c6d")
    assert parsed.task_id == "ins-1a2b3c/55c85074-3e7f-4c6d"
    assert "{InstanceId}/{RequestId}" in faults(provider="tencent.cvm", task_id="ins-1a2b3c")["task_id"]


@pytest.mark.parametrize("urgency", list(Urgency))
def test_urgency_is_one_of_three_words(urgency: Urgency) -> None:
    assert wish(urgency=urgency.value).urgency is urgency


@pytest.mark.parametrize("value", ["", "HIGH", "urgent", 3, None, [], True])
def test_any_other_urgency_is_a_fault_that_names_them(value: Any) -> None:
    assert "low, normal, high" in faults(urgency=value)["urgency"]


def test_a_region_is_needed_where_the_accounts_endpoint_is_made_from_it() -> None:
    def by_region(name: str) -> Account:
        return Account(
            name=name, cloud="tencent", key_id="i", key_secret="s3cr3t", endpoints={"bm": "https://bm.{region}.x"}
        )

    here = Installation(account=by_region, find=FIND, destination=destination, allow_private=False)
    assert "reaches bm by region" in faults(here=here, provider="tencent.bm", task_id=7, region=...)["region"]


def test_who_wants_to_see_how_the_task_goes_on_is_noted() -> None:
    bot = {"type": "slack_bot", "token": "xoxb-1-s3cr3t", "channel": "C0123456"}
    parsed = wish(notify=["ops", HOOK, {**HOOK, "progress": True}, bot])
    assert {name.split("-")[0] for name in parsed.live} == {"webhook", "slack"}
    assert len(parsed.live) == 2
    assert "ops" not in parsed.live


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"escalate": {"to": "", "after_seconds": 1}}, "notify[0].escalate.to"),
        ({"filter": {"states": ["done"]}}, "notify[0].filter.states"),
        ({"rate": "often"}, "notify[0].rate"),
    ],
)
def test_what_every_destination_may_have_is_checked_in_a_tasks_own_too(changes: Any, field: str) -> None:
    assert list(faults(notify=[{**HOOK, **changes}])) == [field]


def test_a_misspelt_account_or_destination_is_answered_with_the_nearest() -> None:
    found = faults(account="prdo", notify=["opps", "nobody-like-that"])
    assert found["account"].endswith("Did you mean prod?")
    assert found["notify[0]"].endswith("Did you mean ops?")
    assert "Did you mean" not in found["notify[1]"]


def test_a_limited_key_hears_of_no_name_that_it_may_not_use() -> None:
    here = replace(HERE, key=Key(name="team", accounts=("prdo", "alibaba"), destinations=("opps",)))
    found = faults(here=here, account="prdo", notify=["opps"])
    assert "Did you mean" not in found["account"] + found["notify[0]"]


def test_a_title_cannot_turn_the_direction_of_what_follows_it() -> None:
    assert "direction" in faults(title="safe\u202etxt.exe")["title"]
    assert wish(title="שלום 汉字").title == "שלום 汉字"


@pytest.mark.parametrize("number", ["1e999", "-1e999", "NaN", "Infinity"])
def test_a_number_that_is_no_json_when_it_is_written_again_is_refused(number: str) -> None:
    with pytest.raises(ProblemError) as refused:
        parse_object(f'{{"metadata": {{"a": {number}}}}}'.encode())
    assert refused.value.status == 400
    assert parse_object(b'{"a": 1e308}') == {"a": 1e308}
