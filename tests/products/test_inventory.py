from dataclasses import replace
from pathlib import Path

import pytest

from cascadebdt.errors import InputError
from cascadebdt.ntuple.fingerprints import Fingerprint
from cascadebdt.products.inventory import MANIFEST, Inventory
from cascadebdt.products.keys import Origin

FILL = Origin("apply", 1, {"luminosity_fb": 5.0}, {"train": "a"})
FIT = Origin("fit", 1, {}, {"apply": FILL.key})


@pytest.fixture
def inventory(tmp_path: Path) -> Inventory:
    """A folder with the products of two steps."""
    for name in ("yields.json", "histograms.json", "fit.json"):
        (tmp_path / name).write_text(f"content of {name}")
    filled = Inventory(tmp_path, about={"seed": 1}).with_step(
        FILL, [tmp_path / "yields.json", tmp_path / "histograms.json"]
    )
    return filled.with_step(FIT, [tmp_path / "fit.json"])


def test_a_record_survives_the_disk(inventory: Inventory) -> None:
    with_inputs = replace(inventory, inputs={"a.root": Fingerprint(1, 2, "xxh3:3")})
    with_inputs.write()
    assert Inventory.read(inventory.folder) == with_inputs


def test_untouched_products_of_an_unchanged_step_have_no_fault(inventory: Inventory) -> None:
    assert inventory.fault(FILL) is None
    assert inventory.fault(FIT) is None


def test_a_step_that_was_never_done_has_no_products(tmp_path: Path) -> None:
    assert Inventory.read(tmp_path).fault(FILL) == "'apply' has not been done"


def test_a_changed_configuration_is_named(inventory: Inventory) -> None:
    now = replace(FILL, parts={"luminosity_fb": 139.0})
    assert inventory.fault(now) == "luminosity_fb was 5.0 and is 139.0 since 'apply'"


@pytest.mark.parametrize("name", ["yields.json", "histograms.json"])
def test_an_altered_or_missing_product_is_named(inventory: Inventory, name: str) -> None:
    (inventory.folder / name).write_text("other content")
    assert inventory.fault(FILL) == f"{name} was altered or only half written"
    (inventory.folder / name).unlink()
    assert inventory.fault(FILL) == f"{name} is missing"
    assert inventory.fault(FIT) is None


def test_a_repeated_step_replaces_its_products(inventory: Inventory) -> None:
    now = replace(FILL, parts={"luminosity_fb": 139.0})
    again = inventory.with_step(now, [inventory.folder / "yields.json"])
    assert set(again.products) == {"yields.json", "fit.json"}
    assert again.fault(now) is None


@pytest.mark.parametrize("text", ["[]", "{", '{"products": {"a": 1}}', '{"steps": {"fit": {}}}', '{"products": []}'])
def test_a_manifest_that_cannot_be_understood_is_one_sentence(tmp_path: Path, text: str) -> None:
    (tmp_path / MANIFEST).write_text(text)
    with pytest.raises(InputError, match=r"manifest.json: not the manifest .* run the analysis again"):
        Inventory.read(tmp_path)


def test_a_manifest_that_somebody_altered_is_refused(inventory: Inventory) -> None:
    inventory.write()
    path = inventory.folder / MANIFEST
    path.write_text(path.read_text().replace('"seed": 1', '"seed": 2'))
    with pytest.raises(InputError, match="altered since it was written"):
        Inventory.read(inventory.folder)
