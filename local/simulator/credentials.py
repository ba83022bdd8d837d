"""The credentials that the simulated clouds know. All are invented; none opens anything."""

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from local.simulator.rows import services

Cloud = Literal["tencent", "alibaba"]
PREFIX = "/alibaba/"


@dataclass(frozen=True, slots=True)
class Credential:
    """``token``: only for temporary (STS) pairs, as is ``expires``, a Unix time.

    ``allowed``: whether the account's policy lets it query tasks.
    """

    cloud: Cloud
    key_id: str
    secret: str
    token: str | None = None
    expired: bool = False
    allowed: bool = True
    active: bool = True
    expires: float | None = None

    def is_expired(self, now: float) -> bool:
        return self.expired or (self.expires is not None and now >= self.expires)

    def account(self, url: str, own: Iterable[str] = ()) -> dict[str, object]:
        """The account as taskhook is configured with it, its endpoints pointing to a simulator at ``url``.

        ``own``: services such as ``tencent.clb`` that were given to the simulator beside those built in.
        """
        names = _ACCOUNT_KEYS[self.cloud]
        given = zip(names, (self.key_id, self.secret, self.token), strict=True)
        keys = {name: value for name, value in given if value is not None}
        return {"cloud": self.cloud, **keys, "endpoints": endpoints(self.cloud, url, own)}


_ACCOUNT_KEYS: dict[Cloud, tuple[str, str, str]] = {
    "tencent": ("secret_id", "secret_key", "token"),
    "alibaba": ("access_key_id", "access_key_secret", "security_token"),
}


def endpoints(cloud: Cloud, url: str, own: Iterable[str] = ()) -> dict[str, str]:
    """Where each service of a cloud is played. Alibaba's requests do not name their service, so its URL has to."""
    named = (*services(cloud, own), "sts")
    return {service: f"{url}{PREFIX}{service}" if cloud == "alibaba" else url for service in named}


class Keyring:
    """The credentials that are known at this moment."""

    def __init__(self, credentials: Iterable[Credential]) -> None:
        self._by_id = {(credential.cloud, credential.key_id): credential for credential in credentials}
        self._lock = threading.Lock()

    def get(self, cloud: Cloud, key_id: str) -> Credential | None:
        with self._lock:
            return self._by_id.get((cloud, key_id))

    def admit(self, credential: Credential) -> None:
        with self._lock:
            self._by_id[credential.cloud, credential.key_id] = credential

    def revoke(self, credential: Credential) -> None:
        with self._lock:
            self._by_id.pop((credential.cloud, credential.key_id), None)


TENCENT = Credential("tencent", "AKIDsimulatedTencentKey000000000000", "simulatedTencentSecret0000000000")
TENCENT_STS = Credential(
    "tencent", "AKIDsimulatedTencentTemporary000000", "simulatedTemporarySecret00000000", "tc-token-1"
)
TENCENT_EXPIRED = Credential(
    "tencent", "AKIDsimulatedTencentExpired00000000", "simulatedExpiredSecret0000000000", "tc-token-0", expired=True
)
TENCENT_FORBIDDEN = Credential(
    "tencent", "AKIDsimulatedTencentForbidden000000", "simulatedForbiddenSecret00000000", allowed=False
)
ALIBABA = Credential("alibaba", "LTAIsimulatedAlibabaKey0", "simulatedAlibabaSecret00000000")
ALIBABA_STS = Credential("alibaba", "STS.simulatedTemporary000", "simulatedTemporarySecret000000", "acs-token-1")
ALIBABA_EXPIRED = Credential(
    "alibaba", "STS.simulatedExpired00000", "simulatedExpiredSecret00000000", "acs-token-0", expired=True
)
ALIBABA_FORBIDDEN = Credential("alibaba", "LTAIsimulatedForbidden00", "simulatedForbiddenSecret000000", allowed=False)
ALIBABA_INACTIVE = Credential("alibaba", "LTAIsimulatedInactive000", "simulatedInactiveSecret0000000", active=False)

KNOWN = (
    TENCENT,
    TENCENT_STS,
    TENCENT_EXPIRED,
    TENCENT_FORBIDDEN,
    ALIBABA,
    ALIBABA_STS,
    ALIBABA_EXPIRED,
    ALIBABA_FORBIDDEN,
    ALIBABA_INACTIVE,
)
