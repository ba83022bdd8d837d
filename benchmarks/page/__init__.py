"""The page for people. Imports the layer from its source."""

import sys
from pathlib import Path

_LAYER = str(Path(__file__).resolve().parents[2] / "layers" / "taskhook")
if _LAYER not in sys.path:
    sys.path.append(_LAYER)
