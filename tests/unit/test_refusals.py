"""The tables of error codes, negative rows too."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskhook.providers.model import Table, Trouble
from taskhook.providers.refusals import ALIBABA, KINDS, TENCENT_V2, TENCENT_V3, classify, refusal

TABLES = {"tencent 2.0": TENCENT_V2, "tencent 3.0": TENCENT_V3, "alibaba": ALIBABA}
HELPLESS = (Trouble.FINAL, Trouble.CREDENTIALS, Trouble.NOT_FOUND)


@pytest.mark.parametrize(
    ("table", "code", "trouble"),
    [
        (TENCENT_V2, "4000", Trouble.FINAL),
        (TENCENT_V2, "4100", Trouble.CREDENTIALS),
        (TENCENT_V2, "4200", Trouble.CREDENTIALS),
        (TENCENT_V2, "4300", Trouble.FINAL),
        (TENCENT_V2, "4400", Trouble.THROTTLED),
        (TENCENT_V2, "4500", Trouble.CREDENTIALS),
        (TENCENT_V2, "5000", Trouble.NOT_FOUND),
        (TENCENT_V2, "5100", Trouble.DOUBTFUL),
        (TENCENT_V2, "6000", Trouble.TRANSIENT),
        (TENCENT_V2, "6100", Trouble.FINAL),
        (TENCENT_V2, "6200", Trouble.TRANSIENT),
        (TENCENT_V2, "9001", Trouble.TRANSIENT),
        (TENCENT_V2, "10001", Trouble.FINAL),
        (TENCENT_V2, "InvalidRequest.LimitExceeded", Trouble.THROTTLED),
        (TENCENT_V2, "-1", Trouble.DOUBTFUL),
        (TENCENT_V3, "RequestLimitExceeded", Trouble.THROTTLED),
        (TENCENT_V3, "RequestLimitExceeded.UinLimitExceeded", Trouble.THROTTLED),
        (TENCENT_V3, "RequestLimitExceeded.GlobalRegionUinLimitExceeded", Trouble.THROTTLED),
        (TENCENT_V3, "LimitExceeded", Trouble.FINAL),
        (TENCENT_V3, "LimitExceeded.RequestLimitExceeded", Trouble.FINAL),
        (TENCENT_V3, "InternalError.DbError", Trouble.TRANSIENT),
        (TENCENT_V3, "InternalErrorOfSorts", Trouble.DOUBTFUL),
        (TENCENT_V3, "FailedOperation", Trouble.DOUBTFUL),
        (TENCENT_V3, "AuthFailure.SignatureExpire", Trouble.CREDENTIALS),
        (TENCENT_V3, "AuthFailure.SecretIdNotFound", Trouble.CREDENTIALS),
        (TENCENT_V3, "AuthFailure.UnauthorizedOperation", Trouble.FINAL),
        (TENCENT_V3, "UnauthorizedOperation.CamNoAuth", Trouble.FINAL),
        (TENCENT_V3, "ResourceNotFound", Trouble.NOT_FOUND),
        (TENCENT_V3, "ResourceNotFound.Instance", Trouble.NOT_FOUND),
        (TENCENT_V3, "InvalidParameter.RegionNotFound", Trouble.FINAL),
        (TENCENT_V3, "InvalidParameterValue", Trouble.FINAL),
        (TENCENT_V3, "OperationDenied.BizOperationDeniedError", Trouble.FINAL),
        (TENCENT_V3, "requestlimitexceeded", Trouble.DOUBTFUL),
        (ALIBABA, "Throttling", Trouble.THROTTLED),
        (ALIBABA, "Throttling.User", Trouble.THROTTLED),
        (ALIBABA, "ServiceUnavailable", Trouble.TRANSIENT),
        (ALIBABA, "SignatureNonceUsed", Trouble.TRANSIENT),
        (ALIBABA, "InvalidAccessKeyId.NotFound", Trouble.CREDENTIALS),
        (ALIBABA, "InvalidSecurityToken.Expired", Trouble.CREDENTIALS),
        (ALIBABA, "SignatureDoesNotMatch", Trouble.CREDENTIALS),
        (ALIBABA, "Forbidden.RAM", Trouble.FINAL),
        (ALIBABA, "InvalidApi.NotFound", Trouble.FINAL),
        (ALIBABA, "InvalidTask.NotFound", Trouble.NOT_FOUND),
        (ALIBABA, "NotFound", Trouble.NOT_FOUND),
        (ALIBABA, "TaskNotFound", Trouble.NOT_FOUND),
        (ALIBABA, "TaskNotFound.Whatever", Trouble.NOT_FOUND),
        (ALIBABA, "NotFoundation", Trouble.DOUBTFUL),
        (ALIBABA, "InternalServerError", Trouble.TRANSIENT),
        (ALIBABA, "MissingTaskId", Trouble.FINAL),
        (TENCENT_V3, "MissingTaskId", Trouble.FINAL),
        (TENCENT_V2, "MissingTaskId", Trouble.DOUBTFUL),
    ],
)
def test_a_code_means_what_its_page_says(table: Table, code: str, trouble: Trouble) -> None:
    assert classify(table, code).trouble is trouble


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_every_row_that_ends_a_watch_says_what_to_do(table: Table) -> None:
    assert [code for code, row in table.items() if row.trouble in HELPLESS and not row.hint] == []


@pytest.mark.parametrize("table", TABLES.values(), ids=TABLES)
def test_a_detail_after_a_dot_means_what_the_code_means_unless_it_has_a_row(table: Table) -> None:
    for code, row in table.items():
        assert classify(table, f"{code}.SomethingElse").trouble is row.trouble


@given(st.sampled_from(list(TABLES)), st.text(max_size=40))
def test_a_code_that_nobody_knows_is_a_doubt_and_never_final(table: str, code: str) -> None:
    first = code.split(".")[0]
    known = {row for row in TABLES[table] if code == row or code.startswith(f"{row}.")}
    if (
        not known
        and not first.startswith("Missing")
        and not first.endswith("NotFound")
        and not code.endswith(".NotFound")
    ):
        assert classify(TABLES[table], code).trouble is Trouble.DOUBTFUL


def test_the_rows_of_one_api_win_over_those_of_its_style() -> None:
    assert classify(TENCENT_V3, "InvalidParameter").trouble is Trouble.FINAL
    own = {"InvalidParameter": KINDS["not_found"], "FailedOperation.TaskGone": KINDS["not_found"]}
    assert classify(TENCENT_V3, "InvalidParameter", more=own).trouble is Trouble.NOT_FOUND
    assert classify(TENCENT_V3, "InvalidParameter.Whatever", more=own).trouble is Trouble.NOT_FOUND
    assert classify(TENCENT_V3, "FailedOperation.TaskGone", more=own).trouble is Trouble.NOT_FOUND
    assert classify(TENCENT_V3, "FailedOperation", more=own).trouble is Trouble.DOUBTFUL


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_that_an_entry_may_name_says_what_to_do_where_waiting_does_not_help(kind: str) -> None:
    assert KINDS[kind].hint or KINDS[kind].trouble not in HELPLESS


def test_a_refusal_always_has_words() -> None:
    assert refusal(TENCENT_V3, code="ResourceNotFound", message=None).problem.message == "ResourceNotFound"
    assert refusal(TENCENT_V3, code="ResourceNotFound", message="gone").problem.message == "gone"
