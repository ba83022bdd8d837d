"""The credentials to look with: those that are stored, or those of a role that they assume."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from taskhook import http, roles
from taskhook.accounts import Account
from taskhook.errors import ConfigError
from taskhook.memory import remember
from taskhook.providers.model import Refusal, Trouble
from taskhook.secret import Parameters
from taskhook.task import Problem
from taskhook.times import rfc3339

RENEWED_BEFORE = 300.0
"""Seconds before their expiry at which temporary credentials are no longer used."""
REFUSAL_SECONDS = 60.0
"""How long a role that was refused is not assumed again, unless a record changes."""


@dataclass(frozen=True, slots=True)
class _Assumed:
    """What STS made of this version of the stored records."""

    version: str
    outcome: Account | Refusal
    until: float


class Accounts:
    """The accounts of this installation, ready to sign with. ``clock`` gives seconds since the epoch."""

    def __init__(self, parameters: Parameters, *, clock: Callable[[], float], send: roles.Send = http.send) -> None:
        self._parameters = parameters
        self._clock = clock
        self._send = send
        self._assumed: dict[str, _Assumed] = {}

    def account(self, name: str, *, fresh: bool = False) -> Account | Refusal:
        """An account that has no role, or has assumed it; ``fresh`` reads and assumes anew.

        A Refusal says why there are no credentials; its trouble is CREDENTIALS where a person must repair something,
        and its ``credential`` is the version of what is stored. A role that was refused is not tried again for a
        minute, not even for ``fresh``, unless a record has changed.
        Raises ConfigError where a record is missing or cannot work, and TransportError where STS gave no answer.
        """
        target, source = self._stored(name, fresh=fresh)
        expired = self._expired(source, target.version)
        if expired is not None or target.role is None:
            return expired or target
        return self._known(target, fresh=fresh) or self._assume(source, target)

    def credential(self, name: str) -> str:
        """The version of what is stored now, as ``Account.version`` and ``Refusal.credential`` have it.

        For an account that cannot work it is ``unusable`` of the ConfigError. Nobody but SSM is asked.
        """
        try:
            return self._stored(name, fresh=True)[0].version
        except ConfigError as error:
            return unusable(error)

    def _stored(self, name: str, *, fresh: bool) -> tuple[Account, Account]:
        """The account, its version that of all it depends on, and the account whose key is used: often the same."""
        target = self._parameters.account(name, fresh=fresh)
        if target.role is None or target.role.source is None:
            return target, target
        source = self._source(target, target.role.source, fresh=fresh)
        return replace(target, version=f"{target.version}+{source.version}"), source

    def _source(self, target: Account, name: str, *, fresh: bool) -> Account:
        where = f"account '{target.name}': source_account '{name}'"
        try:
            source = self._parameters.account(name, fresh=fresh)
        except ConfigError as error:
            raise ConfigError(f"account '{target.name}' has a source_account that does not work: {error}") from None
        if source.role is not None:
            raise ConfigError(f"{where} must have a key of its own and no role, but it assumes one itself")
        if source.cloud != target.cloud:
            raise ConfigError(f"{where} must be of {target.cloud}, but it is of {source.cloud}")
        if source.site != target.site:
            raise ConfigError(f'{where} must be of the same "site" ({target.site}), but it is of {source.site}')
        return source

    def _known(self, target: Account, *, fresh: bool) -> Account | Refusal | None:
        known = self._assumed.get(target.name)
        if known is None or known.version != target.version or self._clock() >= known.until:
            return None
        return None if fresh and isinstance(known.outcome, Account) else known.outcome

    def _assume(self, source: Account, target: Account) -> Account | Refusal:
        self._assumed.pop(target.name, None)
        outcome = roles.assume(source, target, send=self._send, clock=self._clock)
        if isinstance(outcome, Account):
            until = (outcome.expires_at or 0.0) - RENEWED_BEFORE
        else:
            outcome = replace(outcome, credential=target.version)
            until = self._clock() + REFUSAL_SECONDS if outcome.trouble is Trouble.CREDENTIALS else 0.0
        remember(self._assumed, target.name, _Assumed(target.version, outcome, until))
        return outcome

    def _expired(self, source: Account, version: str) -> Refusal | None:
        """Credentials that are known to be over are not shown to the provider."""
        if source.expires_at is None or self._clock() < source.expires_at:
            return None
        over = rfc3339(source.expires_at)
        problem = Problem(
            code="CredentialsExpired",
            message=f"the temporary credentials of account '{source.name}' expired at {over}",
            hint=f"Store new credentials, and when they expire, in account '{source.name}'.",
        )
        return Refusal(trouble=Trouble.CREDENTIALS, problem=problem, credential=version)


def unusable(error: ConfigError) -> str:
    """What stands for the version of an account that cannot work: another fault is another version."""
    return f"unusable: {error}"[:200]
