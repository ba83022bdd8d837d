"""Those who post: a bounded number of threads, each with one connection that it keeps."""

import http.client
import itertools
import json
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

THREADS = 16


def post_all(url: str, bodies: Iterable[Any], headers: Mapping[str, str], status: int = 202) -> tuple[float, list[Any]]:
    """Seconds for all of them, and the answers. Raises RuntimeError for an answer with another status."""
    crowd = _Crowd(url, bodies, headers, status)
    began = time.monotonic()
    threads = [threading.Thread(target=crowd.work, daemon=True) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if crowd.faults:
        raise RuntimeError(f"{len(crowd.faults)} of the posts failed: {crowd.faults[0]}")
    return time.monotonic() - began, crowd.answers


class _Crowd:
    def __init__(self, url: str, bodies: Iterable[Any], headers: Mapping[str, str], status: int) -> None:
        self._url = urlsplit(url)
        self._bodies = iter(bodies)
        self._headers = {**headers, "Content-Type": "application/json"}
        self._status = status
        self._lock = threading.Lock()
        self.answers: list[Any] = []
        self.faults: list[str] = []

    def work(self) -> None:
        connection = http.client.HTTPConnection(self._url.netloc, timeout=120)
        try:
            for body in self._mine():
                connection.request("POST", self._url.path, json.dumps(body), self._headers)
                response = connection.getresponse()
                content = response.read()
                if response.status != self._status:
                    self.faults.append(f"{response.status} {content[:300]!r}")
                    return
                self.answers.append(json.loads(content))
        except (OSError, http.client.HTTPException) as error:
            self.faults.append(repr(error))
        finally:
            connection.close()

    def _mine(self) -> Iterator[Any]:
        while not self.faults:
            with self._lock:
                body = list(itertools.islice(self._bodies, 1))
            if not body:
                return
            yield body[0]
