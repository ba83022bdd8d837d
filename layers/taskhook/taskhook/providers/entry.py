"""One entry of the catalogue: from a TOML table to a Provider, or to a fault with its line.

docs/add-a-provider.md describes the format for people, catalogue/schema.json for editors.
"""

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError
from jmespath.functions import Functions

from taskhook.accounts import SERVICE
from taskhook.providers import filling, refusals, regions
from taskhook.providers.model import ANY_ID, WHOLE_NUMBER, Batch, Paging, Part, Path, Provider, Table, TaskId
from taskhook.states import State

STYLES = {"tencent": ("tc3", "v2"), "alibaba": ("rpc", "roa")}
CODE = ("bm", "media")
"""Modules that an entry may name in ``code``."""

ENDINGS = (State.RUNNING, State.SUCCEEDED, State.FAILED, State.PARTIAL, State.CANCELED)

FILE_KEYS = frozenset({"usual", "hosts"})
"""What stands at the head of a file only; everything else there holds for each of its entries."""
ENTRY_KEYS = frozenset({
    "action", "at", "batch", "code", "docs", "error_code", "errors", "example", "failed_if", "finished_at", "found",
    "hint", "host", "message", "note", "pages", "partial_if", "paths", "patterns", "progress", "rate", "reason",
    "region", "request", "resource", "resources", "result", "sdk", "send", "service", "signature", "started_at",
    "states", "status", "style", "task_id", "title", "twice", "type", "version", "where",
})  # fmt: skip

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_PART = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)(:int)?(\?)?\}")
_MEMBER = re.compile(r"[A-Za-z_]\w*(\[\])?(\.[A-Za-z_]\w*(\[\])?)*", re.ASCII)
_RATE = re.compile(r"[1-9][0-9]*/(s|min)")
_VERSION = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_HOST = re.compile(r"([a-z0-9{}_-]+\.)+[a-z]{2,}", re.IGNORECASE)
_REQUEST = re.compile(r"(GET|POST)(?: (/(?!/)\S*))?")
_LONGEST_TEXT = 500
_LONGEST_PATTERN = 200
_REPEATED_GROUP = re.compile(r"\)[*+{]")
_FUNCTIONS = frozenset(Functions.FUNCTION_TABLE)
_COMPARISONS = ("contains", "starts_with", "ends_with")


class Fault(Exception):
    """What is wrong with an entry. ``key`` is the key at fault, as far as it is one."""

    def __init__(self, key: str | None, reason: str) -> None:
        super().__init__(reason)
        self.key = key
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Where an entry stands: ``alibaba.ecs`` and what the head of its file says."""

    cloud: str
    service: str
    head: Mapping[str, Any]
    origin: str = "built in"


def parse(context: Context, action: str, table: Any) -> Provider:
    """Raises Fault."""
    if not isinstance(table, dict):
        raise Fault(action, "must be a table of keys")
    _check_keys(table, ENTRY_KEYS)
    reader = _Reader({**{key: value for key, value in context.head.items() if key != "usual"}, **table})
    return reader.provider(context, action)


def check_head(cloud: str, head: Mapping[str, Any]) -> None:
    """Raises Fault for a head that no entry can stand under."""
    if cloud not in STYLES:
        raise Fault(None, f"'{cloud}' is no cloud that taskhook knows; known are {', '.join(STYLES)}")
    _check_keys(head, FILE_KEYS | ENTRY_KEYS)


def _check_keys(table: Mapping[str, Any], known: frozenset[str]) -> None:
    for key in table:
        if key not in known:
            close = difflib.get_close_matches(key, sorted(known), n=1)
            meant = f"; did you mean '{close[0]}'?" if close else f"; the keys are {', '.join(sorted(known))}"
            raise Fault(key, f"'{key}' is not a key of an entry{meant}")


class _Reader:
    """Reads the keys one after the other. Each method raises Fault."""

    def __init__(self, table: Mapping[str, Any]) -> None:
        self._table = table

    def provider(self, context: Context, name: str) -> Provider:
        style = self._style(context.cloud)
        task_id = self._task_id()
        host = self._host(context, style, task_id)
        method, path = self._request(style, task_id)
        words, spelled = self._states()
        send = self._send(task_id, path)
        self._check_parts_used(task_id, send, path, host)
        return Provider(
            name=f"{context.cloud}.{context.service}.{name}",
            title=self._text("title") or context.service,
            style=style,
            service=self._text("service", SERVICE) or context.service,
            action=self._text("action", _NAME) or name,
            version=self._version(style),
            method=method,
            path=path,
            signature=self._signature(style),
            host=host,
            hosts=self._hosts(),
            task_id=task_id,
            region=self._region(host, send),
            regions=regions.of(context.cloud, short=style == "v2"),
            send=send,
            words=words,
            spelled=spelled,
            passing=self._passing(words),
            at=self._path("at"),
            where=self._where(task_id),
            status=self._required_path("status"),
            type=self._path("type"),
            failed_if=self._condition("failed_if"),
            partial_if=self._condition("partial_if"),
            message=self._path("message"),
            reason=self._path("reason"),
            error_code=self._path("error_code"),
            progress=self._progress(),
            resource=self._path("resource"),
            resources=self._path("resources"),
            result=self._path("result"),
            started_at=self._path("started_at"),
            finished_at=self._path("finished_at"),
            paging=self._paging(),
            batch=self._batch(task_id, send, path),
            errors=self._errors(),
            rate_limit=self._text("rate", _RATE),
            hint=self._text("hint"),
            note=self._text("note"),
            source=self._text("docs") or self._sdk(context.cloud),
            code=self._one_of("code", CODE),
            origin=context.origin,
        )

    def _text(self, key: str, pattern: re.Pattern[str] | None = None) -> str | None:
        value = self._table.get(key)
        if value is None:
            return None
        if not isinstance(value, str) or not value.strip() or not value.isprintable() or len(value) > _LONGEST_TEXT:
            raise Fault(key, f"'{key}' must be a text of one line, of at most {_LONGEST_TEXT} characters")
        if pattern is not None and not pattern.fullmatch(value):
            raise Fault(key, f"'{key}' must look like {pattern.pattern}")
        return value.strip()

    def _required(self, key: str) -> str:
        value = self._text(key)
        if value is None:
            raise Fault(None, f"'{key}' is missing")
        return value

    def _one_of[T: str](self, key: str, choices: tuple[T, ...]) -> T | None:
        value = self._table.get(key)
        for one in choices:
            if value == one:
                return one
        if value is None:
            return None
        raise Fault(key, f"'{key}' must be one of {', '.join(choices)}")

    def _style(self, cloud: str) -> Any:
        return self._one_of("style", STYLES[cloud]) or STYLES[cloud][0]

    def _signature(self, style: str) -> Any:
        signature = self._one_of("signature", ("acs3", "hmac-sha1"))
        if signature is not None and style != "roa":
            raise Fault("signature", "only a roa API can be signed in another way")
        return signature or "acs3"

    def _version(self, style: str) -> str | None:
        version = self._text("version", _VERSION)
        if version is None and style != "v2":
            raise Fault(None, "'version' is missing, as in version = \"2018-03-17\"")
        return version

    def _sdk(self, cloud: str) -> str:
        sdk = self._text("sdk")
        if sdk is None:
            raise Fault(None, "'docs' (a page that describes the API) or 'sdk' (package and version) is missing")
        return f"SDK model: {sdk}"

    def _task_id(self) -> TaskId:
        form = self._required("task_id")
        patterns = self._mapping("patterns")
        parts = tuple(self._part(one, patterns) for one in form.split("/"))
        if len({part.name for part in parts}) < len(parts):
            raise Fault("task_id", "each part of the task id needs a name of its own")
        if any(part.optional for part in parts[1:]):
            raise Fault("task_id", "only the first part of a task id can be optional")
        if parts[0].optional and len(parts) == 1:
            raise Fault("task_id", "a task id cannot be left out")
        if unknown := set(patterns) - {part.name for part in parts}:
            raise Fault("patterns", f"'{min(unknown)}' is not a part of the task id")
        found = self._required("found")
        task_id = TaskId(parts=parts, found=found, example=self._text("example"), paths=self._paths(found))
        if task_id.example is not None and task_id.canonical(task_id.example) != task_id.example:
            raise Fault("example", "the example is no task id of this form")
        return task_id

    def _paths(self, found: str) -> tuple[str, ...]:
        """As the entry says, else the names that ``found`` quotes: they are what people are told to look for."""
        paths = self._table.get("paths")
        if paths is None:
            return tuple(name for name in re.findall("`([^`]+)`", found) if _MEMBER.fullmatch(name))
        if not isinstance(paths, list) or not all(isinstance(one, str) and _MEMBER.fullmatch(one) for one in paths):
            raise Fault("paths", "'paths' must be a list of paths such as RequestId, Data.TaskId or Jobs[].JobId")
        return tuple(paths)

    def _part(self, form: str, patterns: Mapping[str, Any]) -> Part:
        found = _PART.fullmatch(form)
        if found is None:
            raise Fault("task_id", "must be like {TaskId}, {FlowId:int}, or {ClusterId}/{TaskId}")
        name, integer, optional = found[1], bool(found[2]), bool(found[3])
        if filling.is_known(name, set()):
            raise Fault("task_id", f"'{name}' is the name of something else")
        pattern = WHOLE_NUMBER if integer else ANY_ID
        if name in patterns:
            pattern = _regex(patterns[name])
        return Part(name=name, integer=integer, optional=optional, pattern=pattern)

    def _host(self, context: Context, style: str, task_id: TaskId) -> str | None:
        host = self._text("host", _HOST)
        if host is None:
            return f"{context.service}.{{region}}.aliyuncs.com" if context.cloud == "alibaba" else None
        if style == "v2":
            raise Fault("host", "the hosts of API 2.0 follow from the service")
        self._check_placeholders("host", host, task_id)
        if "{" in "".join(host.split(".")[-2:]):
            raise Fault("host", "the last two parts of a host cannot be placeholders: it would be anybody's")
        return host

    def _hosts(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for host, names in self._mapping("hosts").items():
            if not _HOST.fullmatch(host) or not isinstance(names, str):
                raise Fault("hosts", f"'{host}' must be a host with the text of its regions, separated by blanks")
            for region in names.split():
                if found.setdefault(region, host) != host:
                    raise Fault("hosts", f"'{region}' has two hosts")
        return found

    def _request(self, style: str, task_id: TaskId) -> tuple[str, str]:
        request = self._text("request")
        found = _REQUEST.fullmatch(request or "POST")
        if found is None:
            raise Fault("request", "must be like 'POST' or 'GET /tasks/{task_id}'")
        if style == "roa" and not found[2]:
            raise Fault("request" if request else None, "a roa API needs 'request', as in 'GET /tasks/{task_id}'")
        if style != "roa" and found[2]:
            raise Fault("request", f"a {style} API has no path of its own")
        if style in ("tc3", "v2") and found[1] != "POST":
            raise Fault("request", f"a {style} API is called by POST here")
        path = found[2] or ("/v2/index.php" if style == "v2" else "/")
        self._check_placeholders("request", path, task_id)
        return found[1], path

    def _region(self, host: str | None, send: Mapping[str, Any]) -> Any:
        chosen = self._one_of("region", ("required", "optional"))
        if "region" in (*filling.names(host or ""), *filling.names(dict(send))):
            if chosen == "optional":
                raise Fault("region", "'region' cannot be optional: the host or a parameter is made from it")
            return "required"
        return chosen or ("required" if host is None else "optional")

    def _send(self, task_id: TaskId, path: str) -> dict[str, Any]:
        if "send" not in self._table:
            used = set(filling.names(path)) | set(filling.names(self._table.get("host", "")))
            return {part.name: f"{{{part.name}}}" for part in task_id.parts if part.name not in used}
        send = dict(self._mapping("send"))
        self._check_placeholders("send", send, task_id)
        _check_sendable(send)
        return send

    def _check_parts_used(self, task_id: TaskId, send: Mapping[str, Any], path: str, host: str | None) -> None:
        where = [text for _, text in self._where(task_id).values()]
        used = {*filling.names(dict(send)), *filling.names(path), *filling.names(host or ""), *filling.names(where)}
        for part in task_id.parts:
            if part.name not in used:
                raise Fault("task_id", f"nothing uses the part '{part.name}'")

    def _check_placeholders(self, key: str, template: Any, task_id: TaskId) -> None:
        parts = {part.name for part in task_id.parts}
        for name in filling.names(template):
            if not filling.is_known(name, parts):
                raise Fault(key, f"'{{{name}}}' is no part of the task id, and not region, now or days_ago_N")

    def _states(self) -> tuple[dict[str, State], dict[str, State]]:
        table = self._mapping("states")
        if not table:
            raise Fault(None, "'states' is missing: it lists the status words of each state")
        words: dict[str, State] = {}
        spelled: dict[str, State] = {}
        for name, listed in table.items():
            state = next((one for one in ENDINGS if one.value == name), None)
            if state is None:
                raise Fault("states", f"'{name}' must be one of {', '.join(one.value for one in ENDINGS)}")
            if not isinstance(listed, list) or not listed:
                raise Fault("states", f"the words of '{name}' must be a list of texts and whole numbers")
            for word in listed:
                text = self._word(word)
                if words.setdefault(text.casefold(), state) is not state:
                    raise Fault("states", f"'{text}' has two states")
                spelled[text] = state
        for needed in (State.RUNNING, State.SUCCEEDED):
            if needed not in words.values():
                raise Fault("states", f"no word means '{needed.value}'")
        return words, spelled

    def _word(self, word: Any) -> str:
        if isinstance(word, bool) or not isinstance(word, str | int) or not str(word).strip():
            raise Fault("states", f"{word!r} is not a status word: a text or a whole number")
        return str(word).strip()

    def _passing(self, words: Mapping[str, State]) -> frozenset[str]:
        listed = self._table.get("twice", [])
        if not isinstance(listed, list):
            raise Fault("twice", "'twice' must be a list of status words")
        folded = frozenset(str(word).casefold() for word in listed)
        for word in folded:
            if word not in words or words[word] is State.RUNNING:
                raise Fault("twice", f"'{word}' is not a final status word")
        return folded

    def _where(self, task_id: TaskId) -> dict[str, tuple[Path, str]]:
        where = self._mapping("where")
        if where and "at" not in self._table:
            raise Fault("where", "'where' picks from the list that 'at' names; 'at' is missing")
        for expression, text in where.items():
            if not isinstance(text, str):
                raise Fault("where", f"'{expression}' must be compared with a text such as \"{{TaskId}}\"")
        self._check_placeholders("where", where, task_id)
        return {expression: (_compiled("where", expression), text) for expression, text in where.items()}

    def _path(self, key: str) -> Path | None:
        text = self._text(key)
        return _compiled(key, text) if text is not None else None

    def _condition(self, key: str) -> Path | None:
        text = self._text(key)
        if text is None:
            return None
        path = _compiled(key, text)
        if not _is_condition(path.compiled.parsed):
            raise Fault(key, f"'{key}' must be a comparison, as in \"to_number(FailedCount) > `0`\"")
        return path

    def _required_path(self, key: str) -> Path:
        return _compiled(key, self._required(key))

    def _progress(self) -> tuple[Path, Path] | None:
        text = self._text("progress")
        if text is None:
            return None
        done, slash, whole = text.rpartition(" / ")
        if not slash:
            raise Fault("progress", 'must say of how much, as in "Progress / 100" or "Done / Total"')
        number = re.fullmatch(r"[1-9][0-9]*", whole)
        return _compiled("progress", done), _compiled("progress", f"`{whole}`" if number else whole)

    def _paging(self) -> Paging | None:
        pages = self._mapping("pages")
        if not pages:
            return None
        size: Any = pages.get("size")
        texts = [pages[name] for name in ("offset", "number", "total") if name in pages]
        wrong = type(size) is not int or size < 1 or not all(isinstance(one, str) and one for one in texts)
        if set(pages) - {"size", "offset", "number", "total"} or wrong:
            raise Fault("pages", 'must be like { size = 100, offset = "Offset", total = "TotalCount" }')
        if ("offset" in pages) == ("number" in pages) or "at" not in self._table:
            raise Fault("pages", "needs 'at', and either 'offset' or 'number'")
        if size not in self._mapping("send").values():
            raise Fault("pages", f"'send' must ask for pages of this size, as in Limit = {size}")
        total = _compiled("pages", str(pages.get("total", "")))
        return Paging(total=total, size=size, offset=pages.get("offset"), number=pages.get("number"))

    def _batch(self, task_id: TaskId, send: Mapping[str, Any], path: str) -> Batch | None:
        batch = self._mapping("batch")
        if not batch:
            return None
        most: Any = batch.get("most")
        join = batch.get("join")
        wrong = type(most) is not int or most < 2 or not (join is None or (isinstance(join, str) and join))
        if set(batch) - {"most", "join"} or wrong:
            raise Fault("batch", 'must be like { most = 100 } or { most = 10, join = "," }')
        parts = [part.name for part in task_id.parts]
        places = [value for value in (*send.values(), path) if parts[-1] in filling.names(value)]
        if len(places) != 1 or places[0] is path or not isinstance(places[0], list if join is None else str):
            raise Fault("batch", f"needs {{{parts[-1]}}} in one list of 'send', or in one text where ids are joined")
        if "where" not in self._table:
            raise Fault("batch", "needs 'where', which tells one task's part of the answer from another's")
        varied = set(filling.names(places[0]))
        return Batch(most=most, join=join, shared=tuple(name for name in parts if name not in varied))

    def _errors(self) -> Table:
        table = {}
        for kind, codes in self._mapping("errors").items():
            row = refusals.KINDS.get(kind)
            if row is None or not isinstance(codes, list) or not all(isinstance(one, str | int) for one in codes):
                raise Fault("errors", f"'{kind}' must be one of {', '.join(refusals.KINDS)}, with a list of codes")
            table.update(dict.fromkeys(map(str, codes), row))
        return table

    def _mapping(self, key: str) -> dict[str, Any]:
        value = self._table.get(key, {})
        if not isinstance(value, dict):
            raise Fault(key, f"'{key}' must be a table")
        return value


def _regex(text: Any) -> re.Pattern[str]:
    if not isinstance(text, str) or len(text) > _LONGEST_PATTERN:
        raise Fault("patterns", f"a pattern must be a text of at most {_LONGEST_PATTERN} characters")
    if _REPEATED_GROUP.search(text):
        raise Fault("patterns", f"{text[:100]!r} repeats a group: such a pattern may take for ever to match")
    try:
        return re.compile(text)
    except (re.error, TypeError, OverflowError, RecursionError):
        raise Fault("patterns", f"{text!r:.100} is not a regular expression") from None


def _check_sendable(value: Any) -> None:
    """A request's parameters are JSON: TOML's dates and its NaN are not."""
    if isinstance(value, dict):
        for one in value.values():
            _check_sendable(one)
    elif isinstance(value, list):
        for one in value:
            _check_sendable(one)
    elif not isinstance(value, str | int | float) or value != value or value in (float("inf"), float("-inf")):
        raise Fault("send", f"{value!s:.100} cannot be sent: write it as a text")


def _is_condition(node: Any) -> bool:
    """Whether an expression is true or false, and not just something or nothing."""
    match node["type"]:
        case "comparator":
            return True
        case "and_expression" | "or_expression" | "not_expression":
            return all(map(_is_condition, node["children"]))
        case "function_expression":
            return node["value"] in _COMPARISONS
    return False


def _unknown_function(node: Any) -> str | None:
    if node["type"] == "function_expression" and node["value"] not in _FUNCTIONS:
        return str(node["value"])
    found = (_unknown_function(one) for one in node.get("children", []) if isinstance(one, dict))
    return next((one for one in found if one is not None), None)


@dataclass(frozen=True, slots=True)
class _Expression:
    """A JMESPath that finds nothing where it does not fit, instead of raising."""

    expression: str
    compiled: Any

    def search(self, value: Any) -> Any:
        try:
            return self.compiled.search(value)
        except (JMESPathError, TypeError, ValueError, RecursionError):
            return None


def _compiled(key: str, expression: str) -> _Expression:
    if len(expression) > _LONGEST_TEXT:
        raise Fault(key, f"'{expression:.50}...' is longer than {_LONGEST_TEXT} characters")
    try:
        compiled = jmespath.compile(expression)
        unknown = _unknown_function(compiled.parsed)
    except JMESPathError as error:
        reason = " ".join(str(error).split())
        raise Fault(key, f"'{expression:.100}' is not a JMESPath: {reason:.200}") from None
    if unknown is not None:
        raise Fault(key, f"JMESPath has no function '{unknown}'")
    return _Expression(expression, compiled)
