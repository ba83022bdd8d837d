"""Which service and which key: the order of the sources, and what must never be sent where."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from taskhook_cli.config import Given, Target, check_url, find_target, is_loopback
from taskhook_cli.environment import environment
from taskhook_cli.errors import Unreachable, UsageFault
from taskhook_cli.secret import ApiKey

CONFIG = """
default = "main"
[profiles.main]
url = "https://main.example/prod/"
api_key = "main-key"
[profiles.other]
url = "https://other.example"
api_key_file = "other.key"
[profiles.bare]
url = "https://bare.example"
"""

type Find = Callable[..., Target]


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def find(tmp_path: Path, said: list[str]) -> Find:
    def call(given: Given | None = None, **variables: str) -> Target:
        env = environment({"HOME": str(tmp_path), **variables})
        return find_target(given or Given(), env, said.append, here=tmp_path)

    return call


@pytest.fixture
def config(tmp_path: Path) -> Path:
    folder = tmp_path / ".config/taskhook"
    folder.mkdir(parents=True)
    path = folder / "config.toml"
    path.write_text(CONFIG)
    path.chmod(0o600)
    (folder / "other.key").write_text("other-key\n")
    (folder / "other.key").chmod(0o600)
    return path


@pytest.fixture
def nearby(tmp_path: Path) -> Path:
    (tmp_path / ".local").mkdir()
    path = tmp_path / ".local/endpoint.json"
    path.write_text(json.dumps({"url": "http://127.0.0.1:4566/x", "api_key": "near-key", "page": "p", "pid": 1}))
    path.chmod(0o600)
    return path


def of(target: Target) -> tuple[str, str]:
    return target.url, target.key.reveal()


ENV = {"TASKHOOK_URL": "https://env.example", "TASKHOOK_API_KEY": "env-key"}


@pytest.mark.usefixtures("config", "nearby")
def test_options_come_before_the_environment_and_that_before_files(find: Find, tmp_path: Path) -> None:
    (tmp_path / "k").write_text("file-key")
    (tmp_path / "k").chmod(0o600)
    assert of(find()) == ("https://main.example/prod", "main-key")
    assert of(find(TASKHOOK_PROFILE="other")) == ("https://other.example", "other-key")
    assert of(find(**ENV, TASKHOOK_PROFILE="other")) == ("https://env.example", "env-key")
    assert of(find(Given(profile="other"), **ENV)) == ("https://other.example", "other-key")
    given = Given(url="https://given.example", api_key_file=tmp_path / "k")
    assert of(find(given, **ENV)) == ("https://given.example", "file-key")
    assert of(find(Given(url="https://given.example"), **ENV)) == ("https://given.example", "env-key")


def test_an_endpoint_file_is_read_when_it_is_named_or_nothing_else_is_there(
    find: Find, nearby: Path, tmp_path: Path
) -> None:
    assert of(find()) == ("http://127.0.0.1:4566/x", "near-key")
    nearby.rename(tmp_path / "e.json")
    assert of(find(TASKHOOK_ENDPOINT_FILE=str(tmp_path / "e.json"))) == ("http://127.0.0.1:4566/x", "near-key")


def test_a_service_of_this_folder_that_has_ended_is_not_taken_for_one_that_was_never_set_up(
    find: Find, nearby: Path
) -> None:
    nearby.unlink()
    with pytest.raises(Unreachable, match="make run"):
        find()
    with pytest.raises(UsageFault, match="which taskhook"):
        find(TASKHOOK_API_KEY="env-key")


@pytest.mark.usefixtures("nearby")
def test_a_key_from_the_environment_never_goes_to_what_lies_in_the_current_folder(find: Find) -> None:
    with pytest.raises(UsageFault, match="which taskhook"):
        find(TASKHOOK_API_KEY="env-key")


@pytest.mark.usefixtures("config")
def test_the_key_of_a_profile_never_goes_to_another_address(find: Find) -> None:
    for given, variables in ((Given(url="https://x.example"), {}), (Given(), {"TASKHOOK_URL": "https://x.example"})):
        with pytest.raises(UsageFault, match="there is no API key"):
            find(given, **variables)


@pytest.mark.usefixtures("config")
def test_a_profile_named_by_option_without_a_key_does_not_get_that_of_the_environment(find: Find) -> None:
    with pytest.raises(UsageFault, match="there is no API key"):
        find(Given(profile="bare"), TASKHOOK_API_KEY="env-key")


def test_a_file_that_others_can_read_is_warned_of(find: Find, config: Path, said: list[str]) -> None:
    find()
    assert said == []
    config.chmod(0o644)
    find()
    assert said == [f"{config} holds an API key and can be read by other users: chmod 600 {config}"]


def test_nothing_configured_says_what_to_do(find: Find) -> None:
    with pytest.raises(UsageFault) as error:
        find()
    for words in ("TASKHOOK_URL", "TASKHOOK_API_KEY", "config.toml", "[profiles.main]"):
        assert words in error.value.message


@pytest.mark.parametrize("text", [
    'api_key = "secret-key', '[profiles.main]\napi_key = "secret-key\nurl = 3', "[profiles.main]\nurl = 3",
    '[profiles.main]\nurl = "https://x"\napi_key = 7', 'default = "main"\nprofiles = 3', '[profiles.main]\nurl = ""',
    '[profiles.main]\nurl = "https://x"\napi_key = "secret key"', "secret-key",
    '[profiles.main]\nurl = "https://x"\napi_key_file = "missing"', '[profiles.main]\napi_key = "secret-key"',
])  # fmt: skip
def test_a_broken_configuration_is_said_without_quoting_it(find: Find, config: Path, text: str) -> None:
    config.write_text(text)
    with pytest.raises(UsageFault) as error:
        find(TASKHOOK_PROFILE="main")
    assert "secret" not in error.value.message
    assert error.value.__cause__ is None


@pytest.mark.parametrize("url", [
    "http://example.com", "http://10.0.0.1", "http://localhost.example.com", "http://127.0.0.1.example.com",
    "https://user:pass@example.com", "https://example.com/?a=b", "https://example.com/#x", "ftp://example.com",
    "example.com", "", "https://", "https://exa mple.com", "https://[::1", "https://example.com:99999",
    "http://0.0.0.0", "https://example.com\n.evil", "https:\\\\example.com", "https://.example.com", "https://ex..ample.com",
])  # fmt: skip
def test_a_key_is_not_sent_to_an_address_that_is_not_safe(url: str) -> None:
    with pytest.raises(UsageFault):
        check_url(url, "--url")


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8080/a", "http://localhost", "http://[::1]:1", "https://example.com/"]
)
def test_https_and_this_very_machine_are_safe(url: str) -> None:
    assert check_url(url, "--url") == url.rstrip("/")


def test_only_this_machine_is_loopback() -> None:
    assert is_loopback("127.8.9.1")
    assert not is_loopback("128.0.0.1")


def test_the_key_is_in_no_representation() -> None:
    target = Target(url="https://x", key=ApiKey("very-secret"))
    assert "very-secret" not in f"{target} {target!r} {target.key} {target.key!r}"
    assert "very-secret" not in repr(environment({"TASKHOOK_API_KEY": "very-secret", "HOME": "/"}))


@pytest.mark.parametrize("text", ["", "a b", "a\nb", "ключ", "x" * 513])
def test_what_would_break_a_header_is_no_key(text: str) -> None:
    with pytest.raises(ValueError, match="visible ASCII"):
        ApiKey(text)


def test_relative_xdg_folders_are_ignored() -> None:
    env = environment({"HOME": "/home/u", "XDG_CONFIG_HOME": "x", "XDG_CACHE_HOME": "/c"})
    assert (env.config_home, env.cache_home) == (Path("/home/u/.config/taskhook"), Path("/c/taskhook"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_cannot_be_read_is_said(find: Find, config: Path) -> None:
    config.chmod(0)
    with pytest.raises(UsageFault, match="cannot be read"):
        find()
