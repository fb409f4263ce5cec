"""What has been learnt, on disk: saved whole, never replaced by something worse."""

from pathlib import Path

import numpy as np
import pytest

from livecomposer.desk.files import load_taste, save_taste, set_aside, taste_path
from livecomposer.errors import SettingsError, StoreError
from livecomposer.instrument.snapshot import pack

DATA = pack({"melody.q": np.zeros((2, 3))}, {"kind": "model", "agent": "q", "layout": 1})


def test_saved_and_loaded_again(tmp_path: Path) -> None:
    path = taste_path(tmp_path, "mine")
    assert path == tmp_path / "tastes" / "mine.npz"
    assert load_taste(path) == (None, "")
    save_taste(path, DATA)
    assert load_taste(path) == (DATA, "")
    assert [p.name for p in path.parent.iterdir()] == ["mine.npz"]


def test_a_damaged_file_is_set_aside_whole_and_named(tmp_path: Path) -> None:
    path = taste_path(tmp_path, "mine")
    save_taste(path, DATA[:-40])
    data, said = load_taste(path)
    assert data is None
    assert "mine.npz is damaged" in said and "begins anew" in said
    assert not path.exists()
    [aside] = path.parent.iterdir()
    assert aside.name.startswith("mine.unused-") and aside.read_bytes() == DATA[:-40]
    assert aside.name in said


def test_set_aside_returns_where_it_went(tmp_path: Path) -> None:
    path = taste_path(tmp_path, "a b")
    save_taste(path, DATA)
    assert set_aside(path).read_bytes() == DATA


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "a:b"])
def test_a_name_that_is_no_file_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError, match="cannot be a file name"):
        taste_path(tmp_path, name)


def test_a_place_that_cannot_be_written_is_one_sentence_and_the_old_file_stands(tmp_path: Path) -> None:
    blocked = tmp_path / "tastes"
    blocked.write_text("a file where the folder should be")
    with pytest.raises(StoreError, match="set LIVECOMPOSER_HOME"):
        save_taste(taste_path(tmp_path, "mine"), DATA)
    assert blocked.read_text() == "a file where the folder should be"
