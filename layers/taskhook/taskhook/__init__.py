"""taskhook: tells people when a cloud job is done."""

__version__ = "0.1.0"
