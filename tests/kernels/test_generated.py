"""Where generated modules go if no cache can be written."""

import functools
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from cascadebdt.kernels import generated


def test_threads_share_one_folder_that_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow(tempfile.TemporaryDirectory[str]):
        def __init__(self, prefix: str) -> None:
            super().__init__(prefix=prefix)
            time.sleep(0.05)

    monkeypatch.setattr(generated, "_made", functools.cache(generated._made.__wrapped__))
    monkeypatch.setattr(tempfile, "TemporaryDirectory", Slow)
    with ThreadPoolExecutor(4) as pool:
        folders = list(pool.map(lambda _: generated._process_directory(), range(4)))
    assert len(set(folders)) == 1
    assert folders[0].is_dir()
    generated._made().cleanup()
