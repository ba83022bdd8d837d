"""``python -m local.providers_page``: writes docs/providers.md from the catalogue. A test holds the two together."""

import sys
from collections.abc import Iterable, Iterator

from local.settings import REPOSITORY

sys.path.append(str(REPOSITORY / "layers" / "taskhook"))

from taskhook.providers.listing import built_in
from taskhook.providers.model import Provider
from taskhook.states import State

PAGE = REPOSITORY / "docs" / "providers.md"
_CLOUDS = {"tencent": "Tencent Cloud", "alibaba": "Alibaba Cloud"}
_ORDER = (State.RUNNING, State.SUCCEEDED, State.PARTIAL, State.FAILED, State.CANCELED)

_HEAD = """\
# Providers

<!-- Made by `make docs` from layers/taskhook/taskhook/catalogue; a test fails when the two differ. -->

{count} status APIs. `GET /providers` answers the same list, with what an operator has added to it;
[add-a-provider.md](add-a-provider.md) says how to add one.

A provider is named `<cloud>.<service>.<Action>`; where a line shows a short name as well, it means the same. A task id
is what the line says, with slashes where the API needs more than one value: `emr-1a2b3c/4711`. Words are the
provider's own; their case does not matter, and a word that is not listed is never a success.
"""


def page() -> str:
    rows = list(built_in())
    parts = [_HEAD.format(count=len(rows))]
    for cloud, name in _CLOUDS.items():
        mine = [(one, short) for one, short in rows if one.cloud == cloud]
        parts += [f"\n## {name} ({len(mine)})\n", *_sections(mine)]
    return "".join(parts)


def _sections(rows: Iterable[tuple[Provider, bool]]) -> Iterator[str]:
    title = None
    for provider, short in rows:
        if provider.title != title:
            title = provider.title
            yield f"\n### {title}\n"
        yield f"\n**`{provider.name}`**" + (f" or `{provider.name.rpartition('.')[0]}`" if short else "") + "\n\n"
        yield "".join(f"- {line}\n" for line in _lines(provider))


def _lines(provider: Provider) -> Iterator[str]:
    form = (
        f"`{provider.task_id.form.replace('{', '').replace('}', '')}`" if len(provider.task_id.parts) > 1 else "task id"
    )
    example = f", as in `{provider.task_id.example}`" if provider.task_id.example else ""
    yield f"{form}: {provider.task_id.found}{example}"
    yield "; ".join(f"{state.value}: {_words(provider, state)}" for state in _ORDER if _words(provider, state))
    facts = [
        "region needed" if provider.region == "required" else "no region needed",
        f"at most {provider.rate_limit}" if provider.rate_limit else "no documented limit",
        f"up to {provider.batch.most} tasks in one request" if provider.batch else "",
        f"version {provider.version}" if provider.version else "API 2.0",
    ]
    yield "; ".join(one for one in facts if one)
    if provider.note:
        yield provider.note
    yield f"source: <{provider.source}>" if provider.source.startswith("http") else f"source: {provider.source}"


def _words(provider: Provider, state: State) -> str:
    return ", ".join(f"`{word}`" for word, meant in provider.spelled.items() if meant is state)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"{PAGE.relative_to(REPOSITORY)} is up to date")
