"""What an entry makes of every error code that its API is documented to answer.

error_codes.json: the codes of each action in tencentcloud-sdk-go v1.3.166, the only SDK that lists them by action.
"""

import json
import re
from pathlib import Path

import pytest

from taskhook.providers.model import Row, Trouble
from taskhook.providers.refusals import TENCENT_V3, classify
from tests.catalogue.rows import case, rows

CODES: dict[str, list[str]] = json.loads((Path(__file__).parent / "error_codes.json").read_text("utf-8"))
EVERY = [case(name, code, id=f"{name}-{code}") for name, codes in CODES.items() for code in codes if name in rows()]

NOT_FOUND = re.compile(r"(NotFound|NotExists?|NoSuch\w*|NotExistError|NotFoundError)$", re.IGNORECASE)
FORBIDDEN = re.compile(r"(AuthFailure|Unauthori[sz]ed|Permission|\bCam[A-Z])")
THROTTLED = re.compile(r"^RequestLimitExceeded\b")
INTERNAL = re.compile(r"^(Internal|ServiceUnavailable)")
BROKEN_INSIDE = re.compile(r"^InternalError\.Cam(System|Cgw)Error$")
"""It is not the account that the access management refuses: it is out of order."""
ABOUT_SOMETHING_ELSE = re.compile(
    r"(Region|Command|Controller|Action|TagKey|MFA|User|Account|Role|SecretId)Not(Found|Exist)"
)
"""What is not found is not the task."""


def row(name: str, code: str) -> Row:
    return classify(TENCENT_V3, code, more=rows()[name].errors)


def test_the_codes_of_every_provider_are_known() -> None:
    documented = {name for name, provider in rows().items() if provider.style == "tc3"}
    assert documented - CODES.keys() == set()
    assert CODES.keys() - documented == set()


@pytest.mark.parametrize(("name", "code"), EVERY)
def test_a_code_makes_sense(name: str, code: str) -> None:
    found = row(name, code)
    if NOT_FOUND.search(code) and not ABOUT_SOMETHING_ELSE.search(code):
        assert found.trouble not in (Trouble.FINAL, Trouble.TRANSIENT)
    if FORBIDDEN.search(code) and not BROKEN_INSIDE.search(code):
        assert found.trouble is not Trouble.TRANSIENT
    if THROTTLED.search(code):
        assert found.trouble is Trouble.THROTTLED
    if found.trouble in (Trouble.FINAL, Trouble.CREDENTIALS, Trouble.NOT_FOUND):
        assert found.hint


@pytest.mark.parametrize(("name", "code"), EVERY)
def test_what_passes_by_itself_is_never_final(name: str, code: str) -> None:
    if INTERNAL.search(code) and not FORBIDDEN.search(code):
        assert row(name, code).trouble is not Trouble.FINAL


@pytest.mark.parametrize("name", [case(name) for name in CODES if name in rows()])
def test_codes_of_its_own_are_documented_or_new(name: str) -> None:
    """An entry that says what its style says anyway would only hide a mistake."""
    own = rows()[name].errors
    others = {code: {one: row for one, row in own.items() if one != code} for code in own}
    assert [code for code, row in own.items() if classify(TENCENT_V3, code, more=others[code]) == row] == []
