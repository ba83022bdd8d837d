"""The command line of taskhook. It speaks to the HTTP API and knows nothing else of the service."""

__version__ = "0.1.0"
