import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from local import upstream
from local.checkpoints import prune_executions
from local.emulator import environment, sole_user
from local.upstream import UpstreamChangedError, check_upstream
from local.workers import FairSemaphore, Regulars


def test_upstream_has_the_functions_that_are_wrapped() -> None:
    check_upstream()


@pytest.mark.parametrize(
    ("wrapped", "said"),
    [
        (("ministack.services.dynamodb", "_set_items", ()), "_set_items is missing"),
        (("ministack.services.dynamodb", "_set_item", ("table", "item")), "takes ('table', 'pk_val'"),
    ],
)
def test_a_changed_upstream_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, wrapped: tuple[str, str, tuple[str, ...]], said: str
) -> None:
    monkeypatch.setattr(upstream, "WRAPPED", (wrapped,))
    with pytest.raises(UpstreamChangedError) as raised:
        check_upstream()
    assert said in str(raised.value)


def test_another_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upstream, "UPSTREAM_VERSION", "0.0.1")
    with pytest.raises(UpstreamChangedError, match="the installed version is"):
        check_upstream()


def _wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_calls_beyond_the_limit_wait_and_go_on_in_the_order_in_which_they_came() -> None:
    semaphore = FairSemaphore(2)
    release = threading.Semaphore(0)
    entered: list[int] = []

    def call(number: int) -> None:
        with semaphore:
            entered.append(number)
            release.acquire()

    threads = []
    for number in range(8):
        thread = threading.Thread(target=call, args=(number,))
        thread.start()
        threads.append(thread)
        _wait_until(lambda: len(entered) + len(semaphore._waiting) == len(threads))
    assert len(entered) == 2
    for finished in range(1, 9):
        release.release()
        _wait_until(lambda finished=finished: len(entered) == min(8, 2 + finished))  # type: ignore[misc]
    for thread in threads:
        thread.join()
    assert entered == list(range(8))


def test_newcomers_let_others_go_first_but_not_for_ever() -> None:
    semaphore = FairSemaphore(1)
    release = threading.Semaphore(0)
    entered: list[str] = []

    def call(name: str) -> None:
        with semaphore.as_newcomer() if name.startswith("new") else semaphore:
            entered.append(name)
            release.acquire()

    names = ["first", "new 1", "new 2", "old 1", "old 2", "old 3", "old 4"]
    threads = [threading.Thread(target=call, args=(name,)) for name in names]
    for number, thread in enumerate(threads, 1):
        thread.start()
        _wait_until(
            lambda number=number: (  # type: ignore[misc]
                len(entered) + len(semaphore._waiting) + len(semaphore._newcomers) == number
            )
        )
    for _ in names:
        release.release()
    for thread in threads:
        thread.join()
    assert entered == ["first", "old 1", "old 2", "old 3", "new 1", "old 4", "new 2"]


def test_an_event_that_comes_again_is_a_regular_and_the_oldest_are_forgotten() -> None:
    regulars = Regulars(2)
    assert [regulars.knows({"id": one, "watch": 1}) for one in "aabca"] == [False, True, False, False, False]


def test_a_place_is_given_back_when_the_call_fails() -> None:
    semaphore = FairSemaphore(1)
    for _ in range(3):
        with pytest.raises(ValueError, match="broken"), semaphore:
            raise ValueError("broken")


class _Executions:
    def __init__(self, stop_dates: list[str | None]) -> None:
        self._data: dict[int, dict[str, Any]] = {number: {"stopDate": date} for number, date in enumerate(stop_dates)}

    def all_items(self) -> list[tuple[int, dict[str, Any]]]:
        return list(self._data.items())


def test_only_the_oldest_finished_executions_are_forgotten() -> None:
    executions = _Executions(["2026-01-03", None, "2026-01-01", "2026-01-02", None])
    prune_executions(executions, kept=2)
    assert list(executions._data) == [0, 1, 3, 4]


def test_the_emulator_and_its_functions_see_nothing_of_the_persons_aws_set_up(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_PROFILE", "AWS_SECRET_ACCESS_KEY", "PYTHONPATH", "MINISTACK_HOST", "LAMBDA_EXECUTOR"):
        monkeypatch.setenv(name, "x")
    found = environment(tmp_path, 4566)
    assert not [name for name in found if name.startswith(("AWS_", "PYTHONPATH", "MINISTACK_", "LAMBDA_"))]
    assert found["BIND_HOST"] == "127.0.0.1"
    assert "127.0.0.1" in found["NO_PROXY"]


def test_a_home_has_one_user_at_a_time(tmp_path: Path) -> None:
    with sole_user(tmp_path / "lock", patience=0):  # noqa: SIM117 - the inner one is the subject
        with pytest.raises(TimeoutError), sole_user(tmp_path / "lock", patience=0.1):
            pass
    with sole_user(tmp_path / "lock", patience=0):
        pass
