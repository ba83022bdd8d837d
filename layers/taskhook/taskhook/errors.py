"""Every error of the library, as a tree. Two questions: whose fault, and does trying again help.

    TaskhookError
    ├── ConfigError            ours: a setting, account or destination that cannot work; trying again does not help
    │   └── CatalogueError     an entry of the catalogue that cannot work: file, line and reason
    ├── StoreConflict          nobody's: the record changed meanwhile; read again and decide again
    └── TransportError         the other side's, below HTTP: trying again may help
        ├── ConnectionFailed   no connection, or it broke
        ├── DeadlineExceeded   the total time ran out (name resolution, connect, TLS, headers and body together)
        ├── CertificateRefused the server could not prove who it is
        └── AddressRefused     the name points to an address that must not be called

Messages name the host, never the URL: some URLs are secrets.
What a provider or a receiver *answered* is never an exception; it is an outcome (see watch.py and deliver.py).
"""


class TaskhookError(Exception):
    """Root of the tree."""


class ConfigError(TaskhookError):
    """A setting, account or destination that cannot work as it is. The message is fit for a user: no secrets."""


class CatalogueError(ConfigError):
    """An entry of the catalogue that cannot work: where it stands, and why not."""

    def __init__(self, where: str, line: int, reason: str) -> None:
        super().__init__(f"{where}, line {line}: {reason}")
        self.where = where
        self.line = line
        self.reason = reason


class StoreConflict(TaskhookError):
    """A conditional write lost against another writer."""


class TransportError(TaskhookError):
    """No answer was received. ``host`` is the name (and port) that was called."""

    def __init__(self, host: str, reason: str) -> None:
        super().__init__(f"{host}: {reason}")
        self.host = host
        self.reason = reason


class ConnectionFailed(TransportError):
    """The connection could not be made, or broke before the answer was whole."""


class DeadlineExceeded(TransportError):
    """The total time for the exchange ran out."""


class CertificateRefused(TransportError):
    """TLS could not be established: the certificate is wrong for the host, or the handshake failed."""


class AddressRefused(TransportError):
    """The host's name resolves to an address that must not be called."""
