"""`taskhook submit`: what is posted, what is taken out of a cloud's answer, and what is never posted."""

import json
from pathlib import Path
from typing import Any

import pytest

from taskhook_cli.exits import Exit
from tests.cli.conftest import Run
from tests.cli.service import Reply, Request, Service, problem

ID = "55c85074-3e7f-4c6d-864f-673660d4f8de"


def posted(service: Service) -> list[dict[str, Any]]:
    one_by_one = [one.body for one in service.calls("POST", "/tasks") if one.path == "/tasks"]
    return one_by_one + [task for one in service.calls("POST", "/tasks/batch") for task in one.body["tasks"]]


def test_every_option_reaches_the_service(run: Run, service: Service, tmp_path: Path) -> None:
    (tmp_path / "hook.json").write_text('{"type": "webhook", "url": "https://example.com", "secret": "whsec_x"}')
    result = run(
        "submit", "tencent.clb", ID, "--region", "ap-guangzhou", "--account", "main", "--notify", "ops",
        "--notify", '{"type": "slack", "url": "https://example.com"}', "--notify", "@hook.json", "--title", "Listener",
        "--timeout", "2h", "--urgency", "high", "--metadata", "ticket=OPS-17", "--metadata", '{"n": 1}',
        "--idempotency-key", "mine",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    assert posted(service) == [{
        "provider": "tencent.clb", "task_id": ID, "region": "ap-guangzhou", "account": "main",
        "notify": ["ops", {"type": "slack", "url": "https://example.com"},
                   {"type": "webhook", "url": "https://example.com", "secret": "whsec_x"}],
        "title": "Listener", "timeout_seconds": 7200, "urgency": "high", "metadata": {"ticket": "OPS-17", "n": 1},
    }]  # fmt: skip
    assert service.calls("POST")[0].headers["idempotency-key"] == "mine"
    assert result.stdout.strip() in service.tasks
    assert len(result.stdout.splitlines()) == 1


def test_json_prints_the_task_and_nothing_else(run: Run, service: Service) -> None:
    result = run("submit", "tencent.clb", ID, "--json")
    assert json.loads(result.stdout)["task_id"] == ID
    assert len(result.stdout.splitlines()) == 1


def test_a_lost_answer_posts_again_with_the_same_key(run: Run, service: Service) -> None:
    service.lost = 2
    result = run("submit", "tencent.clb", ID)
    assert result.exit_code == 0
    keys = {one.headers["idempotency-key"] for one in service.calls("POST")}
    assert len(service.calls("POST")) == 3
    assert len(keys) == 1
    assert "trying again" in result.stderr


def test_each_invocation_has_a_key_of_its_own(run: Run, service: Service) -> None:
    run("submit", "tencent.clb", ID)
    run("submit", "tencent.clb", ID)
    assert len({one.headers["idempotency-key"] for one in service.calls("POST")}) == 2


def test_an_earlier_post_that_is_still_at_work_is_waited_for(run: Run, service: Service) -> None:
    service.faults = [problem(409, "The first one is still at work.")]
    assert run("submit", "tencent.clb", ID).exit_code == 0


@pytest.mark.parametrize("document", [
    {"RequestId": ID},
    {"Response": {"RequestId": ID}},
    {"requestId": ID},
    {"response": {"REQUESTID": ID}},
])  # fmt: skip
def test_the_id_is_taken_out_of_the_answer(run: Run, service: Service, document: Any) -> None:
    result = run("submit", "tencent.clb", "--region", "ap-guangzhou", stdin=json.dumps(document))
    assert result.exit_code == 0, result.stderr
    assert [one["task_id"] for one in posted(service)] == [ID]
    assert f"RequestId: {ID}" in result.stderr


@pytest.mark.parametrize("document", [
    {"Error": {"Code": "AuthFailure", "Message": "no such key"}, "RequestId": ID},
    {"Response": {"Error": {"Code": "AuthFailure", "Message": "no such key"}, "RequestId": ID}},
    {"Code": "AuthFailure", "Message": "no such key", "RequestId": ID, "HostId": "ecs.aliyuncs.com"},
    {"code": "AuthFailure", "message": "no such key", "requestId": ID},
    {"code": 4100, "codeDesc": "AuthFailure", "message": "no such key", "RequestId": ID},
    {"Success": False, "Code": "AuthFailure", "Message": "no such key", "RequestId": ID},
    {"statusCode": 403, "body": {"Code": "AuthFailure", "Message": "no such key"}, "RequestId": ID},
    "[TencentCloudSDKException] code:AuthFailure message:no such key requestId:" + ID,
    "ERROR: SDK.ServerError\nErrorCode: AuthFailure\nRecommend:\nRequestId: " + ID + "\nMessage: no such key",
])  # fmt: skip
def test_the_request_id_of_a_failed_call_is_never_posted(run: Run, service: Service, document: Any) -> None:
    text = document if isinstance(document, str) else json.dumps(document)
    result = run("submit", "tencent.clb", "--region", "ap-guangzhou", "--watch", stdin=text)
    assert result.exit_code == Exit.REFUSED
    assert "no such key" in result.stderr
    assert service.calls("POST") == []
    assert result.stdout == ""


@pytest.mark.parametrize("code", ["200", 200, "OK", "Success", 0, "", None])
def test_a_code_that_says_well_is_no_error(run: Run, service: Service, code: Any) -> None:
    document = {"Code": code, "Message": "fine", "Success": True, "Data": {"TaskId": "t-1"}, "RequestId": ID}
    assert run("submit", "alibaba.bdrc", stdin=json.dumps(document)).exit_code == 0
    assert [one["task_id"] for one in posted(service)] == ["t-1"]


def test_several_values_are_several_tasks_of_one_call(run: Run, service: Service) -> None:
    document = {"Data": [{"TaskId": "t-1"}, {"TaskId": "t-2"}, {"TaskId": "t-1"}]}
    result = run("submit", "alibaba.bdrc", stdin=json.dumps(document))
    assert result.exit_code == 0
    assert [one["task_id"] for one in posted(service)] == ["t-1", "t-2"]
    assert len(result.stdout.splitlines()) == 2
    assert [one.path for one in service.calls("POST")] == ["/tasks/batch"]


def test_several_documents_one_after_the_other_are_read(run: Run, service: Service) -> None:
    text = '{"TaskId": "t-1"}\n{"TaskId": "t-2"}'
    assert run("submit", "tencent.vod", stdin=text).exit_code == 0
    assert [one["task_id"] for one in posted(service)] == ["t-1", "t-2"]


def test_of_several_calls_those_that_failed_are_told_and_the_others_posted(run: Run, service: Service) -> None:
    text = '{"TaskId": "t-1"} {"Error": {"Code": "Busy", "Message": "later"}, "RequestId": "r-2"}'
    result = run("submit", "tencent.vod", stdin=text)
    assert result.exit_code == Exit.REFUSED
    assert "Busy: later" in result.stderr
    assert [one["task_id"] for one in posted(service)] == ["t-1"]


def test_plain_ids_are_posted_a_hundred_a_call(run: Run, service: Service) -> None:
    result = run("submit", "tencent.vod", "-", stdin="\n".join(f"t-{n}" for n in range(250)))
    assert result.exit_code == 0
    assert [len(one.body["tasks"]) for one in service.calls("POST")] == [100, 100, 50]
    assert len({one.headers["idempotency-key"] for one in service.calls("POST")}) == 3
    assert len(result.stdout.splitlines()) == 250
    assert service.calls("GET") == []


def test_a_batch_that_is_too_large_is_sent_in_halves(run: Run, service: Service) -> None:
    service.faults = [problem(413, "Too large.")]
    assert run("submit", "tencent.vod", stdin="t-1\nt-2\nt-3\n").exit_code == 0
    assert [len(one.body["tasks"]) for one in service.calls("POST")] == [3, 1, 2]


def test_a_refused_task_of_a_batch_is_named_and_the_others_stay(run: Run, service: Service) -> None:
    result = run("submit", "tencent.vod", stdin="t-1\nbad-2\nt-3\n")
    assert result.exit_code == Exit.REFUSED
    assert "bad-2:" in result.stderr
    assert "TASK_ID (task_id): is not an id of this API" in result.stderr
    assert len(result.stdout.splitlines()) == 2


@pytest.mark.parametrize(("text", "words"), [
    ("", "is empty"),
    ("  \n", "is empty"),
    ("{}", "no members"),
    ('{"Foo": 1, "Response": {"Bar": 2}}', "Response.Bar"),
    ('{"RequestId": null}', "RequestId"),
    ('{"RequestId": {"a": 1}}', "RequestId"),
    ('{"RequestId": ["a", {"b": 1}]}', "RequestId"),
    ('{"RequestId": "cut off', "neither JSON nor a list"),
    ("two words", "'two words' is no id"),
    ("Usage: tccli clb", "is no answer but an error"),
    ("[1, 2", "neither JSON nor a list"),
    ("\x00\x01\xff", "no id"),
    pytest.param("[" * 100_000, "neither JSON nor a list", id="nested"),
])  # fmt: skip
def test_input_without_an_id_is_explained_and_nothing_posted(run: Run, service: Service, text: str, words: str) -> None:
    result = run("submit", "tencent.clb", stdin=text)
    assert result.exit_code == Exit.REFUSED, result.stderr
    assert words in result.stderr
    assert service.calls("POST") == []


def test_what_was_looked_for_and_what_there_is_are_named(run: Run) -> None:
    result = run("submit", "alibaba.bdrc", stdin='{"RequestId": "r", "Data": {"Id": 1}}')
    assert "looked for: Data.TaskId, Data[].TaskId" in result.stderr
    assert "it has: RequestId, Data" in result.stderr


def test_an_id_of_several_parts_needs_a_template(run: Run, service: Service) -> None:
    document = json.dumps({"RequestId": ID})
    refused = run("submit", "tencent.cvm", stdin=document)
    assert refused.exit_code == Exit.REFUSED
    assert "--id-template '.../{}'" in refused.stderr
    assert service.calls("POST") == []
    assert run("submit", "tencent.cvm", "--id-template", "ins-1/{}", stdin=document).exit_code == 0
    assert [one["task_id"] for one in posted(service)] == [f"ins-1/{ID}"]


@pytest.mark.parametrize(("document", "id"), [
    ({"ClusterId": "c-1", "OperationId": "op-1", "RequestId": "r"}, "c-1/op-1"),
    ({"operationId": 7, "clusterid": "c-1"}, "c-1/7"),
    ({"ClusterId": "c-1"}, None),
    ({"ClusterId": ["c-1", "c-2"], "OperationId": "op-1"}, None),
])  # fmt: skip
def test_an_id_of_several_parts_is_put_together_from_an_answer_that_has_them_all(
    run: Run, service: Service, document: Any, id: str | None
) -> None:
    result = run("submit", "alibaba.emr", stdin=json.dumps(document))
    assert [one["task_id"] for one in posted(service)] == ([id] if id else [])
    assert result.exit_code == (Exit.OK if id else Exit.REFUSED)
    assert ("took" if id == "c-1/op-1" else "") in result.stderr


def test_a_template_is_filled_with_what_the_paths_say(run: Run, service: Service) -> None:
    document = json.dumps({"ClusterId": "c-1", "OperationId": "op-1"})
    assert run("submit", "alibaba.emr", "--id-template", "c-2/{}", stdin=document).exit_code == 0
    assert [one["task_id"] for one in posted(service)] == ["c-2/op-1"]


def test_a_path_of_ones_own_comes_before_the_providers(run: Run, service: Service) -> None:
    text = json.dumps({"Jobs": [{"Nr": 7}, {"Nr": 8}], "RequestId": ID})
    assert run("submit", "tencent.clb", "--id-path", "Jobs[].Nr", stdin=text).exit_code == 0
    assert [one["task_id"] for one in posted(service)] == [7, 8]


def test_the_list_of_providers_is_asked_for_once_and_then_revalidated(
    run: Run, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = json.dumps({"RequestId": ID})
    run("submit", "tencent.clb", stdin=text)
    run("submit", "tencent.clb", stdin=text)
    assert len(service.calls("GET", "/providers")) == 1
    monkeypatch.setattr("taskhook_cli.catalogue.FRESH_SECONDS", -1)
    assert run("submit", "tencent.clb", stdin=text).exit_code == 0
    assert "if-none-match" in service.calls("GET", "/providers")[1].headers


def test_a_provider_that_is_new_is_found_without_waiting_for_the_cache(run: Run, service: Service) -> None:
    text = json.dumps({"RequestId": ID})
    run("submit", "tencent.clb", stdin=text)
    service.providers = [*service.providers, {**service.providers[0], "name": "tencent.new.X", "short": "tencent.new"}]
    assert run("submit", "tencent.new", stdin=text).exit_code == 0


def test_an_unknown_provider_is_answered_with_what_is_near(run: Run) -> None:
    result = run("submit", "tencent.cbl", stdin=json.dumps({"RequestId": ID}))
    assert result.exit_code == Exit.REFUSED
    assert "did you mean tencent.clb" in result.stderr


@pytest.mark.parametrize("broken", ["{", "[]", '{"at": "x"}', '{"at": 9e99, "etag": 3, "providers": [1]}'])
def test_a_broken_cache_is_no_trouble(run: Run, service: Service, tmp_path: Path, broken: str) -> None:
    text = json.dumps({"RequestId": ID})
    run("submit", "tencent.clb", stdin=text)
    for path in (tmp_path / "cache/taskhook").iterdir():
        path.write_text(broken)
    assert run("submit", "tencent.clb", stdin=text).exit_code == 0


def test_faults_of_the_fields_are_one_a_line_with_the_option(run: Run, service: Service) -> None:
    errors = [
        {"field": "timeout_seconds", "message": "must be at most 2592000"},
        {"field": "notify[1].url", "message": "must begin with https://"},
        {"field": "region", "message": "is needed"},
    ]
    service.faults = [problem(422, "3 fields are not as they must be.", errors)]
    result = run("submit", "tencent.clb", ID)
    assert result.exit_code == Exit.REFUSED
    assert result.stderr.splitlines()[-4:] == [
        "taskhook: 3 fields are not as they must be.",
        "taskhook:   --timeout (timeout_seconds): must be at most 2592000",
        "taskhook:   --notify (notify[1].url): must begin with https://",
        "taskhook:   --region (region): is needed",
    ]


@pytest.mark.parametrize("words", [
    ("--timeout", "soon"), ("--metadata", "x"), ("--metadata", "{"), ("--notify", "{"), ("--notify", "@missing"),
    ("--id-template", "x"), ("--id-path", "a[["), ("--wait-timeout", "3s"), ("--idempotency-key", "a b"),
    ("--id-path", "a"), ("--urgency", "no"),
])  # fmt: skip
def test_a_wrong_option_is_bad_usage(run: Run, service: Service, words: tuple[str, str]) -> None:
    assert run("submit", "tencent.clb", ID, *words).exit_code == Exit.USAGE
    assert service.requests == []


@pytest.mark.parametrize("text", ["a/b%2F?#é", "x" * 10_000, "ins-1/" + ID, "任务"])
def test_any_id_arrives_as_it_was_given(run: Run, service: Service, text: str) -> None:
    assert run("submit", "tencent.vod", text).exit_code == 0
    assert [one["task_id"] for one in posted(service)] == [text]


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", {"id": 7}, b"\xff"])
def test_an_answer_that_is_not_the_services_is_an_error(run: Run, service: Service, body: Any) -> None:
    def other(request: Request) -> Reply:
        return Reply(body=body)

    service.on["POST", "/tasks"] = other
    result = run("submit", "tencent.clb", ID)
    assert result.exit_code == Exit.REFUSED
    assert "not taskhook's" in result.stderr
