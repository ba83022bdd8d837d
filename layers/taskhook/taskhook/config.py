"""The environment, read here only and when first needed."""

import os
import platform
from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the template tells a function. Names are empty where a function has no business with the thing."""

    table: str
    open_index: str
    batch_index: str
    parameters: str
    """Prefix of the SSM parameters, as in ``/taskhook``."""
    tasks_queue: str
    progress_queue: str
    state_machine: str
    event_bus: str
    """The EventBridge bus that hears of every end; empty for none."""
    key: str
    """The KMS key that a task's own destinations are sealed with."""
    allow_private: bool
    destination_ports: frozenset[int]
    """Ports that news may be sent to."""
    allow_insecure: bool
    patience: float
    """Seconds that a provider may be out of order before a task counts as lost."""
    delivery_attempts: int
    more_regions: frozenset[str]
    """Regions that are newer than this version."""
    retention: float
    """Seconds that a finished task is kept."""
    provider_rate: float
    """Requests per second to an API that documents no limit."""
    sleeping_polls: int
    """Looks that may sleep inside the function at a time."""
    long_polls: int
    """Callers that may wait for a change at a time."""
    default_key: str
    """The id of the API key that may do everything."""
    cors_origins: tuple[str, ...]
    """Web pages that may call the API, by their origin."""
    wake_lead: float
    """Seconds before its slot at which a look is woken."""
    memory: float
    """Of this function, in MB."""
    machine: str
    """Its processor, as ``aarch64``."""


@cache
def settings() -> Settings:
    env = os.environ
    return Settings(
        table=env["TABLE"],
        open_index=env.get("OPEN_INDEX", "open"),
        batch_index=env.get("BATCH_INDEX", "batch"),
        parameters=env.get("PARAMETERS", "/taskhook"),
        tasks_queue=env.get("TASKS_QUEUE", ""),
        progress_queue=env.get("PROGRESS_QUEUE", ""),
        state_machine=env.get("STATE_MACHINE", ""),
        event_bus=env.get("EVENT_BUS", ""),
        key=env.get("KEY", ""),
        allow_private=env.get("ALLOW_PRIVATE_DESTINATIONS", "false") == "true",
        destination_ports=frozenset(map(int, env.get("DESTINATION_PORTS", "443 8443").replace(",", " ").split())),
        allow_insecure=env.get("ALLOW_INSECURE_ENDPOINTS", "false") == "true",
        patience=float(env.get("PATIENCE_SECONDS", "21600")),
        delivery_attempts=int(env.get("DELIVERY_ATTEMPTS", "12")),
        more_regions=frozenset(env.get("MORE_REGIONS", "").replace(",", " ").split()),
        provider_rate=float(env.get("PROVIDER_RATE", "10")),
        sleeping_polls=int(env.get("SLEEPING_POLLS", "0")),
        long_polls=int(env.get("LONG_POLLS", "0")),
        default_key=env.get("DEFAULT_KEY", ""),
        cors_origins=tuple(env.get("CORS_ORIGINS", "").replace(",", " ").split()),
        wake_lead=float(env.get("WAKE_LEAD_SECONDS", "1.5")),
        memory=float(env.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")),
        machine=platform.machine(),
        retention=86400.0 * float(env.get("RETENTION_DAYS", "30")),
    )
