"""The advice of taskhook in Chinese: every sentence that the code gives in English has its own."""

import re
from pathlib import Path

import pytest

from taskhook.destinations import wording
from taskhook.destinations.advice import SENTENCES, in_chinese
from taskhook.destinations.model import Language
from taskhook.providers import observing, refusals
from taskhook.providers.catalogue import Catalogue
from taskhook.states import State
from taskhook.task import Problem
from tests.conftest import MakeTask

CHINESE = re.compile("[\u4e00-\u9fff]")
GIVEN = [value for name, value in vars(refusals).items() if name.endswith("_HINT")] + [observing._NOT_FOUND_HINT]


@pytest.mark.parametrize("advice", GIVEN)
def test_what_a_refusal_advises_is_said_in_chinese(advice: str) -> None:
    assert CHINESE.search(in_chinese(advice))


@pytest.mark.parametrize("state", [State.FAILED, State.PARTIAL])
@pytest.mark.parametrize("name", ["tencent.clb", "alibaba.bdrc"])
def test_what_a_failure_advises_is_said_in_chinese_and_names_the_product(name: str, state: State) -> None:
    provider = Catalogue().find(name)
    assert provider is not None
    said = in_chinese(observing._hint(provider, state))
    assert provider.title in said
    assert "console" not in said


@pytest.mark.parametrize("advice", SENTENCES)
def test_every_sentence_of_the_table_is_still_given_somewhere(advice: str) -> None:
    files = [path for path in Path(refusals.__file__).parents[1].rglob("*.py") if path.name != "advice.py"]
    written = "".join(path.read_text("utf-8") for path in files)
    assert advice in re.sub(r'"\s*\n\s*f?"', "", written)


def test_a_sentence_that_nobody_knows_stays_as_it_is() -> None:
    assert in_chinese("Ask Bob.") == "Ask Bob."


def test_a_message_in_chinese_has_chinese_advice(make_task: MakeTask) -> None:
    task = make_task(state=State.LOST, error=Problem(code="x", message="m", hint=GIVEN[0]))
    problem = wording.why(task, Language.CHINESE)
    assert problem is not None
    assert CHINESE.search(problem.hint or "")
    english = wording.why(task)
    assert english is not None
    assert english.hint == GIVEN[0]
