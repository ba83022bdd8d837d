"""What an API answers: its entry read backwards, so that taskhook must find again what was put there.

The answers are as careless as the documentation's own examples: while a task runs they already hold a reason and a
time of its end, and before the task's own item stands one of another task. Several tasks do not come in the order in
which they were asked for.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from local.simulator import media, placing
from local.simulator.lives import MACHINES, Answer, Dialect, Fault, Moment, Outcome
from local.simulator.rows import Row
from taskhook.providers import filling
from taskhook.providers.model import Path

type Values = Mapping[str, str]

EMPTY = " empty"  # what the documentation of BDRC shows where a text is empty
EARLY_REASON = "too many requests."
MADE = "simulated-1"
_GOING = (Outcome.CREATED, Outcome.RUNNING, Outcome.UNKNOWN)
_BAD = (Outcome.FAILED, Outcome.PARTIAL, Outcome.EXPIRED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What one task of a request has to say."""

    values: Values
    answer: Answer
    moment: Moment


def body(row: Row, told: Sequence[Told], skip: int = 0) -> dict[str, Any]:
    """What stands inside the style's envelope."""
    shared = dialect(told)
    last = told[-1]
    items = [
        spelled(item, Dialect.PLAIN if one.answer.dialect is shared else one.answer.dialect)
        for one in reversed(told)
        for item in _items(row, one.values, one.answer, one.moment)
    ]
    place = row.provider.at
    if place is None:
        whole = items[0]
    elif row.lists:
        whole = _listed(row, [*_decoys(row, last.values, last.answer), *items], skip)
    else:
        whole = placing.put({}, place.expression, items[0])
    said: dict[str, Any] = spelled(whole, shared)
    return said


def dialect(told: Sequence[Told]) -> Dialect:
    """How the answer as a whole is spelled; where its tasks differ, each item is spelled by itself."""
    spoken = {one.answer.dialect for one in told}
    return spoken.pop() if len(spoken) == 1 else Dialect.PLAIN


def spoilt(row: Row, said: Sequence[Answer | Fault]) -> Fault | None:
    """What goes wrong with a request, judged by each of its tasks; None where there is something to tell of any.

    One request has one fate: what befalls one of its tasks befalls all. Only a task that is not known may be left out.
    """
    faults = [one for one in said if isinstance(one, Fault)]
    unknown = faults and (row.not_found is not None or len(faults) == len(said))
    return next((one for one in faults if one is not Fault.NOT_FOUND), Fault.NOT_FOUND if unknown else None)


def nothing(row: Row) -> dict[str, Any] | None:
    """An answer about no task: an empty list or, at Alibaba, no object. None where only an error says so."""
    if row.not_found is not None or row.provider.at is None:
        return None
    if row.lists:
        return _listed(row, [], 0)
    return {} if row.provider.cloud == "alibaba" else None


def spelled(value: Any, dialect: Dialect) -> Any:
    """The same answer with other types, blanks or cases."""
    if isinstance(value, dict):
        return {_name(name, dialect): spelled(one, dialect) for name, one in value.items()}
    if isinstance(value, list):
        return [spelled(one, dialect) for one in value]
    if dialect is Dialect.STRINGS and isinstance(value, int | float):
        return str(value)
    return f"{value} " if dialect is Dialect.BLANKS and isinstance(value, str) else value


def _name(name: str, dialect: Dialect) -> str:
    if dialect is Dialect.CASE:
        return name.swapcase()
    return f"{name} " if dialect is Dialect.BLANKS else name


def _listed(row: Row, items: list[Any], skip: int) -> dict[str, Any]:
    provider = row.provider
    paging = provider.paging
    shown = items if paging is None else items[skip : skip + paging.size]
    whole = placing.put({}, provider.at.expression if provider.at else "@", shown)
    listed: dict[str, Any] = whole if paging is None else placing.put(whole, paging.total.expression, len(items))
    return listed


def _items(row: Row, values: Values, answer: Answer, moment: Moment) -> list[Any]:
    """One item, or one for each target of a task that has several."""
    if row.provider.resource is None:
        return [_item(row, values, answer, answer.outcome, moment)]
    made = []
    for machine, outcome in _targets(answer):
        item = _item(row, values, answer, outcome, moment)
        made.append(placing.put(item, row.provider.resource.expression, machine))
    return made


def _targets(answer: Answer) -> tuple[tuple[str, Outcome], ...]:
    return answer.machines or tuple((machine, answer.outcome) for machine in MACHINES)


def _decoys(row: Row, values: Values, answer: Answer) -> list[Any]:
    """Another task's item, of which something else is true; only where the entry says how to tell them apart."""
    if not row.provider.where:
        return []
    other = Outcome.RUNNING if answer.outcome is Outcome.SUCCEEDED else Outcome.SUCCEEDED
    item = placing.put({}, row.provider.status.expression, row.word(other))
    for expression, (_, text) in row.provider.where.items():
        # Digits, because numbers are compared as texts too.
        apart = "9090" + filling.text(text, values, 0.0)[::-1] if "{" in text else filling.text(text, values, 0.0)
        item = placing.put(item, expression, apart)
    return [item]


def _item(row: Row, values: Values, answer: Answer, outcome: Outcome, moment: Moment) -> Any:
    provider = row.provider
    item: Any = _told(row, answer, outcome, moment)
    for expression, (_, text) in provider.where.items():
        item = placing.put(item, expression, _typed(row, text, values))
    item = placing.put(item, provider.status.expression, _word(row, outcome, answer.dialect))
    if provider.code == "media":
        item = media.added(item, provider.service, _targets(answer), answer.message)
    return _conditions(row, item, outcome)


def _typed(row: Row, text: str, values: Values) -> str | int:
    """A value of the task id, a number where its part is one."""
    filled = filling.text(text, values, 0.0)
    integers = {f"{{{part.name}}}" for part in row.provider.task_id.parts if part.integer}
    return int(filled) if text in integers else filled


def _word(row: Row, outcome: Outcome, dialect: Dialect) -> str | int | None:
    word = row.word(outcome)
    if _condition(row, outcome) is not None or (word is None and row.provider.code is not None):
        # Something else than the word says so, beside the word that a careless reader would trust.
        word = row.word(Outcome.SUCCEEDED)
    elif word is None:
        word = row.word(Outcome.RUNNING)
    return word.swapcase() if dialect is Dialect.CASE and isinstance(word, str) else word


def _condition(row: Row, outcome: Outcome) -> Path | None:
    """The condition that says so: where the entry has one it is used, as words are the easier case."""
    if outcome is Outcome.PARTIAL and row.provider.partial_if is not None:
        return row.provider.partial_if
    failed = outcome is Outcome.FAILED or (outcome not in _GOING and row.word(outcome) is None)
    return row.provider.failed_if if failed else None


def _conditions(row: Row, item: Any, outcome: Outcome) -> Any:
    """``failed_if`` and ``partial_if`` hold where they must, and do not where they must not."""
    wanted = _condition(row, outcome)
    item = placing.holding(item, wanted.expression) if wanted is not None else item
    for condition in (row.provider.failed_if, row.provider.partial_if):
        if outcome is Outcome.SUCCEEDED and condition is not None and condition.search(item) is True:
            item = placing.holding(item, condition.expression, truth=False)
    return item


def _told(row: Row, answer: Answer, outcome: Outcome, moment: Moment) -> Any:
    """Everything but the status: what the task says, how far it is, what it is about, what it made, and when."""
    provider = row.provider
    over = outcome not in _GOING
    said = answer.message if outcome in _BAD or outcome is answer.outcome else None
    item: Any = {}
    if provider.message is not None:
        item = placing.put(item, provider.message.expression, said)
    if provider.reason is not None and provider.reason.expression != getattr(provider.message, "expression", None):
        item = placing.put(item, provider.reason.expression, (said or EMPTY) if over else EARLY_REASON)
    if provider.error_code is not None and outcome in _BAD:
        item = placing.put(item, provider.error_code.expression, "SimulatedFailure")
    if provider.result is not None and answer.dialect is not Dialect.NULLS:
        item = placing.put(item, provider.result.expression, _result(provider.result.expression, outcome))
    item = _times(row, item, moment, over=over)
    item = _progress(row, item, answer, outcome, moment)
    return _resources(row, item, answer)


def _result(expression: str, outcome: Outcome) -> Any:
    """A plain member holds JSON in a text, as some APIs wrap it."""
    if outcome is not Outcome.SUCCEEDED:
        return EMPTY if placing.is_path(placing.parsed(expression)) else None
    return json.dumps({"made": [MADE]}) if placing.is_path(placing.parsed(expression)) else [MADE]


def _times(row: Row, item: Any, moment: Moment, *, over: bool) -> Any:
    started, finished = row.provider.started_at, row.provider.finished_at
    if started is not None:
        item = placing.put(item, started.expression, int(moment.born))
    if finished is not None:
        item = placing.put(item, finished.expression, int(moment.since) if over else int(moment.born) + 1)
    return item


def _progress(row: Row, item: Any, answer: Answer, outcome: Outcome, moment: Moment) -> Any:
    if row.provider.progress is None:
        return item
    done, whole = row.provider.progress
    of = placing.literal(placing.parsed(whole.expression))
    if of is None:
        of = 100
        item = placing.put(item, whole.expression, of)
    share = 1.0 if outcome is Outcome.SUCCEEDED else fraction(answer, moment.fraction)
    return placing.put(item, done.expression, round(of * share) if of > 1 else round(of * share, 4))


def fraction(answer: Answer, passed: float) -> float:
    """How far the task is: as its life says, else as its machines are."""
    if answer.progress is not None:
        first, last = answer.progress
        return first + (last - first) * passed
    done = sum(outcome is Outcome.SUCCEEDED for _, outcome in answer.machines)
    return done / max(1, len(answer.machines))


def _resources(row: Row, item: Any, answer: Answer) -> Any:
    listing = placing.listing(row.provider.resources.expression) if row.provider.resources is not None else None
    if listing is None:
        return item
    place, members = listing
    if answer.dialect is Dialect.NULLS:
        return placing.placed(item, place, None)
    for number, (machine, outcome) in enumerate(_targets(answer)):
        told = {"id": machine, "status": row.word(outcome)}
        for name, steps in members.items():
            item = placing.placed(item, (*place, number, *steps), told.get(name))
    return item
