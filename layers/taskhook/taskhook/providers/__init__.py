"""The status APIs that taskhook knows: a catalogue of data, and the little code that asks and reads."""

import re

REGION = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?")
"""A region becomes part of a host name, so it can only be one label of one."""
