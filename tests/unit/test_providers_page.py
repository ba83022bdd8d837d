"""What the documentation says of providers is what the catalogue says."""

from local.providers_page import PAGE, page
from taskhook.providers.catalogue import names
from taskhook.providers.entry import ENTRY_KEYS, FILE_KEYS
from taskhook.providers.refusals import KINDS
from tests.conftest import ROOT


def test_the_page_of_providers_is_up_to_date() -> None:
    assert PAGE.read_text("utf-8") == page(), "run `make docs`"


def test_the_guide_explains_every_key_and_every_kind_of_error() -> None:
    guide = (ROOT / "docs/add-a-provider.md").read_text("utf-8")
    for key in sorted(ENTRY_KEYS | FILE_KEYS | set(KINDS)):
        assert f"`{key}`" in guide, key


def test_the_readme_counts_right() -> None:
    assert f"{len(names())} status APIs of the two clouds" in (ROOT / "README.md").read_text("utf-8")
