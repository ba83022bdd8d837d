"""Which tasks a list is to show: the filters of a query, checked."""

from collections.abc import Callable

from taskhook.api.problem import FieldError, invalid
from taskhook.errors import CatalogueError
from taskhook.listing import Choice
from taskhook.providers import catalogue
from taskhook.providers.model import Provider


def chosen(
    find: Callable[[str], Provider | None], *, state: str | None, provider: str | None, account: str | None
) -> Choice:
    """Raises ProblemError where there is no such provider. An account that is gone still has tasks."""
    return Choice(account=account, provider=provider if provider is None else _full(find, provider), state=state)


def _full(find: Callable[[str], Provider | None], name: str) -> str:
    try:
        found = find(name)
    except CatalogueError:
        return name  # an operator's entry that has broken since: its tasks are listed by the full name
    if found is None:
        raise invalid([FieldError("provider", no_such_provider(name))], query=True)
    return found.name


def no_such_provider(name: str) -> str:
    close = catalogue.nearest(name)
    meant = f"; did you mean {' or '.join(close)}?" if close else ""
    return f"'{name[:100]}' is not a provider{meant or '.'} GET /providers lists them all"
