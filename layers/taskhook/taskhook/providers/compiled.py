"""``python -m taskhook.providers.compiled FOLDER``: checks a copy of the catalogue and turns it into JSON in place.

Run when the layer is built. Exits with 1 and every fault, one per line, where anything is wrong.
"""

import json
import sys
from pathlib import Path

from taskhook.errors import CatalogueError
from taskhook.providers import catalogue


def main(folder: Path) -> int:
    broken = [fault for path in sorted(folder.glob("*/*.toml")) for fault in compile_file(path)]
    for one in broken:
        sys.stderr.write(f"{one}\n")
    return 1 if broken else 0


def compile_file(path: Path) -> list[CatalogueError]:
    """Write ``<service>.json`` beside a file, and take the file away. What is wrong with it, if anything is."""
    service = f"{path.parent.name}.{path.stem}"
    try:
        file = catalogue.parsed(service, path.read_text("utf-8"), where=str(path))
    except CatalogueError as error:
        return [error]
    found = catalogue.faults(file)
    if not found:
        path.with_suffix(".json").write_text(json.dumps(file.tables, ensure_ascii=False), "utf-8")
        path.unlink()
    return found


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
