"""The credentials that the simulated clouds know. All are invented; none opens anything."""

from dataclasses import dataclass
from typing import Literal

Cloud = Literal["tencent", "alibaba"]


@dataclass(frozen=True, slots=True)
class Credential:
    """``token``: only for temporary (STS) pairs. ``allowed``: whether the account's policy lets it query tasks."""

    cloud: Cloud
    key_id: str
    secret: str
    token: str | None = None
    expired: bool = False
    allowed: bool = True
    active: bool = True

    def account(self, url: str) -> dict[str, object]:
        """The account as taskhook is configured with it, its endpoints pointing to a simulator at ``url``."""
        names = _ACCOUNT_KEYS[self.cloud]
        given = zip(names, (self.key_id, self.secret, self.token), strict=True)
        keys = {name: value for name, value in given if value is not None}
        return {"cloud": self.cloud, **keys, "endpoints": dict.fromkeys(_SERVICES[self.cloud], url)}


_ACCOUNT_KEYS: dict[Cloud, tuple[str, str, str]] = {
    "tencent": ("secret_id", "secret_key", "token"),
    "alibaba": ("access_key_id", "access_key_secret", "security_token"),
}
_SERVICES: dict[Cloud, tuple[str, ...]] = {"tencent": ("bm", "clb", "dts"), "alibaba": ("bdrc",)}

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
