"""`taskhook list`, `show`, `stop`, `redeliver`, `providers` and `destinations`."""

import json

import pytest

from taskhook_cli.exits import Exit
from tests.cli.conftest import Run
from tests.cli.service import DROP, Reply, Service

HOSTILE = "\x1b]0;owned\x07\x1b[31mred\x1b[0m\n\r\x9b2Jx\u202egpj.exe\u2066\x00"


def test_a_list_has_a_line_for_each_task_with_tabs(run: Run, service: Service) -> None:
    service.add("one", title="First", state="failed")
    service.add("two")
    lines = [line.split("\t") for line in run("list").stdout.splitlines()]
    assert [line[0] for line in lines] == ["two", "one"]
    assert lines[1][1:4] == ["failed", "tencent.clb", "ap-guangzhou"]


def test_filters_reach_the_service(run: Run, service: Service) -> None:
    run("list", "--state", "lost", "--provider", "tencent.clb", "--account", "a b&c", "--limit", "7")
    expected = {"state": "lost", "provider": "tencent.clb", "account": "a b&c", "limit": "7"}
    assert service.calls("GET")[0].query == expected


@pytest.mark.parametrize(
    ("words", "count"), [(["--limit", "3"], 3), (["--limit", "12"], 12), (["--all"], 25), ([], 25)]
)
def test_pages_are_read_as_far_as_they_are_wanted(run: Run, service: Service, words: list[str], count: int) -> None:
    service.page_size = 5
    for number in range(25):
        service.add(f"t{number}")
    result = run("list", "--json", *words)
    assert [json.loads(line)["id"] for line in result.stdout.splitlines()] == [f"t{24 - n}" for n in range(count)]
    assert len(service.calls("GET")) == -(-count // 5)


def test_a_cursor_that_leads_nowhere_is_not_followed_for_ever(run: Run, service: Service) -> None:
    service.on["GET", "/tasks"] = lambda request: Reply(body={"tasks": [], "next_cursor": "again"})
    result = run("list", "--all")
    assert result.exit_code == Exit.REFUSED
    assert "same page" in result.stderr


def test_show_has_facts_and_the_timeline(run: Run, service: Service) -> None:
    error = {"code": "E1", "message": "no quota", "hint": "ask for more"}
    service.add("one", title="First", state="failed", error=error, metadata={"ticket": "OPS-17"}, progress=0.5)
    output = run("show", "one").stdout
    for words in ("state", "failed", "E1: no quota: ask for more", "OPS-17", "50 %", "The provider says '2': running"):
        assert words in output
    found = json.loads(run("show", "one", "--json").stdout)
    assert found["task"]["id"] == "one"
    assert found["timeline"][0]["kind"] == "look"


@pytest.mark.parametrize("words", [("show", "one"), ("list",), ("watch", "one")])
def test_texts_from_outside_cannot_steer_a_terminal(run: Run, service: Service, words: tuple[str, ...]) -> None:
    service.add("one", title=HOSTILE, message=HOSTILE, task_id=HOSTILE, provider_state=HOSTILE, state="failed",
                metadata={HOSTILE: HOSTILE})  # fmt: skip
    result = run(*words)
    for bad in "\x1b\x07\x00\x9b\u202e\u2066\r":
        assert bad not in result.stdout + result.stderr
    assert "red" in result.stdout


@pytest.mark.parametrize("id", ["a/b", "100%", "%2e%2e", "ü?#", " ", "-x-"])
def test_an_odd_id_is_one_piece_of_the_path(run: Run, service: Service, id: str) -> None:
    service.add(id)
    result = run("show", "--json", "--", id)
    assert json.loads(result.stdout)["task"]["id"] == id


@pytest.mark.parametrize("id", ["", ".", "..", "x" * 10_000])
def test_what_can_be_no_id_is_not_asked_for(run: Run, service: Service, id: str) -> None:
    result = run("show", "--", id)
    assert result.exit_code == Exit.REFUSED
    assert "task id" in result.stderr
    assert service.requests == []


def test_stop_stops_each_and_says_what_could_not_be(run: Run, service: Service) -> None:
    service.add("one")
    service.add("two", state="succeeded")
    result = run("stop", "one", "two")
    assert result.exit_code == Exit.REFUSED
    assert service.tasks["one"]["state"] == "stopped"
    assert "'succeeded'" in result.stderr


def test_a_stop_whose_answer_was_lost_has_worked(run: Run, service: Service) -> None:
    service.add("one")
    service.lost = 1
    result = run("stop", "one", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["state"] == "stopped"


def test_redeliver_goes_to_one_destination_or_to_all(run: Run, service: Service) -> None:
    two = [{"destination": name, "state": "held", "attempts": 3} for name in ("ops", "a/b")]
    service.add("one", state="failed", deliveries=two)
    assert run("redeliver", "one", "ops").exit_code == 0
    assert run("redeliver", "one").stdout.splitlines() == ["ops: pending", "a/b: pending"]
    assert [one.path for one in service.calls("POST")][1:] == [
        "/tasks/one/deliveries/ops",
        "/tasks/one/deliveries/a%2Fb",
    ]
    assert all("idempotency-key" in one.headers for one in service.calls("POST"))


def test_redeliver_before_the_end_is_refused(run: Run, service: Service) -> None:
    service.add("one")
    assert run("redeliver", "one", "ops").exit_code == Exit.REFUSED


def test_providers_are_searched_and_one_is_shown_in_full(run: Run) -> None:
    assert len(run("providers").stdout.splitlines()) == 5
    assert run("providers", "load").stdout.splitlines()[0].startswith("name")
    assert "tencent.cvm" in run("providers", "{InstanceId}/", "machine").stderr + run("providers", "machine").stdout
    assert "{InstanceId}/{RequestId}" in run("providers", "tencent.cvm").stdout
    assert json.loads(run("providers", "backup", "--json").stdout)["short"] == "alibaba.bdrc"
    missing = run("providers", "tencent.cbl")
    assert missing.exit_code == Exit.REFUSED
    assert "did you mean tencent.clb" in missing.stderr


def test_destinations_are_stored_listed_tested_released_and_deleted(run: Run, service: Service) -> None:
    record = {"type": "webhook", "url": "https://example.com", "secret": "whsec_abc"}
    stored = run("destinations", "put", "ops", stdin=json.dumps(record))
    assert stored.exit_code == 0, stored.stderr
    assert service.calls("PUT")[0].body == record
    assert "whsec_abc" not in stored.stdout + stored.stderr
    assert run("destinations").stdout.split("\t")[0] == "ops"
    assert "2 held pieces" in run("destinations", "test", "ops").stdout
    released = run("destinations", "release", "ops", "--since", "2026-11-22T10:00:00Z", "--dry-run")
    assert released.stdout.splitlines() == ["a", "b"]
    assert service.calls("POST")[-1].body == {"since": "2026-11-22T10:00:00Z", "dry_run": True}
    run("destinations", "release", "ops", "--since", "2h")
    assert service.calls("POST")[-1].body["since"].endswith("Z")
    service.lost = 1
    assert run("destinations", "delete", "ops").exit_code == 0
    assert run("destinations", "delete", "ops").exit_code == Exit.REFUSED


def test_a_test_message_that_was_not_taken_is_an_exit_status(run: Run, service: Service) -> None:
    service.destinations["ops"] = {"name": "ops"}
    verdict = {"destination": "ops", "verdict": "dead", "detail": "no_service", "released": 0}
    service.on["POST", "/destinations/ops/test"] = lambda request: Reply(status=202, body=verdict)
    result = run("destinations", "test", "ops")
    assert result.exit_code == Exit.REFUSED
    assert "dead: no_service" in result.stdout


@pytest.mark.parametrize("text", ["", "{", "[]", '"x"', "\xff", '{"secret": "whsec_abc"'])
def test_a_record_that_is_none_is_refused_here_and_not_quoted(run: Run, service: Service, text: str) -> None:
    result = run("destinations", "put", "ops", stdin=text)
    assert result.exit_code == Exit.USAGE
    assert "whsec" not in result.stderr
    assert service.requests == []


def test_a_record_with_faults_is_refused_field_by_field(run: Run) -> None:
    result = run("destinations", "put", "ops", stdin='{"type": "webhook", "url": "http://x"}')
    assert result.exit_code == Exit.REFUSED
    assert "url: must begin with https://" in result.stderr


def test_options_before_a_subcommand_are_not_passed_over_in_silence(run: Run, service: Service) -> None:
    result = run("destinations", "--json", "test", "ops")
    assert result.exit_code == Exit.USAGE
    assert service.requests == []


def test_a_service_that_is_not_there_is_told_by_its_host(run: Run, service: Service) -> None:
    service.faults = [DROP] * 10_000
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("taskhook_cli.client.backoff", lambda **_: 31.0)
        result = run("list")
    assert result.exit_code == Exit.UNREACHABLE
    assert "127.0.0.1" in result.stderr
