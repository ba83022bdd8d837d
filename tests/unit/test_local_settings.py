import os
import stat
from pathlib import Path

import pytest

from local.deploy import fingerprint, gateway_responses
from local.settings import EXAMPLE, RunError, Settings, read_config

TENCENT = 'cloud = "tencent"\nsecret_id = "x"\nsecret_key = "s3cr3t"\n'


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_first_start_writes_an_example_that_only_its_owner_can_read(tmp_path: Path) -> None:
    path = tmp_path / "home" / "config.toml"
    assert read_config(path) == {"accounts": {}, "destinations": {}, "keys": {}}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text(encoding="utf-8") == EXAMPLE


def test_the_example_is_valid_once_its_comments_are_removed(tmp_path: Path) -> None:
    lines = [line.removeprefix("# ") for line in EXAMPLE.splitlines() if line.startswith("# ") and "---" not in line]
    start = next(number for number, line in enumerate(lines) if line.startswith("[accounts"))
    toml = "\n".join(line for line in lines[start:] if "=" in line or line.startswith("["))
    config = read_config(written(tmp_path, toml))
    assert sorted(config["accounts"]) == ["alibaba", "production", "tencent"]
    assert sorted(config["destinations"]) == ["default", "oncall", "ops", "team"]
    assert sorted(config["keys"]) == ["team-a"]


def test_a_file_that_is_there_is_never_overwritten(tmp_path: Path) -> None:
    path = written(tmp_path, "# mine\n")
    read_config(path)
    assert path.read_text(encoding="utf-8") == "# mine\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("accounts = 3", "accounts: must be tables"),
        ("[accounts]\ntencent = 3", "[accounts.tencent]: must be a table"),
        ('[accounts."a b"]\ncloud = "alibaba"', "[accounts.a b]: a name is"),
        ('[accounts.a]\ncloud = "aws"', '[accounts.a] "cloud" must be one of tencent, alibaba'),
        ('[accounts.a]\ncloud = "tencent"\nsecret_id = "x"', '[accounts.a] "secret_key" is missing'),
        ('[accounts.a]\ncloud = "alibaba"\naccess_key_id = 7', '[accounts.a] "access_key_id" is missing or not a text'),
        (f'[accounts.a]\n{TENCENT}site = "eu"', '[accounts.a] "site" must be "cn" or "intl"'),
        (
            f'[accounts.a]\n{TENCENT}endpoints = {{clb = "clb.example"}}',
            '[accounts.a] endpoint "clb" must be a base URL',
        ),
        (
            f"[accounts.a]\n{TENCENT}endpoint = {{}}",
            '[accounts.a] "endpoint" is not a key of a tencent account; did you',
        ),
        (f"[accounts.a]\n{TENCENT}expires_at = 2026-11-22T10:00:00Z", "[accounts.a] expires_at: a date or time"),
        ("[keys.a]\nrate = 0", '[keys.a] "rate" must be a whole number'),
        ("[keys.a]\naccounts = 3", '[keys.a] "accounts" must be a list'),
        ("[keys.a]\naccount = []", '[keys.a] "account" is none of'),
        ('[destinations.ops]\nurl = "https://example.com"', "[destinations.ops] type: is missing"),
        ('[destinations.ops]\ntype = "slack"\nsince = 2026-01-01', "[destinations.ops] since: a date or time"),
        ("[destination.ops]", "[destination]: only [accounts.<name>]"),
        ("[accounts", "this is not valid TOML"),
    ],
)
def test_a_fault_names_the_file_the_table_and_the_key(tmp_path: Path, text: str, said: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(RunError) as raised:
        read_config(path)
    assert said in str(raised.value)
    assert "s3cr3t" not in str(raised.value)
    assert str(raised.value).startswith(str(path))


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(RunError) as raised:
        read_config(written(tmp_path, '[accounts.a]\ncloud = "x"\n[destinations.b]\n'))
    assert len(str(raised.value).splitlines()) == 2


def test_an_account_may_be_called_over_plain_http_here(tmp_path: Path) -> None:
    text = f'[accounts.a]\n{TENCENT}endpoints = {{clb = "http://127.0.0.1:8080"}}'
    assert read_config(written(tmp_path, text))["accounts"]["a"]["endpoints"] == {"clb": "http://127.0.0.1:8080"}


def test_unknown_keys_of_a_destination_are_passed_on(tmp_path: Path) -> None:
    config = read_config(written(tmp_path, '[destinations.x]\ntype = "new"\nroom = 3\n'))
    assert config["destinations"]["x"] == {"type": "new", "room": 3}


def test_settings_come_from_three_variables() -> None:
    settings = Settings.from_env({"TASKHOOK_PORT": "4567", "TASKHOOK_HOME": os.sep + "h", "TASKHOOK_CONFIG": ""})
    assert (settings.port, settings.home) == (4567, Path(os.sep + "h"))
    assert settings.config_path == settings.home / "config.toml"


@pytest.mark.parametrize("port", ["http", "-1", "65536", "4566.0"])
def test_a_port_that_is_none_is_refused(port: str) -> None:
    with pytest.raises(RunError, match="TASKHOOK_PORT"):
        Settings.from_env({"TASKHOOK_PORT": port})


def test_gateway_responses_become_what_the_emulator_takes(tmp_path: Path) -> None:
    template = tmp_path / "template.yaml"
    template.write_text(
        """
Resources:
  Api:
    Type: AWS::Serverless::Api
    Properties:
      Name: !Sub "${AWS::StackName}"
      GatewayResponses:
        THROTTLED:
          StatusCode: 429
          ResponseParameters: {Headers: {Content-Type: "'application/problem+json'"}}
          ResponseTemplates: {application/json: '{"status": 429}'}
""",
        encoding="utf-8",
    )
    assert gateway_responses(template) == {
        "THROTTLED": {
            "statusCode": "429",
            "responseParameters": {"gatewayresponse.header.Content-Type": "'application/problem+json'"},
            "responseTemplates": {"application/json": '{"status": 429}'},
        }
    }


def test_a_deployment_is_repeated_when_a_source_or_a_parameter_changes(tmp_path: Path) -> None:
    template = written(tmp_path, "a")
    (tmp_path / "functions" / "poll").mkdir(parents=True)
    app = tmp_path / "functions" / "poll" / "app.py"
    app.write_text("1", encoding="utf-8")
    first = fingerprint({"A": "1"}, template)
    assert fingerprint({"A": "1"}, template) == first
    assert fingerprint({"A": "2"}, template) != first
    app.write_text("2", encoding="utf-8")
    second = fingerprint({"A": "1"}, template)
    assert second != first
    (app.parent / "__pycache__").mkdir()
    (app.parent / "__pycache__" / "app.pyc").write_text("", encoding="utf-8")
    assert fingerprint({"A": "1"}, template) == second
