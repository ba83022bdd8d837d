"""The one place that reads the environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """``secrets`` are those of webhooks; the key and they are never shown."""

    url: str | None
    api_key: str | None
    profile: str | None
    endpoint_file: str | None
    webhook_secret: str | None
    config_home: Path
    cache_home: Path

    def __repr__(self) -> str:
        return f"Environment(url={self.url!r}, profile={self.profile!r})"


def environment(variables: Mapping[str, str] | None = None) -> Environment:
    """An empty variable counts as one that is not set, as in most tools."""
    found = os.environ if variables is None else variables
    home = Path(found.get("HOME") or Path.home())
    return Environment(
        url=found.get("TASKHOOK_URL") or None,
        api_key=found.get("TASKHOOK_API_KEY") or None,
        profile=found.get("TASKHOOK_PROFILE") or None,
        endpoint_file=found.get("TASKHOOK_ENDPOINT_FILE") or None,
        webhook_secret=found.get("TASKHOOK_WEBHOOK_SECRET") or None,
        config_home=_folder(found.get("XDG_CONFIG_HOME"), home / ".config"),
        cache_home=_folder(found.get("XDG_CACHE_HOME"), home / ".cache"),
    )


def _folder(value: str | None, otherwise: Path) -> Path:
    """XDG: a relative path is to be ignored."""
    return Path(value) / "taskhook" if value and Path(value).is_absolute() else otherwise / "taskhook"
