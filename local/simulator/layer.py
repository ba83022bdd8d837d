"""Makes the layer's code importable: the simulator plays what taskhook's own catalogue describes."""

import sys
from pathlib import Path

_LAYER = str(Path(__file__).parents[2] / "layers" / "taskhook")
if _LAYER not in sys.path:
    sys.path.append(_LAYER)
