"""The service's calls, one function each. What comes back is the service's own JSON."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from taskhook_cli.client import Answer, Call, Client, segment
from taskhook_cli.errors import CommandError, Refused

type Record = dict[str, Any]

MOST_IN_A_BATCH = 100
MOST_IN_A_PAGE = 100
ONE_AT_WORK = frozenset({409})
"""Of a post with an Idempotency-Key: an earlier one with this key has not ended yet."""


@dataclass(frozen=True, slots=True)
class Api:
    client: Client

    # --- tasks ---

    def post_task(self, body: Record, key: str) -> Record:
        return self.client.send(_post("/tasks", body, key, busy=ONE_AT_WORK)).json()

    def post_batch(self, tasks: list[Record], key: str) -> list[Record]:
        """Results in the order of the request. A batch whose body is too large is sent in halves."""
        try:
            answer = self.client.send(_post("/tasks/batch", {"tasks": tasks}, key, busy=ONE_AT_WORK)).json()
        except Refused as refused:
            if refused.status != 413 or len(tasks) < 2:
                raise
            half = len(tasks) // 2
            return self.post_batch(tasks[:half], key + "-a") + self.post_batch(tasks[half:], key + "-b")
        results = records(answer, "results")
        if len(results) != len(tasks):
            raise CommandError("the service did not answer for every task of the batch")
        return results

    def look(self, id: str, *, etag: str | None = None, wait: int = 0, patience: float | None = None) -> Answer:
        """304 where nothing has changed since ``etag``."""
        headers = {"If-None-Match": etag} if etag else {}
        query = {"wait": wait} if wait else {}
        call = Call(method="GET", path=_task(id), query=query, headers=headers, wait=wait)
        try:
            return self.client.send(call, patience=patience)
        except Refused as refused:
            raise _explained(refused) from None

    def task(self, id: str, *, patience: float | None = None) -> Record:
        return self.look(id, patience=patience).json()

    def timeline(self, id: str) -> list[Record]:
        return records(self._get(f"{_task(id)}/timeline").json(), "timeline")

    def page(self, query: Mapping[str, Any]) -> tuple[list[Record], str | None]:
        """Tasks, newest first, and the cursor of the next page."""
        answer = self._get("/tasks", query).json()
        cursor = answer.get("next_cursor")
        return records(answer, "tasks"), cursor if isinstance(cursor, str) and cursor else None

    def tasks(self, filters: Mapping[str, Any], page_size: int = MOST_IN_A_PAGE) -> Iterator[Record]:
        """All of them, page by page."""
        query: dict[str, Any] = {**filters, "limit": page_size}
        while True:
            found, cursor = self.page(query)
            yield from found
            if cursor is None:
                return
            if cursor == query.get("cursor"):
                raise CommandError("the service gives the same page again and again")
            query["cursor"] = cursor

    def stop(self, id: str) -> Record:
        """A task that is stopped already is as it was wished to be: the answer to an earlier try may have been lost."""
        try:
            return self.client.send(Call(method="DELETE", path=_task(id))).json()
        except Refused as refused:
            if refused.status == 409 and (task := self.task(id)).get("state") == "stopped":
                return task
            raise _explained(refused) from None

    def redeliver(self, id: str, destination: str, key: str) -> Record:
        path = f"{_task(id)}/deliveries/{segment(destination, 'destination')}"
        return self.client.send(_post(path, None, key)).json()

    # --- the rest ---

    def destinations(self) -> list[Record]:
        return records(self._get("/destinations").json(), "destinations")

    def test_destination(self, name: str, key: str) -> Record:
        return self.client.send(_post(f"{_destination(name)}/test", None, key)).json()

    def release(self, name: str, wish: Record, key: str) -> Record:
        return self.client.send(_post(f"{_destination(name)}/deliveries", wish, key)).json()

    def put_destination(self, name: str, record: Record) -> Record:
        return self.client.send(Call(method="PUT", path=_destination(name), body=record)).json()

    def delete_destination(self, name: str) -> None:
        """A second try that finds nothing follows a first one that has done it."""
        try:
            self.client.send(Call(method="DELETE", path=_destination(name)))
        except Refused as refused:
            if refused.status != 404 or refused.tries == 1:
                raise

    def providers(self, etag: str | None = None) -> Answer:
        headers = {"If-None-Match": etag} if etag else {}
        return self.client.send(Call(method="GET", path="/providers", headers=headers))

    def _get(self, path: str, query: Mapping[str, Any] | None = None) -> Answer:
        try:
            return self.client.send(Call(method="GET", path=path, query=query or {}))
        except Refused as refused:
            raise _explained(refused) if path.startswith("/tasks/") else refused from None


def _post(path: str, body: Any, key: str, busy: frozenset[int] = frozenset()) -> Call:
    return Call(method="POST", path=path, body=body, headers={"Idempotency-Key": key}, busy=busy)


def _task(id: str) -> str:
    return f"/tasks/{segment(id, 'task id')}"


def _destination(name: str) -> str:
    return f"/destinations/{segment(name, 'destination')}"


def records(answer: Record, member: str) -> list[Record]:
    found = answer.get(member)
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise CommandError(f"the answer is not taskhook's: it has no list '{member}'. Is the address the right one?")
    return found


def _explained(refused: Refused) -> Refused:
    """The commonest mistake with a task id: the cloud's own in place of taskhook's."""
    if refused.status != 404:
        return refused
    hint = "Wanted is the id that `taskhook submit` printed, not the cloud's; `taskhook list` shows both."
    return Refused(404, refused.detail, refused.faults, hint)
