"""Facts that the template and the state machine must not lose."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest

from taskhook import deliver, destinations, telling
from taskhook.listing import INDEXES
from taskhook.pacing import ROOM, break_even
from tests.conftest import ROOT

NOT_GIVEN = {"OPEN_INDEX", "BATCH_INDEX", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE"}
"""Settings that have only one value, and what Lambda itself says."""
TEXT = (ROOT / "template.yaml").read_text("utf-8").splitlines()
MACHINE: dict[str, Any] = json.loads((ROOT / "statemachine/watch_task.asl.json").read_text("utf-8"))


def every_state(machine: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Name, state, and the machine (or the map inside of it) that the state belongs to."""
    for name, state in machine["States"].items():
        yield name, state, machine
        if "ItemProcessor" in state:
            yield from every_state(state["ItemProcessor"])


STATES = {name: (state, machine) for name, state, machine in every_state(MACHINE)}
TASKS = {name: state for name, (state, _) in STATES.items() if state["Type"] == "Task"}


def targets(state: dict[str, Any]) -> set[str]:
    choices = [*state.get("Catch", ()), *state.get("Choices", ()), state]
    return {one[key] for one in choices for key in ("Next", "Default") if key in one}


def of_type(template: dict[str, Any], kind: str) -> dict[str, dict[str, Any]]:
    return {name: one for name, one in template["Resources"].items() if one["Type"] == kind}


# --- the state machine -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", TASKS)
def test_every_task_has_a_timeout_retries_and_a_way_out(name: str) -> None:
    task = TASKS[name]
    assert task["TimeoutSeconds"] > 0
    for rule in (*task["Retry"], *task["Catch"]):
        assert rule["ErrorEquals"]
    assert task["Catch"][-1]["ErrorEquals"] == ["States.ALL"]


@pytest.mark.parametrize("name", TASKS)
def test_retries_of_a_broken_invocation_are_spread_out(name: str) -> None:
    for rule in TASKS[name]["Retry"]:
        assert rule["JitterStrategy"] == "FULL"
        assert rule["BackoffRate"] > 1
        assert rule["MaxAttempts"] >= 3


@pytest.mark.parametrize("name", [name for name, (state, _) in STATES.items() if state["Type"] == "Fail"])
def test_every_fail_says_what_and_why(name: str) -> None:
    state, _ = STATES[name]
    assert state["Error"]
    assert state["Cause"]


@pytest.mark.parametrize("name", STATES)
def test_every_next_exists(name: str) -> None:
    state, machine = STATES[name]
    assert targets(state) <= set(machine["States"])
    assert targets(state) or state.get("End") or state["Type"] in ("Succeed", "Fail")


@pytest.mark.parametrize("machine", [MACHINE, MACHINE["States"]["Notify"]["ItemProcessor"]], ids=["watch", "notify"])
def test_every_state_can_be_reached(machine: dict[str, Any]) -> None:
    reached, ahead = set(), {machine["StartAt"]}
    while ahead:
        reached |= ahead
        ahead = {target for name in ahead for target in targets(machine["States"][name])} - reached
    assert reached == set(machine["States"])


def test_the_machine_has_no_deadline_of_its_own() -> None:
    """A deadline is data, so that somebody is told of it."""
    assert "TimeoutSeconds" not in MACHINE


def test_a_delivery_that_breaks_does_not_end_those_of_other_destinations() -> None:
    inner = MACHINE["States"]["Notify"]["ItemProcessor"]["States"]
    assert not [name for name, state in inner.items() if state["Type"] == "Fail"]
    assert "ToleratedFailurePercentage" not in MACHINE["States"]["Notify"]


def test_payloads_carry_ids_and_never_a_task() -> None:
    carried = {name: set(state["Parameters"]["Payload"]) for name, state in TASKS.items()}
    assert carried == {
        "Poll": {"id.$", "watch.$"},
        "Lose": {"lose", "error.$"},
        "Deliver": {"id.$", "watch.$", "destination.$"},
    }


def test_every_placeholder_is_filled_by_the_template(template: dict[str, Any]) -> None:
    used = set(re.findall(r"\$\{(\w+)\}", json.dumps(MACHINE)))
    assert used == set(template["Resources"]["WatchTask"]["Properties"]["DefinitionSubstitutions"])


def test_a_retried_invocation_can_end_before_the_machine_gives_up_on_it(template: dict[str, Any]) -> None:
    common = template["Globals"]["Function"]["Timeout"]
    functions = of_type(template, "AWS::Serverless::Function")
    longest = {f"${{{name}Arn}}": one["Properties"].get("Timeout", common) for name, one in functions.items()}
    for task in TASKS.values():
        assert task["TimeoutSeconds"] >= longest[task["Parameters"]["FunctionName"]]


def test_a_look_has_room_in_an_invocation_and_there_is_time_to_sleep(template: dict[str, Any]) -> None:
    timeout = template["Resources"]["PollFunction"]["Properties"]["Timeout"]
    assert timeout > ROOM + 2 * break_even(memory=128, machine="aarch64")


# --- the template ----------------------------------------------------------------------------------------------------


def test_no_star_without_a_comment_that_says_why() -> None:
    for number, line in enumerate(TEXT):
        if re.search(r"""Resource:.*["']\*["']""", line):
            indent = next(n for n in range(number, 0, -1) if "Statement:" in TEXT[n])
            assert any(text.strip().startswith("#") for text in TEXT[indent - 2 : number]), f"line {number + 1}"


def test_no_action_is_a_star_but_in_the_keys_own_policy() -> None:
    stars = [line.strip() for line in TEXT if re.search(r"Action: .*\*", line)]
    assert stars == ["Action: kms:*"]


def test_every_function_has_a_log_group_that_forgets(template: dict[str, Any]) -> None:
    for name, function in of_type(template, "AWS::Serverless::Function").items():
        group = function["Properties"]["LoggingConfig"]["LogGroup"]["Ref"]
        assert template["Resources"][group]["Properties"]["RetentionInDays"] == {"Ref": "LogRetentionDays"}, name


def test_every_log_group_forgets(template: dict[str, Any]) -> None:
    assert all("RetentionInDays" in one["Properties"] for one in of_type(template, "AWS::Logs::LogGroup").values())


def test_every_function_is_a_folder_with_a_handler(template: dict[str, Any]) -> None:
    folders = {one["Properties"]["CodeUri"] for one in of_type(template, "AWS::Serverless::Function").values()}
    assert folders == {f"functions/{path.parent.name}/" for path in (ROOT / "functions").glob("*/app.py")}


def test_every_setting_that_a_function_is_given_is_one_that_is_read(template: dict[str, Any]) -> None:
    read = set(re.findall(r'"([A-Z_]+)"', (ROOT / "layers/taskhook/taskhook/config.py").read_text("utf-8")))
    functions = [template["Globals"]["Function"]]
    functions += [one["Properties"] for one in of_type(template, "AWS::Serverless::Function").values()]
    given = {name for one in functions for name in one.get("Environment", {}).get("Variables", {})}
    assert {name for name in given if not name.startswith("POWERTOOLS_")} == read - NOT_GIVEN


def test_every_queue_is_encrypted_and_keeps_its_messages_as_long_as_they_are_worth(template: dict[str, Any]) -> None:
    queues = of_type(template, "AWS::SQS::Queue")
    assert all(queue["Properties"]["SqsManagedSseEnabled"] is True for queue in queues.values())
    kept = {name: queue["Properties"]["MessageRetentionPeriod"] for name, queue in queues.items()}
    # How a task stood some minutes ago is of no interest.
    assert kept == {"TasksQueue": 14 * 86_400, "TasksDeadLetterQueue": 14 * 86_400, "ProgressQueue": 300}


@pytest.mark.parametrize(("name", "function"), [("TasksQueue", "StartFunction"), ("ProgressQueue", "NotifyFunction")])
def test_a_message_stays_hidden_for_six_times_as_long_as_its_function_may_run(
    template: dict[str, Any], name: str, function: str
) -> None:
    common = template["Globals"]["Function"]["Timeout"]
    queue, reader = (template["Resources"][one]["Properties"] for one in (name, function))
    assert queue["VisibilityTimeout"] >= 6 * reader.get("Timeout", common)
    sources = [one["Properties"]["Queue"] for one in reader["Events"].values() if one["Type"] == "SQS"]
    assert sources == [{"Fn::GetAtt": [name, "Arn"]}]


def test_a_task_id_that_cannot_be_used_is_not_read_for_ever(template: dict[str, Any]) -> None:
    assert template["Resources"]["TasksQueue"]["Properties"]["RedrivePolicy"]["maxReceiveCount"] >= 3


def test_messages_fail_one_by_one(template: dict[str, Any]) -> None:
    source = template["Resources"]["StartFunction"]["Properties"]["Events"]["Tasks"]["Properties"]
    assert source["FunctionResponseTypes"] == ["ReportBatchItemFailures"]


def test_tasks_are_billed_by_use_recoverable_and_forgotten(template: dict[str, Any]) -> None:
    table = template["Resources"]["Tasks"]["Properties"]
    assert table["BillingMode"] == "PAY_PER_REQUEST"
    assert table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] is True
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}


@pytest.mark.parametrize(
    ("metric", "of"),
    [
        ("ApproximateNumberOfMessagesVisible", "TasksDeadLetterQueue"),
        ("HeldNews", "Namespace"),
        ("ApproximateAgeOfOldestMessage", "TasksQueue"),
        ("ExecutionsFailed", "WatchTask"),
        ("Errors", "ReconcileFunction"),
        ("5XXError", "ApiName"),
        ("Unannounced", "Namespace"),
    ],
)
def test_a_person_is_called_for_what_a_person_must_act_on(template: dict[str, Any], metric: str, of: str) -> None:
    alarms = of_type(template, "AWS::CloudWatch::Alarm").values()
    found = [one for one in alarms if one["Properties"]["MetricName"] == metric and of in json.dumps(one)]
    assert len(found) == 1
    assert found[0]["Properties"]["AlarmActions"] == [{"Ref": "Alarms"}]
    assert found[0]["Properties"]["TreatMissingData"] == "notBreaching"


def calls(template: dict[str, Any], name: str | None = None) -> list[dict[str, Any]]:
    """The routes of the API, of one function or of all."""
    functions = of_type(template, "AWS::Serverless::Function")
    chosen = functions.values() if name is None else [functions[name]]
    events = [event for one in chosen for event in one["Properties"].get("Events", {}).values()]
    return [event["Properties"] for event in events if event["Type"] == "Api"]


def test_only_what_holds_nothing_of_anybody_is_open_to_everybody(template: dict[str, Any]) -> None:
    assert template["Resources"]["Api"]["Properties"]["Auth"]["ApiKeyRequired"] is True
    without = [one for one in calls(template) if one.get("Auth", {}).get("ApiKeyRequired") is False]
    assert {(one["Method"], one["Path"]) for one in without} == {
        ("get", "/"), ("get", "/health"), ("get", "/openapi.json"), ("get", "/docs"), ("options", "/{proxy+}"),
    }  # fmt: skip


def test_every_call_is_held_to_a_rate_also_without_a_key(template: dict[str, Any]) -> None:
    (setting,) = template["Resources"]["Api"]["Properties"]["MethodSettings"]
    assert (setting["ResourcePath"], setting["HttpMethod"]) == ("/*", "*")
    assert setting["ThrottlingRateLimit"] == {"Ref": "PublicRate"}


def test_what_the_gateway_logs_holds_no_path_query_header_or_body(template: dict[str, Any]) -> None:
    setting = template["Resources"]["Api"]["Properties"]["AccessLogSetting"]["Fn::If"][1]
    assert json.loads(setting["Format"])
    used = set(re.findall(r"\$context\.([\w.]+)", setting["Format"]))
    assert used == {
        "httpMethod", "resourcePath", "status", "identity.apiKeyId", "identity.sourceIp", "responseLatency",
        "responseLength", "requestId",
    }  # fmt: skip


def test_the_table_has_an_index_for_every_combination_of_filters(template: dict[str, Any]) -> None:
    indexes = template["Resources"]["Tasks"]["Properties"]["GlobalSecondaryIndexes"]
    lists = {one["IndexName"]: one for one in indexes if one["IndexName"] not in ("open", "batch")}
    assert set(lists) == set(INDEXES)
    for name, index in lists.items():
        assert [one["AttributeName"] for one in index["KeySchema"]] == [name, "listed"]
        assert index["Projection"] == {"ProjectionType": "KEYS_ONLY"}


def test_what_the_gateway_refuses_by_itself_is_a_problem_document(template: dict[str, Any]) -> None:
    for answer in template["Resources"]["Api"]["Properties"]["GatewayResponses"].values():
        assert answer["ResponseParameters"]["Headers"]["Content-Type"] == "'application/problem+json'"
        shown = answer["ResponseTemplates"]["application/json"].replace("$context.error.messageString", '"x"')
        assert {"type", "title", "status", "detail"} == set(json.loads(shown))


def test_the_switches_that_open_a_door_are_off_by_default(template: dict[str, Any]) -> None:
    for name in ("AllowPrivateDestinations", "AllowInsecureEndpoints"):
        assert template["Parameters"][name]["Default"] == "false"


def test_every_parameter_has_a_default_and_says_what_it_is(template: dict[str, Any]) -> None:
    assert all("Default" in one and one["Description"] for one in template["Parameters"].values())


def test_no_output_shows_a_secret(template: dict[str, Any]) -> None:
    assert not re.search(r"ApiKey\.Value|SecretString|resolve:", json.dumps(template["Outputs"]))


def test_every_resource_has_a_line_that_says_why_it_exists(template: dict[str, Any]) -> None:
    for name, resource in template["Resources"].items():
        line = TEXT.index(f"  {name}:")
        said = TEXT[line - 1].strip().startswith("#")
        assert said or resource["Type"] in ("AWS::Logs::LogGroup", "AWS::SNS::Subscription"), name


def test_held_news_and_refused_accounts_are_counted_in_the_words_of_the_log(template: dict[str, Any]) -> None:
    written = "".join(path.read_text("utf-8") for path in (ROOT / "layers/taskhook/taskhook").glob("*.py"))
    for name, one in of_type(template, "AWS::Logs::MetricFilter").items():
        said = re.search(r'\$\.message = "([^"]+)"', one["Properties"]["FilterPattern"])
        assert said is not None
        assert f'"{said[1]}"' in written
        (metric,) = one["Properties"]["MetricTransformations"]
        assert metric["MetricName"] == {"HeldByReconcile": "HeldNews", "UnannouncedByReconcile": "Unannounced"}.get(
            name, name
        )
        assert metric["MetricNamespace"] == {"Ref": "AWS::StackName"}


def test_notify_has_time_for_every_form_after_others_news(template: dict[str, Any]) -> None:
    forms = max(len(destinations._channel(type).forms) for type in destinations.TYPES)
    needed = deliver.BUSY_SECONDS + (1 + forms) * telling.ATTEMPT_SECONDS
    assert template["Resources"]["NotifyFunction"]["Properties"]["Timeout"] > needed


@pytest.mark.parametrize("name", ["submit", "show", "destinations"])
def test_every_path_of_the_api_is_one_that_its_function_answers(template: dict[str, Any], name: str) -> None:
    routed = {(one["Method"], one["Path"]) for one in calls(template, f"{name.capitalize()}Function")}
    source = (ROOT / f"functions/{name}/app.py").read_text("utf-8")
    answered = re.findall(r'@app\.(get|post|put|delete)\("([^"]+)"', source)
    found = {(method, re.sub(r"<(\w+)>", r"{\1}", path)) for method, path in answered}
    assert routed - {("options", "/{proxy+}")} == found


@pytest.mark.parametrize("name", ["dynamodb:Scan"])
def test_no_function_may_do_what_none_does(name: str) -> None:
    assert name not in "\n".join(TEXT)


TABLE, OPEN, BATCH = "Tasks", "Tasks/index/open", "Tasks/index/batch"
LISTS = {f"Tasks/index/{name}" for name in INDEXES}
BUS = ":event-bus/${EventBus}"
KEYS = "/keys"
QUEUE, PROGRESS, KEY, WATCH = "TasksQueue", "ProgressQueue", "DestinationsKey", "WatchTask"
ACCOUNTS, PROVIDERS, DESTINATIONS = "/accounts", "/providers", "/destinations"

MAY: dict[str, dict[str, set[str]]] = {
    "SubmitFunction": {
        "dynamodb:GetItem": {TABLE},
        "dynamodb:PutItem": {TABLE},
        "dynamodb:UpdateItem": {TABLE},
        "dynamodb:DeleteItem": {TABLE},
        "sqs:SendMessage": {QUEUE},
        "kms:Encrypt": {KEY},
        "ssm:GetParameter": {ACCOUNTS, PROVIDERS, DESTINATIONS, KEYS},
        "ssm:GetParametersByPath": {ACCOUNTS, DESTINATIONS},
    },
    "ShowFunction": {
        "dynamodb:GetItem": {TABLE},
        "dynamodb:BatchGetItem": {TABLE},
        "dynamodb:UpdateItem": {TABLE},
        "dynamodb:Query": LISTS,
        "ssm:GetParameter": {PROVIDERS, KEYS},
        "ssm:GetParametersByPath": {PROVIDERS},
    },
    "DestinationsFunction": {
        "dynamodb:GetItem": {TABLE},
        "dynamodb:BatchGetItem": {TABLE},
        "dynamodb:PutItem": {TABLE},
        "dynamodb:UpdateItem": {TABLE},
        "dynamodb:DeleteItem": {TABLE},
        "dynamodb:Query": {OPEN},
        "sqs:SendMessage": {QUEUE},
        "ssm:GetParameter": {DESTINATIONS, KEYS},
        "ssm:GetParametersByPath": {DESTINATIONS},
        "ssm:PutParameter": {DESTINATIONS},
        "ssm:DeleteParameter": {DESTINATIONS},
    },
    "StartFunction": {"states:StartExecution": {WATCH}},
    "PollFunction": {
        "dynamodb:GetItem": {TABLE},
        "dynamodb:BatchGetItem": {TABLE},
        "dynamodb:PutItem": {TABLE},
        "dynamodb:UpdateItem": {TABLE},
        "dynamodb:Query": {BATCH},
        "sqs:SendMessage": {QUEUE, PROGRESS},
        "ssm:GetParameter": {ACCOUNTS, PROVIDERS},
        "events:PutEvents": {BUS},
    },
    "NotifyFunction": {
        "dynamodb:GetItem": {TABLE},
        "dynamodb:BatchGetItem": {TABLE},
        "dynamodb:PutItem": {TABLE},
        "dynamodb:UpdateItem": {TABLE},
        "dynamodb:DeleteItem": {TABLE},
        "dynamodb:Query": {OPEN},
        "sqs:SendMessage": {QUEUE},
        "kms:Decrypt": {KEY},
        "ssm:GetParameter": {DESTINATIONS},
    },
    "ReconcileFunction": {
        "dynamodb:GetItem": {TABLE},
        "dynamodb:PutItem": {TABLE},
        "dynamodb:UpdateItem": {TABLE},
        "dynamodb:DeleteItem": {TABLE},
        "dynamodb:Query": {OPEN},
        "sqs:SendMessage": {QUEUE},
        "ssm:GetParameter": {ACCOUNTS, DESTINATIONS},
        "states:ListExecutions": {WATCH},
        "events:PutEvents": {BUS},
    },
}
"""What each function may do, and with what."""


def thing(resource: Any) -> str:
    """A resource of a policy, in short."""
    text = resource.get("Fn::Sub") or str(resource.get("Ref") or resource["Fn::GetAtt"][0])
    if ":parameter/" in text:
        folder, name = re.fullmatch(r".*:parameter/\$\{AWS::StackName\}(/\w+)(/\*)?", text).groups()  # type: ignore[union-attr]
        assert name in (None, "/*")
        return str(folder)
    if ":stateMachine:" in text:
        return WATCH
    if ":event-bus/" in text:
        return BUS
    return re.sub(r"\$\{(\w+)\.Arn\}", r"\1", text)


@pytest.mark.parametrize("name", MAY)
def test_a_function_may_do_what_it_needs_and_nothing_more(template: dict[str, Any], name: str) -> None:
    found: dict[str, set[str]] = {}
    for policy in template["Resources"][name]["Properties"]["Policies"]:
        for statement in policy.get("Fn::If", ("", policy))[1]["Statement"]:
            actions, resources = (one if isinstance(one, list) else [one] for one in
                                  (statement["Action"], statement["Resource"]))  # fmt: skip
            for action in actions:
                found.setdefault(action, set()).update(map(thing, resources))
    assert found == MAY[name]


def test_whoever_only_shows_tasks_can_change_none(template: dict[str, Any]) -> None:
    policies = template["Resources"]["ShowFunction"]["Properties"]["Policies"][0]["Statement"]
    (writes,) = [one for one in policies if one["Action"] == "dynamodb:UpdateItem"]
    assert writes["Condition"] == {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": ["callers#*"]}}


def test_only_the_functions_behind_the_api_carry_what_checks_requests(template: dict[str, Any]) -> None:
    functions = of_type(template, "AWS::Serverless::Function")
    with_door = {name for name, one in functions.items() if {"Ref": "DoorLayer"} in one["Properties"].get("Layers", [])}
    behind = {name for name in functions if calls(template, name)}
    assert with_door == behind == {"SubmitFunction", "ShowFunction", "DestinationsFunction"}


def test_every_function_has_its_row_of_rights(template: dict[str, Any]) -> None:
    assert set(of_type(template, "AWS::Serverless::Function")) == set(MAY)
