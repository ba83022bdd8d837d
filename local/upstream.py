"""What the emulator wraps: one version of ministack, and those private functions and variables of it."""

import importlib
import inspect
from importlib.metadata import version
from typing import Any

UPSTREAM_VERSION = "1.5.33"
_HANDLER = ("method", "path", "headers", "body", "query_params")
WRAPPED: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("ministack.app", "app", ("scope", "receive", "send")),
    ("ministack.app", "save_all", ("services",)),
    ("ministack.app", "_build_persistence_save_dict", ()),
    ("ministack.app", "_load_persisted_state", ()),
    ("ministack.core.persistence", "_json_default", ("obj",)),
    ("ministack.core.persistence", "_state_format_version", ("service",)),
    (
        "ministack.services.apigateway_v1",
        "_build_lambda_event_v1",
        (
            *("api_id", "stage_name", "stage", "resource", "request_path", "method", "headers", "body", "query_params"),
            *("path_params", "binary_media_types", "authorizer_context", "caller_identity"),
        ),
    ),
    ("ministack.services.apigateway_v1", "_api_key_from_request", ("headers",)),
    ("ministack.services.apigateway_v1", "_resolve_api_key", ("value",)),
    ("ministack.services.dynamodb", "handle_request", _HANDLER),
    ("ministack.services.dynamodb", "get_state", ()),
    ("ministack.services.dynamodb", "_set_item", ("table", "pk_val", "sk_val", "item")),
    ("ministack.services.dynamodb", "_remove_item", ("table", "pk_val", "sk_val")),
    ("ministack.services.dynamodb", "_items_replaced", ("table",)),
    ("ministack.services.lambda_svc", "_execute_function_warm", ("func", "event", "request_id")),
    ("ministack.services.sqs", "_queue_url_for_account", ("account_id", "name")),
    ("ministack.services.ssm", "handle_request", _HANDLER),
    ("ministack.services.ssm", "get_state", ()),
    ("ministack.services.stepfunctions", "get_state", ()),
)
DYNAMODB_STATE = (
    *("tables", "tags", "ttl_settings", "pitr_settings", "kinesis_destinations", "contributor_insights"),
    *("backups", "resource_policies", "exports", "imports"),
)
STEPFUNCTIONS_STATE = (
    *("state_machines", "executions", "tags", "activities"),
    *("state_machine_versions", "state_machine_aliases", "map_runs"),
)


class UpstreamChangedError(Exception):
    """ministack is not the one these corrections were written for."""


def check_upstream() -> None:
    """Raise UpstreamChangedError, naming everything that is missing or has another signature."""
    faults = [fault for wrapped in WRAPPED if (fault := _signature_fault(*wrapped))]
    for name, expected in (("dynamodb", DYNAMODB_STATE), ("stepfunctions", STEPFUNCTIONS_STATE)):
        state = importlib.import_module(f"ministack.services.{name}").get_state()
        if set(state) != set(expected):
            faults.append(f"{name}.get_state() now has {sorted(set(state) ^ set(expected))} differently")
    for name, variables in (
        ("services.sqs", ("DEFAULT_PORT", "_CANONICAL_NETLOC")),
        ("services.lambda_svc", ("_ACCOUNT_CONCURRENCY_CAP",)),
        ("core.lambda_runtime", ("_workers",)),
    ):
        module = importlib.import_module(f"ministack.{name}")
        faults += [f"{name}.{variable} is missing" for variable in variables if not hasattr(module, variable)]
    installed = version("ministack")
    if installed != UPSTREAM_VERSION:
        faults.append(f"the installed version is {installed}")
    if faults:
        raise UpstreamChangedError(
            f"local/upstream.py lists what is wrapped of ministack {UPSTREAM_VERSION}, and these have changed: "
            + "; ".join(faults)
            + ". Install the pinned version, or read what changed and adapt the wrappers."
        )


def _signature_fault(module: str, name: str, parameters: tuple[str, ...]) -> str | None:
    function = getattr(importlib.import_module(module), name, None)
    if function is None:
        return f"{module}.{name} is missing"
    actual = tuple(inspect.signature(inspect.unwrap(function)).parameters)
    return None if actual == parameters else f"{module}.{name} takes {actual}"


def store(module: Any, name: str) -> Any:
    """What a service keeps under one of the names of its state."""
    return getattr(module, f"_{name}")
