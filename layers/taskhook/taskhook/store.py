"""Tasks in DynamoDB: one item per task, one conditional write per step.

The item is the truth. Executions and queue messages are made from it, and made again from it when they are lost.
``open`` is set while an execution should be alive for the task, and only then, so that the sparse index of that name
lists exactly the tasks that a reconciler has to look after. It changes twice in a task's life, not at every poll.

Beside the tasks there is one item for each account that its cloud refuses: ``account#<name>``, open as ``account``.
"""

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import batched
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from taskhook import aws
from taskhook.attributes import from_attribute, to_attribute
from taskhook.config import Settings
from taskhook.errors import StoreConflict
from taskhook.listing import attributes
from taskhook.open_index import listed
from taskhook.states import State
from taskhook.task import Delivery, Task

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_AS_JSON = ("metadata", "result")
"""Kept as text: a caller's or a provider's JSON may hold numbers that DynamoDB has no room for."""

_ACCOUNT = "account#"
"""Before the name of a refused account; no task's id has such a character."""
TOLD_AGAIN = 86400.0
"""Seconds after which a refused account is told of again."""

_LOOKED = (
    "state", "provider_state", "progress", "message", "error", "resources", "result", "request_id", "started_at",
    "finished_at", "observed_at", "polls", "next_poll_at", "restarts", "troubles", "trouble_since", "paused",
    "wakes", "looked_at", "marks", "steady", "reason", "estimate", "slots", "limit", "blind", "batch",
    "due", "wakes_at", "type", "looks", "typical", "unannounced",
)  # fmt: skip
"""What a look may change. Deliveries are not among them: a caller may be adding one at the same moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """One watch of one task. It has one state machine execution, which is named after it."""

    id: str
    number: int
    since: float

    @property
    def execution(self) -> str:
        return execution_name(self.id, self.number)


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedAccount:
    """An account that its cloud refuses: which stored credential, and the tasks that told so."""

    name: str
    credential: str
    told: tuple[str, ...]


def execution_name(id: str, watch: int) -> str:
    """Derived from the task, so that a message delivered twice starts nothing twice."""
    return f"{id}-{watch}"


class Store:
    """The table of tasks. Every method is one request, but ``open_watches`` (one per page)."""

    def __init__(self, settings: Settings, client: "DynamoDBClient | None" = None) -> None:
        self._settings = settings
        self._client = client

    @property
    def _dynamodb(self) -> "DynamoDBClient":
        return self._client or aws.dynamodb()

    def get(self, id: str) -> Task | None:
        answer = self._dynamodb.get_item(TableName=self._settings.table, Key=_key(id), ConsistentRead=True)
        return from_item(answer["Item"]) if "Item" in answer else None

    def create(self, task: Task) -> bool:
        """Whether the task is new. False where it is known already; nothing is changed then."""
        try:
            self._dynamodb.put_item(
                TableName=self._settings.table,
                Item=self._item(task),
                ConditionExpression="attribute_not_exists(id)",
            )
        except ClientError as error:
            if _conflict(error):
                return False
            raise
        return True

    def replace(self, task: Task, *, seen: Task) -> None:
        """Write a task anew, if it still is as it was ``seen``. Raises StoreConflict where it is not."""
        self._conditionally(
            lambda: self._dynamodb.put_item(
                TableName=self._settings.table,
                Item=self._item(task),
                # The deliveries too: one that ends at this moment must not be made pending again.
                ConditionExpression="#watch = :watch AND #state = :state AND #polls = :polls AND deliveries = :told",
                ExpressionAttributeNames={"#watch": "watch", "#state": "state", "#polls": "polls"},
                ExpressionAttributeValues=_values(
                    {
                        ":watch": seen.watch,
                        ":state": seen.state.value,
                        ":polls": seen.polls,
                        ":told": {name: one.to_dict() for name, one in seen.deliveries.items()},
                    }
                ),
            )
        )

    def save_look(self, task: Task, *, polls: int | None = None) -> Task:
        """Write what a look changed, and answer the task as it now stands (a destination may have been added).

        Raises StoreConflict where the task is no longer watched by this watch: stopped, superseded or ended; and, with
        ``polls``, where it has been looked at meanwhile.
        """
        if task.state.terminal:
            task = replace(task, unannounced=self._settings.event_bus != "")
        data = task.to_dict()
        if task.state.terminal:
            data = {name: value for name, value in data.items() if name not in ("batch", "due")}
        present = {name: data[name] for name in _LOOKED if name in data}
        absent = [name for name in _LOOKED if name not in data]
        if not task.open:
            absent.append("open")
        answer = self._update(
            task.id,
            assign={**_as_json(present), **attributes(task)},
            remove=absent,
            condition="#watch = :watch AND #was IN (:queued, :running)" + ("" if polls is None else " AND #p = :polls"),
            names={"#watch": "watch", "#was": "state"} | ({} if polls is None else {"#p": "polls"}),
            values={":watch": task.watch, ":queued": "queued", ":running": "running"}
            | ({} if polls is None else {":polls": polls}),
        )
        return from_item(answer)

    def due(self, batch: str, *, until: float, most: int) -> list[Task]:
        """Tasks that may share a request, due until then, the earliest first. The index lags behind by a moment."""
        found = self._dynamodb.query(
            TableName=self._settings.table,
            IndexName=self._settings.batch_index,
            KeyConditionExpression="#batch = :batch AND #due <= :until",
            ExpressionAttributeNames={"#batch": "batch", "#due": "due"},
            ExpressionAttributeValues=_values({":batch": batch, ":until": until}),
            Limit=most,
        )
        return self.get_many([item["id"]["S"] for item in found["Items"]])

    def get_many(self, ids: Sequence[str], *, complete: bool = False) -> list[Task]:
        """Of at most a hundred tasks those that the table gives at once; ``complete``: every one that there is.

        An answer has at most 16 MB: of tasks that are due, the others have executions of their own.
        """
        found: list[Task] = []
        ahead: Any = {self._settings.table: {"Keys": [_key(id) for id in ids], "ConsistentRead": True}} if ids else None
        while ahead:
            answer = self._dynamodb.batch_get_item(RequestItems=ahead)
            found += [from_item(item) for item in answer["Responses"].get(self._settings.table, [])]
            ahead = answer.get("UnprocessedKeys") if complete else None
        return found

    def add_deliveries(self, task: Task, added: Mapping[str, Delivery], own: Mapping[str, str]) -> Task:
        """Add destinations (with their sealed text, if they are the task's ``own``) to a task that is being watched."""
        assign = {f"deliveries.{name}": one.to_dict() for name, one in added.items()}
        sealed = {f"sealed.{name}": text for name, text in own.items()}
        answer = self._update(
            task.id,
            assign={**assign, **sealed},
            condition="#watch = :watch AND #was IN (:queued, :running)",
            names={"#watch": "watch", "#was": "state"},
            values={":watch": task.watch, ":queued": "queued", ":running": "running"},
        )
        return from_item(answer)

    def save_delivery(self, task: Task, name: str, delivery: Delivery) -> Task:
        """Write one delivery's progress; the last one to end takes the task off the index of open ones.

        ``task`` is as it was seen. Whatever watch it has by now, what a receiver has taken stays taken: only where the
        news is another one, or somebody else has tried meanwhile, this raises StoreConflict.
        """
        if not task.with_delivery(name, delivery).open:
            with contextlib.suppress(StoreConflict):
                return self._save_delivery(task, name, delivery, last=True)
        saved = self._save_delivery(task, name, delivery, last=False)
        if not saved.open:
            # Two deliveries ended at the same moment, and each still saw the other pending.
            self._close(saved)
        return saved

    def _save_delivery(self, task: Task, name: str, delivery: Delivery, *, last: bool) -> Task:
        """``last``: no other one is pending, which is known of the watch that was seen and of no later one."""
        seen = task.deliveries[name]
        names, values = {"#was": "state", "#n": name}, {
            ":state": task.state.value,
            ":observed": task.observed_at,
            ":tried": seen.attempts,
            ":pending": seen.state.value,
        }  # fmt: skip
        return from_item(
            self._update(
                task.id,
                assign={f"deliveries.{name}": delivery.to_dict(), "restarts": 0},
                remove=("open",) if last else (),
                condition="#was = :state AND observed_at = :observed AND deliveries.#n.attempts = :tried "
                "AND deliveries.#n.#was = :pending" + (" AND #watch = :watch" if last else ""),
                names={**names, "#watch": "watch"} if last else names,
                values={**values, ":watch": task.watch} if last else values,
            )
        )

    def reopen(self, task: Task, deliveries: Mapping[str, Delivery], *, now: float) -> Task:
        """Begin a new watch of a task that has ended, to make these deliveries: new ones, or once more.

        Raises StoreConflict if somebody else has begun one.
        """
        answer = self._update(
            task.id,
            assign={
                **{f"deliveries.{name}": one.to_dict() for name, one in deliveries.items()},
                "watch": task.watch + 1,
                "watch_since": now,
                "restarts": 0,
                "open": "yes",
            },
            condition="#was = :watch AND #state = :state",
            names={"#was": "watch", "#state": "state"},
            values={":watch": task.watch, ":state": task.state.value},
        )
        return from_item(answer)

    def save_message(self, task: Task, name: str, message: Mapping[str, str]) -> None:
        """Keep what names a live message. Raises StoreConflict where there is one."""
        self._update(
            task.id,
            assign={},
            condition="attribute_exists(deliveries.#n) AND attribute_not_exists(deliveries.#n.#m)",
            names={"#n": name, "#m": "message"},
            values={":message": dict(message)},
            more="deliveries.#n.#m = :message",
        )

    def save_answer(self, task: Task, name: str, at: float, text: str) -> None:
        """Keep what a receiver said to an attempt."""
        expires = int(task.deadline + self._settings.retention)
        item = {"id": _answer_key(task.id, name, at), "body": text, "expires_at": expires}
        self._dynamodb.put_item(
            TableName=self._settings.table, Item={key: to_attribute(value) for key, value in item.items()}
        )

    def answers(self, task: Task) -> dict[tuple[str, float], str]:
        """What receivers said, by destination and the time of the attempt, of those attempts that the log holds."""
        wanted = {
            _answer_key(task.id, name, attempt.at): (name, attempt.at)
            for name, one in task.deliveries.items()
            for attempt in one.log
            if attempt.status is not None
        }
        found = {}
        for some in batched(wanted, 100, strict=False):
            pages: Any = {self._settings.table: {"Keys": [_key(id) for id in some]}}
            while pages:
                answer = self._dynamodb.batch_get_item(RequestItems=pages)
                for item in answer["Responses"].get(self._settings.table, []):
                    plain = _plain(item)
                    found[wanted[plain["id"]]] = str(plain["body"])
                pages = answer.get("UnprocessedKeys")
        return found

    def forget_restarts(self, task: Task) -> None:
        """A watch that works starts the count of those that died anew."""
        with contextlib.suppress(StoreConflict):
            self._update(
                task.id,
                assign={"restarts": 0},
                condition="#was = :watch",
                names={"#was": "watch"},
                values={":watch": task.watch},
            )

    def stop(self, task: Task) -> Task:
        """End a watch. Raises StoreConflict where the task has ended meanwhile."""
        answer = self._update(
            task.id,
            assign=attributes(replace(task, state=State.STOPPED)),
            remove=("open", "next_poll_at", "batch", "due"),
            condition="#was IN (:queued, :running)",
            names={"#was": "state"},
            values={":queued": "queued", ":running": "running"},
        )
        return from_item(answer)

    def announced(self, task: Task) -> None:
        """The event bus knows the end of this task; where nobody else has to be told, the task is closed."""
        with contextlib.suppress(StoreConflict):
            self._update(
                task.id,
                assign={},
                remove=("unannounced",),
                condition="#state = :state AND observed_at = :observed",
                names={"#state": "state"},
                values={":state": task.state.value, ":observed": task.observed_at},
            )
        if not task.pending:
            self._close(task)

    def restart(self, task: Task, *, now: float, restarts: int) -> Task:
        """Begin a new watch, of a task whose execution has died with ``restarts`` above 0.

        What had a slot then may be dead or asleep, so the new watch takes none over. Raises StoreConflict if somebody
        else has begun one.
        """
        answer = self._update(
            task.id,
            assign={"watch": task.watch + 1, "watch_since": now, "restarts": restarts},
            remove=("slots",) if restarts else (),
            condition="#was = :watch AND attribute_exists(#open)",
            names={"#was": "watch", "#open": "open"},
            values={":watch": task.watch},
        )
        return from_item(answer)

    def open_watches(self) -> "Iterator[Watch]":
        """Every open task's watch, as far as the index holds it: the index lags behind the table by a moment."""
        for item in listed(self._dynamodb, self._settings, "yes"):
            data = _plain(item)
            yield Watch(id=data["id"], number=data["watch"], since=float(data["watch_since"]))

    def refuse_account(self, name: str, credential: str, *, task: str, now: float) -> bool:
        """Write down that an account's credential is refused; whether this task is the one that tells so.

        One task tells for all, once for each stored credential, and again after a day: a credential that works again
        without a change of ours leaves the record behind. The answer is the same when a broken look is repeated.
        """
        values = {
            ":now": now,
            ":c": credential,
            ":task": [task],
            ":none": [],
            ":day": now - TOLD_AGAIN,
            ":o": "account",
        }
        try:
            self._dynamodb.update_item(
                TableName=self._settings.table,
                Key=_key(_account_key(name)),
                UpdateExpression="SET since = :now, credential = :c, #open = :o, expires_at = :expires, "
                "told = list_append(if_not_exists(told, :none), :task)",
                ConditionExpression="attribute_not_exists(credential) OR credential <> :c OR since < :day",
                ExpressionAttributeNames={"#open": "open"},
                ExpressionAttributeValues=_values({**values, ":expires": int(now + self._settings.retention)}),
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ClientError as error:
            if not _conflict(error):
                raise
            item: Any = error.response.get("Item", {})
            return task in _plain(item).get("told", [])[-1:]
        return True

    def restore_account(self, name: str) -> list[str]:
        """Forget that an account was refused; the tasks that told so, which should be watched again."""
        try:
            answer = self._dynamodb.update_item(
                TableName=self._settings.table,
                Key=_key(_account_key(name)),
                UpdateExpression="REMOVE told, credential, #open",
                ConditionExpression="attribute_exists(credential)",
                ExpressionAttributeNames={"#open": "open"},
                ReturnValues="ALL_OLD",
            )
        except ClientError as error:
            if _conflict(error):
                return []
            raise
        return list(dict.fromkeys(_plain(answer["Attributes"]).get("told", [])))

    def refused_accounts(self) -> "Iterator[RefusedAccount]":
        """Every account that is refused, as far as the index holds it."""
        for item in listed(self._dynamodb, self._settings, "account"):
            answer = self._dynamodb.get_item(TableName=self._settings.table, Key={"id": item["id"]})
            known = _plain(answer.get("Item", {}))
            if "credential" in known:
                name = str(known["id"]).removeprefix(_ACCOUNT)
                yield RefusedAccount(
                    name=name, credential=known["credential"], told=tuple(dict.fromkeys(known["told"]))
                )

    def _close(self, task: Task) -> None:
        names = {"#watch": "watch", **{f"#d{i}": name for i, name in enumerate(task.deliveries)}, "#state": "state"}
        settled = [f"deliveries.#d{i}.#state <> :pending" for i in range(len(task.deliveries))]
        try:
            self._update(
                task.id,
                assign={},
                remove=("open",),
                condition=" AND ".join(["#watch = :watch AND attribute_not_exists(unannounced)", *settled]),
                names=names,
                values={":watch": task.watch, ":pending": "pending"},
            )
        except StoreConflict:
            return  # a destination was added meanwhile, so the task is open for a reason

    def _update(
        self,
        id: str,
        *,
        assign: Mapping[str, Any],
        condition: str,
        names: dict[str, str],
        values: dict[str, Any],
        remove: Any = (),
        more: str = "",
    ) -> dict[str, Any]:
        """One UpdateItem from a mapping of paths (``deliveries.ops``: a map and one of its keys) to values.

        ``more`` is what else is set, already as an expression.
        """
        sets, removes = [more] if more else [], []
        for number, (path, value) in enumerate(assign.items()):
            sets.append(f"{_path(path, f'a{number}', names)} = :a{number}")
            values = {**values, f":a{number}": value}
        for number, path in enumerate(remove):
            removes.append(_path(path, f"r{number}", names))
        expression = ("SET " + ", ".join(sets) if sets else "") + (" REMOVE " + ", ".join(removes) if removes else "")
        answer: Any = self._conditionally(
            lambda: self._dynamodb.update_item(
                TableName=self._settings.table,
                Key=_key(id),
                UpdateExpression=expression.strip(),
                ConditionExpression=condition,
                ExpressionAttributeNames=names,
                ExpressionAttributeValues=_values(values),
                ReturnValues="ALL_NEW",
            )
        )
        attributes: dict[str, Any] = answer["Attributes"]
        return attributes

    def _conditionally(self, write: Any) -> Any:
        try:
            return write()
        except ClientError as error:
            if _conflict(error):
                raise StoreConflict("the task has changed meanwhile") from None
            raise

    def _item(self, task: Task) -> dict[str, Any]:
        data = {"deliveries": {}, "sealed": {}, **_as_json(task.to_dict()), **attributes(task)}
        data["expires_at"] = int(task.deadline + self._settings.retention)
        if task.open:
            data["open"] = "yes"
        return {name: to_attribute(value) for name, value in data.items()}


def from_item(item: Mapping[str, Any]) -> Task:
    data = _plain(item)
    for name in _AS_JSON:
        if name in data:
            # What is no JSON, though Python writes and reads it, is of no use to anybody.
            data[name] = json.loads(data[name], parse_constant=lambda _: None)
    return Task.from_dict(data)


def reopened(task: Task, **changes: Any) -> Task:
    """The task for a new watch: a higher number, so that whatever still runs for the old one ends without a word."""
    return replace(task, watch=task.watch + 1, restarts=0, slots=(), **changes)


def _plain(item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: from_attribute(value) for name, value in item.items()}


def _answer_key(task: str, name: str, at: float) -> str:
    return f"answer#{task}#{name}#{at:.3f}"


def _account_key(name: str) -> str:
    return f"{_ACCOUNT}{name}"


def _as_json(data: dict[str, Any]) -> dict[str, Any]:
    return {name: json.dumps(value) if name in _AS_JSON else value for name, value in data.items()}


def _path(path: str, label: str, names: dict[str, str]) -> str:
    head, _, tail = path.partition(".")
    names[f"#{label}"] = head
    if not tail:
        return f"#{label}"
    names[f"#{label}t"] = tail
    return f"#{label}.#{label}t"


def _key(id: str) -> dict[str, Any]:
    return {"id": {"S": id}}


def _values(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: to_attribute(value) for name, value in values.items()}


def _conflict(error: ClientError) -> bool:
    return error.response["Error"]["Code"] == "ConditionalCheckFailedException"
