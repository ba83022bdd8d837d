"""The environment, read here only and when first needed."""

import os
from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the template tells a function. Names are empty where a function has no business with the thing."""

    table: str
    open_index: str
    parameters: str
    """Prefix of the SSM parameters, as in ``/taskhook``."""
    tasks_queue: str
    undelivered_queue: str
    state_machine: str
    key: str
    """The KMS key that a task's own destinations are sealed with."""
    allow_private: bool
    allow_insecure: bool
    patience: float
    """Seconds that a provider may be out of order before a task counts as lost."""
    delivery_attempts: int
    more_regions: frozenset[str]
    """Regions that are newer than this version."""
    retention: float
    """Seconds that a finished task is kept."""


@cache
def settings() -> Settings:
    env = os.environ
    return Settings(
        table=env["TABLE"],
        open_index=env.get("OPEN_INDEX", "open"),
        parameters=env.get("PARAMETERS", "/taskhook"),
        tasks_queue=env.get("TASKS_QUEUE", ""),
        undelivered_queue=env.get("UNDELIVERED_QUEUE", ""),
        state_machine=env.get("STATE_MACHINE", ""),
        key=env.get("KEY", ""),
        allow_private=env.get("ALLOW_PRIVATE_DESTINATIONS", "false") == "true",
        allow_insecure=env.get("ALLOW_INSECURE_ENDPOINTS", "false") == "true",
        patience=float(env.get("PATIENCE_SECONDS", "21600")),
        delivery_attempts=int(env.get("DELIVERY_ATTEMPTS", "12")),
        more_regions=frozenset(env.get("MORE_REGIONS", "").replace(",", " ").split()),
        retention=86400.0 * float(env.get("RETENTION_DAYS", "30")),
    )
