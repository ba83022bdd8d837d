"""Which tasks a submission is about: from the argument, or from what a cloud's tool printed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from taskhook_cli.catalogue import id_facts, parts_of, paths_of
from taskhook_cli.cloud_output import CloudError, Output, Value, cloud_error
from taskhook_cli.errors import CommandError
from taskhook_cli.picking import Picked, members, pick
from taskhook_cli.safe import clean

MOST_MEMBERS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """``refused`` are calls of the same input that have failed, so that there is no task."""

    ids: tuple[Value, ...]
    refused: tuple[CloudError, ...] = ()


def from_documents(
    output: Output, provider: dict[str, Any], path: str | None, tell: Callable[[str], None], *, compose: bool = True
) -> Asked:
    """``compose``: whether an id of several parts may be put together from its parts.

    Raises CommandError when a document has no id, or all of them are errors."""
    paths = [path] if path else paths_of(provider)
    ids: list[Value] = []
    refused: list[CloudError] = []
    for document in output.documents:
        if error := cloud_error(document):
            refused.append(error)
        elif compose and (whole := _composed(document, provider, paths)):
            tell(f"took {whole.where}: {clean(whole.values[0])}")
            ids += whole.values
        else:
            ids += _picked(document, provider, paths, tell)
    if not ids:
        raise CommandError("\n".join(["nothing was submitted:", *(f"  {one}" for one in refused)]))
    return Asked(ids=tuple(dict.fromkeys(ids)), refused=tuple(refused))


def _picked(document: Any, provider: dict[str, Any], paths: Sequence[str], tell: Callable[[str], None]) -> list[Value]:
    found = pick(document, paths)
    if found is None:
        raise CommandError(_nothing_found(document, provider, paths))
    shown = ", ".join(str(one) for one in found.values[:3]) + (", ..." if len(found.values) > 3 else "")
    tell(f"took {found.where}: {clean(shown)}")
    return list(found.values)


def _composed(document: Any, provider: dict[str, Any], paths: Sequence[str]) -> Picked | None:
    """An id of several parts from an answer that has all of them, each by its name: ``{ClusterId}/{OperationId}``.

    The last part may also be where the provider's paths say, unless that is one of the other parts.
    """
    names = [part.strip("{}").partition(":")[0] for part in parts_of(provider)]
    if len(names) < 2:
        return None
    others = {name.lower() for name in names[:-1]}
    last = [names[-1], *(path for path in paths if path.lower() not in others)]
    found = [one for name in [[name] for name in names[:-1]] + [last] if (one := pick(document, name))]
    if len(found) < len(names) or any(len(one.values) != 1 for one in found):
        return None
    whole = "/".join(str(one.values[0]) for one in found)
    return Picked(path="/".join(one.where for one in found), below=None, values=(whole,))


def _nothing_found(document: Any, provider: dict[str, Any], paths: Sequence[str]) -> str:
    there = members(document)
    shown = ", ".join(there[:MOST_MEMBERS]) + (", ..." if len(there) > MOST_MEMBERS else "")
    return (
        f"there is no task id for {provider.get('name')} in this document.\n"
        f"  looked for: {', '.join(paths)} ({id_facts(provider).get('found') or 'see taskhook providers'})\n"
        f"  it has: {shown or 'no members'}\n"
        "  Name another place with --id-path, or the id itself: taskhook submit PROVIDER TASK_ID"
    )


def templated(ids: Sequence[Value], template: str | None) -> tuple[Value, ...]:
    """``ins-1/{}`` puts each id into the place of the braces."""
    return tuple(ids) if template is None else tuple(template.replace("{}", str(one)) for one in ids)


def check_parts(ids: Sequence[Value], provider: dict[str, Any]) -> None:
    """An id of several parts is in no answer as a whole: what is missing must be said before it is posted."""
    parts = parts_of(provider)
    if all(str(one).count("/") + 1 >= len(parts) for one in ids):
        return
    known = "/".join(["..."] * (len(parts) - 1))
    raise CommandError(
        f"a task id of {provider.get('name')} is {id_facts(provider).get('form')}, and the answer has one part of it: "
        f"add the others with --id-template '{known}/{{}}'"
    )
