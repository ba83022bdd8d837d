"""What each provider's error codes mean for a watch, as tables: the most specific row wins.

Sources: the error code pages of Tencent Cloud API 2.0 (cloud.tencent.com/doc/api/456/6725) and 3.0 ("Common Error
Codes"), the per-action codes in the official Go SDK, and Alibaba Cloud's common error codes
(help.aliyun.com 51132, 60629). Where a page does not say whether trying again helps, the row is our judgment.
"""

from taskhook.providers.model import Refusal, Row, Table, Trouble
from taskhook.task import Problem

_CREDENTIALS_HINT = "Check the account's key: it is unknown, disabled, or belongs to another site of this cloud."
_SIGNATURE_HINT = "Check the account's secret: the id is known, but the signature does not match it."
_TEMPORARY_HINT = "The account's temporary (STS) credentials have expired or do not belong together: store new ones."
_CLOCK_HINT = "The request was taken for an old one: check that the account's temporary credentials are still valid."
_PERMISSION_HINT = "Give the account's user permission to call this API, then post the task again."
_PARAMETER_HINT = "Check the task id and the region: the API does not accept them."
_ENDPOINT_HINT = "Check the account's endpoint and site: this API is not served there."
_UNKNOWN_TASK_HINT = "Check task id, region and account: the provider does not know this task there."
_SUBSCRIPTION_HINT = "Check with the provider that the account may use this product."


_RETRY = Row(trouble=Trouble.TRANSIENT)
_SLOW = Row(trouble=Trouble.THROTTLED)
_DOUBT = Row(trouble=Trouble.DOUBTFUL)
_UNKNOWN_TASK = Row(trouble=Trouble.NOT_FOUND, hint=_UNKNOWN_TASK_HINT)
_CREDENTIALS = Row(trouble=Trouble.CREDENTIALS, hint=_CREDENTIALS_HINT)
_PARAMETER = Row(trouble=Trouble.FINAL, hint=_PARAMETER_HINT)
_ENDPOINT = Row(trouble=Trouble.FINAL, hint=_ENDPOINT_HINT)
_PERMISSION = Row(trouble=Trouble.FINAL, hint=_PERMISSION_HINT)
_SUBSCRIPTION = Row(trouble=Trouble.FINAL, hint=_SUBSCRIPTION_HINT)

KINDS: Table = {
    "retry": _RETRY,
    "throttled": _SLOW,
    "doubtful": _DOUBT,
    "not_found": _UNKNOWN_TASK,
    "credentials": _CREDENTIALS,
    "permission": _PERMISSION,
    "wrong": _PARAMETER,
    "endpoint": _ENDPOINT,
    "subscription": _SUBSCRIPTION,
}
"""What an entry of the catalogue may call the codes that its API has beside those of its style."""

TENCENT_V2: Table = {
    "4000": _PARAMETER,
    "4100": _CREDENTIALS,
    "4200": Row(trouble=Trouble.CREDENTIALS, hint=_CLOCK_HINT),
    "4300": _PERMISSION,
    "4400": _SLOW,
    "4500": Row(trouble=Trouble.CREDENTIALS, hint=_CLOCK_HINT),
    "4600": _ENDPOINT,
    "5000": _UNKNOWN_TASK,
    "5100": _DOUBT,
    "5200": _SUBSCRIPTION,
    "5300": _SUBSCRIPTION,
    "5500": _SUBSCRIPTION,
    "6000": _RETRY,
    "6100": _ENDPOINT,
    "6200": _RETRY,
    "9001": _RETRY,
    "10001": _PARAMETER,
    "InvalidRequest.LimitExceeded": _SLOW,
    "InvalidRequest.RequestConcurrencyExceeded": _SLOW,
}

TENCENT_V3: Table = {
    "RequestLimitExceeded": _SLOW,
    "InternalError": _RETRY,
    "ServiceUnavailable": _RETRY,
    "ResourceUnavailable": _RETRY,
    "FailedOperation": _DOUBT,
    "ResourceInUse": _DOUBT,
    "ResourceInsufficient": _DOUBT,
    "AuthFailure": _CREDENTIALS,
    "AuthFailure.SignatureExpire": Row(trouble=Trouble.CREDENTIALS, hint=_CLOCK_HINT),
    "AuthFailure.SignatureFailure": Row(trouble=Trouble.CREDENTIALS, hint=_SIGNATURE_HINT),
    "AuthFailure.TokenFailure": Row(trouble=Trouble.CREDENTIALS, hint=_TEMPORARY_HINT),
    "AuthFailure.UnauthorizedOperation": _PERMISSION,
    "AuthFailure.MFAFailure": _PERMISSION,
    "UnauthorizedOperation": _PERMISSION,
    "IpInBlacklist": _PERMISSION,
    "IpNotInWhitelist": _PERMISSION,
    "OperationDenied": _PERMISSION,
    "ResourceNotFound": _UNKNOWN_TASK,
    "LimitExceeded": _SUBSCRIPTION,
    "ActionOffline": _ENDPOINT,
    "InvalidAction": _ENDPOINT,
    "NoSuchProduct": _ENDPOINT,
    "NoSuchVersion": _ENDPOINT,
    "UnsupportedOperation": _ENDPOINT,
    "UnsupportedProtocol": _ENDPOINT,
    "UnsupportedRegion": _ENDPOINT,
    "InvalidParameter": _PARAMETER,
    "InvalidParameterValue": _PARAMETER,
    "MissingParameter": _PARAMETER,
    "UnknownParameter": _PARAMETER,
    "InvalidRequest": _PARAMETER,
    "RequestSizeLimitExceeded": _PARAMETER,
    "ResponseSizeLimitExceeded": _PARAMETER,
    "DryRunOperation": _PARAMETER,
}

ALIBABA: Table = {
    "Throttling": _SLOW,
    "ServiceUnavailable": _RETRY,
    "InternalError": _RETRY,
    "InternalServerError": _RETRY,
    "SystemBusy": _RETRY,
    "SignatureNonceUsed": _RETRY,
    "InvalidTimeStamp.Expired": Row(trouble=Trouble.CREDENTIALS, hint=_CLOCK_HINT),
    "IllegalTimestamp": Row(trouble=Trouble.CREDENTIALS, hint=_CLOCK_HINT),
    "SignatureDoesNotMatch": Row(trouble=Trouble.CREDENTIALS, hint=_SIGNATURE_HINT),
    "IncompleteSignature": Row(trouble=Trouble.CREDENTIALS, hint=_SIGNATURE_HINT),
    "InvalidAccessKeyId": _CREDENTIALS,
    "InvalidSecurityToken": Row(trouble=Trouble.CREDENTIALS, hint=_TEMPORARY_HINT),
    "MissingSecurityToken": Row(trouble=Trouble.CREDENTIALS, hint=_TEMPORARY_HINT),
    "Forbidden": _PERMISSION,
    "NoPermission": _PERMISSION,
    "AccessDenied": _PERMISSION,
    "MissingParameter": _PARAMETER,
    "InvalidParameter": _PARAMETER,
    "InvalidParameterMissing": _PARAMETER,
    "InvalidParameterEmpty": _PARAMETER,
    "InvalidParameterWrongFormat": _PARAMETER,
    "InvalidParameterNotSupported": _PARAMETER,
    "InvalidParameterOutOfRange": _PARAMETER,
    "InvalidTimeStamp.Format": _PARAMETER,
    "InvalidApi.NotFound": _ENDPOINT,
    "InvalidProduct.NotFound": _ENDPOINT,
    "InvalidAction.NotFound": _ENDPOINT,
    "InvalidVersion": _ENDPOINT,
    "InvalidProtocol.NeedSsl": _ENDPOINT,
    "UnsupportedHTTPMethod": _ENDPOINT,
    "NoSuchVersion": _ENDPOINT,
    "NotFound": _UNKNOWN_TASK,
}


def classify(table: Table, code: str, *, more: Table | None = None) -> Row:
    """The row of a code: the code itself, else its longest dotted prefix (``A.B.C``, ``A.B``, ``A``), else a doubt.

    ``more`` holds the rows of one API, which win over the table of its style. ``LimitExceeded`` (a quota) and
    ``RequestLimitExceeded`` (a rate) are different words: only whole words are compared.
    """
    rows = {**table, **(more or {})}
    parts = code.split(".")
    for length in range(len(parts), 0, -1):
        row = rows.get(".".join(parts[:length]))
        if row is not None:
            return row
    if parts[-1] == "NotFound" or parts[0].endswith("NotFound"):
        return rows.get("NotFound", _DOUBT)
    if parts[0].startswith("Missing"):
        return rows.get("MissingParameter", _DOUBT)
    return _DOUBT


def refusal(
    table: Table,
    *,
    code: str,
    message: str | None,
    more: Table | None = None,
    retry_after: float | None = None,
    request_id: str | None = None,
) -> Refusal:
    row = classify(table, code, more=more)
    return Refusal(
        trouble=row.trouble,
        problem=Problem(code=code, message=message or code, hint=row.hint),
        retry_after=retry_after,
        request_id=request_id,
    )
