"""One rate limit for thousands of executions: simulated designs, processes that race, and the product itself.

The limit is that of the load balancer's status API: 20 requests in any sliding second. Imports the layer from its
source."""

import sys
from pathlib import Path

_LAYER = str(Path(__file__).resolve().parents[2] / "layers" / "taskhook")
if _LAYER not in sys.path:
    sys.path.append(_LAYER)

LIMIT = 20
USEFUL, REFUSED, INVOCATIONS, TRANSITIONS, WRITES = 18.0, 0.0, 1.0, 3.0, 2.5
"""The aims: useful requests per second; the rest per useful request, writes per reservation."""
