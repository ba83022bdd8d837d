"""List prices of us-east-1 in dollars, without any free tier, and what was used. Functions are priced as arm64."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

PRICES: Mapping[str, tuple[float, str]] = MappingProxyType(
    {
        "transition": (25e-6, "$0.025 per 1,000, retries included: aws.amazon.com/step-functions/pricing"),
        "invocation": (0.2e-6, "$0.20 per million: aws.amazon.com/lambda/pricing"),
        "GB-second": (13.3334e-6, "arm64, first tier: aws.amazon.com/lambda/pricing"),
        "write unit": (0.625e-6, "on demand: aws.amazon.com/dynamodb/pricing/on-demand"),
        "read unit": (0.125e-6, "on demand: aws.amazon.com/dynamodb/pricing/on-demand"),
        "queue request": (0.4e-6, "standard queue: aws.amazon.com/sqs/pricing"),
        "API request": (3.5e-6, "REST API, first tier: aws.amazon.com/api-gateway/pricing"),
        "GB of logs": (0.5, "ingestion: aws.amazon.com/cloudwatch/pricing"),
    }
)
TIMED = "GB-second"
"""What depends on how quick the machine is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """Amounts by the name of their price."""

    amounts: Mapping[str, float]

    def __add__(self, other: "Used") -> "Used":
        names = {**self.amounts, **other.amounts}
        return Used(amounts={name: self.of(name) + other.of(name) for name in names})

    def of(self, name: str) -> float:
        return self.amounts.get(name, 0.0)

    def dollars(self, name: str) -> float:
        return self.of(name) * PRICES[name][0]

    @property
    def whole(self) -> float:
        return sum(self.dollars(name) for name in PRICES)

    @property
    def untimed(self) -> float:
        return self.whole - self.dollars(TIMED)


def sources() -> list[tuple[str, str, str]]:
    return [(name, f"{1e6 * price:,.7g}", source) for name, (price, source) in PRICES.items()]
