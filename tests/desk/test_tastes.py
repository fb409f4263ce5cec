"""``livecomposer tastes`` as it is typed: exact words out, what it writes, and what it says of what cannot be.

Tastes are made in code: ratings of made-up events, whose features are as usual as the prior's.
"""

import json
import os
import shutil
import struct
import sys
import time
from contextlib import nullcontext

import numpy as np
import pytest

from livecomposer import Performance, Settings
from livecomposer.agents.model import pack, unpack
from livecomposer.cli import main
from livecomposer.desk import blind, portrait, tastes
from livecomposer.desk.lock import Lock
from livecomposer.desk.pairs import KINDS, TRIES, Answer, Pair, differing, hold, lines, plan_pairs, results, verdict
from livecomposer.desk.pairs import wilson as wilson_interval
from livecomposer.desk.portrait import Portrait, bar, chances, doubts, evident, likeness, readings, statements
from livecomposer.errors import PortLost, TasteError
from livecomposer.ratings.features import NAMES, TABLES, WORDS
from livecomposer.ratings.taste import N_X, SILENT, Effect

PNG = b"\x89PNG\r\n\x1a\n"
FALLING_THIRDS = WORDS.index("falling thirds")
NOON = time.mktime((2026, 5, 1, 12, 0, 0, 0, 0, -1))
EVENTS = 4  # that a made-up rating reaches


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """The user folder, and the folder to be in."""
    monkeypatch.setenv("LIVECOMPOSER_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


@pytest.fixture
def run(capsys):
    """Run ``tastes ...``: (exit code, stdout, stderr)."""

    def run_it(*arguments):
        code = main(["tastes", *map(str, arguments)])
        out, err = capsys.readouterr()
        return code, out, err

    return run_it


@pytest.fixture
def refused(run):
    """Run it; the one sentence on stderr of what it cannot do."""

    def run_it(*arguments):
        code, out, err = run(*arguments)
        assert (code, out, err.count("\n"), err[-1:]) == (2, "", 1, "\n")
        assert err.startswith("livecomposer: ")
        return err.removeprefix("livecomposer: ").removesuffix("\n")

    return run_it


def rate(taste, n, value, seed=0):
    """``n`` ratings of a listener ``value(amount, rng)``, ``amount`` being how much of each feature was heard."""
    rng = np.random.default_rng(seed)
    usual = []  # by head: where each table begins, and how often at most each entry is the one
    at = 0
    for tables in TABLES:
        usual.append([])
        for entries in tables.values():
            share = np.maximum(taste.seen[at : at + len(entries)], 0.02)
            usual[-1].append((at, np.cumsum(share / share.sum())))
            at += len(entries)
    for i in range(n):
        amount = np.zeros(len(NAMES))
        reached = []
        for weight in rng.dirichlet(np.ones(EVENTS)):
            for head, tables in enumerate(usual):
                drawn = rng.random(len(tables))
                rows = np.array([at + min(most.searchsorted(u), len(most) - 1)
                                 for u, (at, most) in zip(drawn, tables, strict=True)])  # fmt: skip
                reached.append((head, float(weight), rows))
                amount[rows] += weight
        taste.rate(i * 10**9, float(np.clip(value(amount, rng), -1, 1)), taste.features_of(reached))


def likes_falling_thirds(amount, rng):
    return 1.6 * amount[FALLING_THIRDS] - 0.2 + 0.1 * rng.standard_normal()


def anything(amount, rng):
    return rng.uniform(-1, 1)


def learnt(n=0, value=likes_falling_thirds, seed=0, agent="dyna-q"):
    """The bytes of a taste file."""
    p = Performance(Settings(role="solo", seed=0, agent=agent))
    if n:
        rate(p.learning.taste, n, value, seed)
    return p.snapshot()


@pytest.fixture(scope="module")
def taught():
    """Of a listener who likes falling thirds, 60 ratings."""
    return learnt(60)


@pytest.fixture
def keep(home):
    """Put a file among the tastes: its path."""

    def keep_it(name, data, at=NOON):
        path = home / "tastes" / f"{name}.npz"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        os.utime(path, (at, at))
        return path

    return keep_it


def changed(data, meta=(), **arrays):
    """A taste file with some of it replaced; None leaves an array out."""
    found, facts = unpack(data)
    found |= {name.replace("_", "."): array for name, array in arrays.items()}
    facts |= dict(meta)
    return pack({name: array for name, array in found.items() if array is not None}, facts)


def files(home):
    return sorted(path.name for path in (home / "tastes").iterdir())


def figures(data):
    values = unpack(data)[0]["taste.y"][:60]
    return int((values > 0).sum()), int((values < 0).sum())


# ---- list -----------------------------------------------------------------------------------------------------------
def test_no_tastes_yet(run, home):
    said = f"No tastes in {home / 'tastes'} yet: play, and rate what you hear.\n"
    assert run() == run("list") == (0, said, "")
    assert json.loads(run("--json")[1]) == {"folder": str(home / "tastes"), "tastes": []}


def test_every_taste_in_a_row(run, home, keep, taught):
    mine, old = keep("mine", taught), keep("An old one", learnt(agent="q"))
    keep("half", taught[:700])
    keep("mine.unused-20260101-120000", taught)
    shutil.copy(__file__, home / "tastes" / "notes.txt")
    likes, dislikes = figures(taught)
    sizes = [f"{path.stat().st_size / 1000:.0f} kB" for path in (old, mine)]
    wide = max(map(len, sizes))
    assert run() == (
        0,
        f"Tastes in {home / 'tastes'}:\n"
        f"  name        agent   ratings  likes  dislikes  pairs  last rated        {'size':>{wide}}\n"
        f"  An old one  q             –      –         –      –  2026-05-01 12:00  {sizes[0]:>{wide}}\n"
        f"* mine        dyna-q       60     {likes}        {dislikes}      0  2026-05-01 12:00  {sizes[1]:>{wide}}\n"
        "(* is what `livecomposer play` plays to, unless --taste names another)\n"
        "! half.npz is damaged or no file of livecomposer; it has not been used or changed\n"
        "Set aside (`livecomposer tastes rename OLD NEW` takes one back): mine.unused-20260101-120000\n",
        "",
    )


def test_the_list_for_programs(run, home, keep, taught):
    path = keep("mine", taught)
    keep("strange", b"my thesis")
    keep("prior", pack({}, {"kind": "prior"}))
    keep("mine.unused-20260101-120000", taught)
    likes, dislikes = figures(taught)
    code, out, _ = run("list", "--json")
    assert code == 0
    assert run("--json")[1] == out
    report = json.loads(out)
    assert report["folder"] == str(home / "tastes")
    mine, prior, strange, aside = report["tastes"]
    assert mine == {
        "name": "mine", "agent": "dyna-q", "ratings": 60, "likes": likes, "dislikes": dislikes,
        "pairs": 0, "last_rated": "2026-05-01T12:00:00", "bytes": path.stat().st_size, "set_aside": False,
        "problem": None,
    }  # fmt: skip
    assert prior["problem"] == "prior.npz is no taste but a prior; it has not been used or changed"
    assert strange["problem"].startswith("strange.npz is damaged or no file")
    assert (strange["agent"], strange["ratings"], strange["bytes"]) == (None, None, 9)
    assert (aside["name"], aside["set_aside"], aside["ratings"]) == ("mine.unused-20260101-120000", True, 60)


# ---- what is no taste -----------------------------------------------------------------------------------------------
NOT_USED = "it has not been used or changed"
NEWER = "was written by a newer livecomposer"


def odd(array, at, value):
    array = array.copy()
    array[at] = value
    return array


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda data: data[:700], f"is damaged or no file of livecomposer; {NOT_USED}"),
        (lambda data: b"", f"is damaged or no file of livecomposer; {NOT_USED}"),
        (lambda data: changed(data, {"version": 9}), f"{NEWER} (version 9); update to use it"),
        (lambda data: changed(data, {"kind": "prior"}), f"is no taste but a prior; {NOT_USED}"),
        (lambda data: changed(data, {"agent": "oracle"}),
         "was learnt by agent 'oracle', which this version has not; update to use it"),
        (lambda data: changed(data, {"layout": 1}), f"has another layout of heads than this version; {NOT_USED}"),
        (lambda data: changed(data, taste_y=None), f"does not hold the arrays that it names; {NOT_USED}"),
        (lambda data: changed(data, taste_y=np.array(["a"])), f"does not hold the arrays that it names; {NOT_USED}"),
        (lambda data: changed(data, taste_n=np.array([-1])), f"holds ratings that cannot be; {NOT_USED}"),
        (lambda data: changed(data, taste_n=np.array([10**9])), f"holds ratings that cannot be; {NOT_USED}"),
        (lambda data: changed(data, taste_y=odd(unpack(data)[0]["taste.y"], 3, 7.0)),
         f"holds ratings that cannot be; {NOT_USED}"),
        (lambda data: changed(data, taste_y=odd(unpack(data)[0]["taste.y"], 3, np.nan)),
         f"holds numbers that are not finite; {NOT_USED}"),
        (lambda data: changed(data, taste_x=odd(unpack(data)[0]["taste.x"], 3, np.inf)),
         f"holds numbers that are not finite; {NOT_USED}"),
        (lambda data: changed(data, taste_spread=0.0 * unpack(data)[0]["taste.spread"]),
         f"holds numbers that cannot be; {NOT_USED}"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_named_and_left_alone(run, refused, home, keep, taught, tmp_path, make, said):
    data = make(taught)
    path = keep("mine", data)
    given = tmp_path / "given.npz"
    given.write_bytes(data)
    assert refused("explain", "mine") == f"{path} {said}"
    assert refused("import", given, "mine", "--replace") == f"{given} {said}"
    assert f"! mine.npz {said}\n" in run()[1]
    assert (files(home), path.read_bytes()) == (["mine.npz"], data)


def test_no_command_uses_what_is_damaged(refused, home, keep, taught, tmp_path):
    path = keep("mine", taught[:700])
    (tmp_path / "given.npz").write_bytes(taught[:700])
    said = f"is damaged or no file of livecomposer; {NOT_USED}"
    for what in (["explain", "mine"], ["test", "mine"], ["copy", "mine", "yours"], ["export", "mine", "out.npz"]):
        assert refused(*what) == f"{path} {said}"
    assert refused("import", "given.npz") == f"given.npz {said}"
    assert (files(home), path.read_bytes()) == (["mine.npz"], taught[:700])
    assert not (tmp_path / "out.npz").exists()


def test_what_another_agent_learnt_can_be_kept_but_not_explained(run, refused, keep):
    path = keep("old", learnt(agent="q"))
    assert refused("explain", "old") == (
        "\"old\" was learnt by agent 'q', which keeps no reasons; only what dyna-q has learnt can be explained"
    )
    assert refused("test", "old") == "\"old\" was learnt by agent 'q'; only what dyna-q has learnt can be tested"
    assert run("copy", "old", "older")[0] == 0
    assert path.with_name("older.npz").read_bytes() == path.read_bytes()


# ---- names ----------------------------------------------------------------------------------------------------------
COMMANDS = [
    ["explain", "NAME"], ["test", "NAME"], ["copy", "NAME", "new"], ["rename", "NAME", "new"], ["reset", "NAME"],
    ["export", "NAME", "new.npz"],
]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_an_unknown_name(refused, keep, command):
    def said(name):
        return refused(*[name if word == "NAME" else word for word in command])

    none = 'there is no taste "mine"; none has been learnt yet: play, and rate what you hear'
    assert said("mine") == none
    for name in ("mine", "with Ann"):
        keep(name, b"")
    assert said("mien") == 'there is no taste "mien"; did you mean "mine"?'
    assert said("x") == 'there is no taste "x"; there are: mine, with Ann'


@pytest.mark.parametrize(
    "name", ["", "a/b", "..", ".hidden", "a\\b", "what?", "tail ", "end.", "two\nlines", "CON", "lpt1.live"]
)
def test_a_name_that_cannot_be_one(refused, keep, taught, tmp_path, name):
    keep("mine", taught)
    (tmp_path / "given.npz").write_bytes(taught)
    shown = name.replace("\n", "\\n")
    said = f'taste = "{shown}" cannot be a file name; use letters, digits, spaces, - and _'
    for command in (["copy", "mine", name], ["rename", "mine", name], ["explain", name], ["reset", name]):
        assert refused(*command) == said
    if name:
        assert refused("import", "given.npz", name) == said


def test_the_longest_name_can_be_set_aside_and_taken_back(run, home, keep, taught):
    name = "x" * 200
    keep(name, taught)
    _, out, _ = run("reset", name)
    [aside] = files(home)
    assert run(*out.splitlines()[-1].removeprefix("To get it back: livecomposer tastes ").split())[0] == 0
    assert files(home) == [f"{name}.npz"] != [aside]


# ---- copy, rename, reset, export, import ----------------------------------------------------------------------------
def test_copy(run, refused, home, keep, taught):
    path = keep("mine", taught)
    assert run("copy", "mine", "with Ann") == (
        0,
        'Copied "mine" to "with Ann". To play it: livecomposer play --taste \'with Ann\'\n',
        "",
    )
    new = path.with_name("with Ann.npz")
    assert new.read_bytes() == path.read_bytes() == taught
    assert new.stat().st_mtime == NOON
    new.write_bytes(b"another")
    for name in ("with Ann", "mine"):
        assert refused("copy", "mine", name) == (
            f'there is a taste "{name}" already; choose another name, or reset or rename that one first'
        )
    assert (path.read_bytes(), new.read_bytes()) == (taught, b"another")


def test_rename(run, refused, home, keep, taught):
    path = keep("mine", taught)
    keep("theirs", b"another")
    assert refused("rename", "mine", "theirs") == (
        'there is a taste "theirs" already; choose another name, or reset or rename that one first'
    )
    assert run("rename", "mine", "ours") == (0, '"mine" is now called "ours".\n', "")
    assert files(home) == ["ours.npz", "theirs.npz"]
    assert path.with_name("ours.npz").read_bytes() == taught
    assert run("rename", "theirs", "damaged")[0] == 0


def test_reset_sets_aside_and_says_how_to_get_it_back(run, home, keep, taught):
    path = keep("mine", taught)
    code, out, _ = run("reset", "mine")
    [aside] = (home / "tastes").iterdir()
    assert aside.name.startswith("mine.unused-")
    assert (code, out) == (
        0,
        f'"mine" begins anew. What it had learnt is kept in {aside}.\n'
        f"To get it back: livecomposer tastes rename {aside.stem} mine\n",
    )
    assert run("rename", aside.stem, "mine")[0] == 0
    assert (files(home), path.read_bytes()) == (["mine.npz"], taught)


def test_what_was_set_aside_in_the_same_second_stays(run, home, keep, monkeypatch):
    monkeypatch.setattr("livecomposer.desk.files.time.strftime", lambda form: "20260101-120000")
    for content in (b"one", b"two", b"three"):
        keep("mine", content)
        assert run("reset", "mine")[0] == 0
    assert files(home) == [f"mine.unused-20260101-120000{n}.npz" for n in ("-2", "-3", "")]
    assert {path.read_bytes() for path in (home / "tastes").iterdir()} == {b"one", b"two", b"three"}


def test_export_and_import(run, refused, home, keep, taught, tmp_path):
    keep("mine", taught)
    assert run("export", "mine", "my taste.npz") == (
        0,
        "Wrote my taste.npz. To take it in elsewhere: livecomposer tastes import 'my taste.npz'\n",
        "",
    )
    file = tmp_path / "my taste.npz"
    assert (file.read_bytes(), file.stat().st_mtime) == (taught, NOON)
    assert refused("export", "mine", "my taste.npz") == (
        "file = 'my taste.npz' is there already; name another, or replace it by --force"
    )
    file.write_bytes(b"another")
    assert run("export", "mine", "my taste.npz", "--force")[0] == 0
    assert file.read_bytes() == taught
    shutil.rmtree(home)
    said = "Took in \"my taste\", a taste of 60 ratings. To play it: livecomposer play --taste 'my taste'\n"
    assert run("import", "my taste.npz") == (0, said, "")
    assert run("import", "my taste.npz", "mine") == (
        0,
        said.replace("'my taste'", "mine").replace("my taste", "mine"),
        "",
    )
    for name in ("my taste", "mine"):
        path = home / "tastes" / f"{name}.npz"
        assert (path.read_bytes(), path.stat().st_mtime) == (taught, NOON)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["home", "my taste.npz"]


def test_import_replaces_only_when_told_and_keeps_the_one_before(run, refused, home, keep, taught, tmp_path):
    path = keep("mine", b"the one before")
    (tmp_path / "given.npz").write_bytes(taught)
    assert refused("import", "given.npz", "mine") == (
        'there is a taste "mine" already; choose another name for this one, or add --replace'
    )
    assert (files(home), path.read_bytes()) == (["mine.npz"], b"the one before")
    code, out, _ = run("import", "given.npz", "mine", "--replace")
    [aside] = (file for file in (home / "tastes").iterdir() if file != path)
    assert (code, path.read_bytes(), aside.read_bytes()) == (0, taught, b"the one before")
    assert out.splitlines() == [
        'Took in "mine", a taste of 60 ratings. To play it: livecomposer play --taste mine',
        f"The one before is kept in {aside}.",
        f"To get it back: livecomposer tastes rename {aside.stem} 'mine before'",
    ]


@pytest.mark.parametrize("command", [
    ["rename", "mine", "ours"], ["rename", "zoe", "ours"], ["reset", "mine"], ["copy", "zoe", "ours"],
    ["import", "given.npz", "ours"], ["import", "given.npz", "mine", "--replace"],
])  # fmt: skip
def test_what_is_being_played_is_not_written(refused, home, keep, taught, tmp_path, command):
    """mine has its file, ours is new and has none yet."""
    keep("mine", taught)
    keep("zoe", taught)
    (tmp_path / "given.npz").write_bytes(learnt(9))
    name = "mine" if "mine" in command else "ours"
    with Lock(home / "tastes" / "mine.npz"), Lock(home / "tastes" / "ours.npz"):
        assert refused(*command) == f'"{name}" is being played by a livecomposer that is running; end that first'
    assert files(home) == ["mine.npz", "zoe.npz"]
    assert (home / "tastes" / "mine.npz").read_bytes() == taught


def test_what_is_being_played_can_be_read(run, home, keep, taught, tmp_path):
    keep("mine", taught)
    with Lock(home / "tastes" / "mine.npz"):
        assert [run(*command)[0] for command in (["list"], ["explain", "mine"], ["copy", "mine", "ann"])] == [0, 0, 0]
        assert run("export", "mine", tmp_path / "out.npz")[0] == 0
    assert files(home) == ["ann.npz", "mine.npz"]


def test_files_that_cannot_be(refused, home, keep, taught, tmp_path):
    keep("mine", taught)
    (tmp_path / "there").mkdir()
    assert refused("export", "mine", "there") == "file = 'there' is a folder; name a file in it"
    assert refused("export", "mine", "no/a.npz") == "file = 'no/a.npz': there is no folder 'no'; make it first"
    assert refused("import", "none.npz") == (
        "file = 'none.npz': there is no such file; name one that `tastes export` has written"
    )
    assert refused("import", "there") == (
        "file = 'there' is a folder; name a file in it that `tastes export` has written"
    )
    assert files(home) == ["mine.npz"]


def test_a_folder_that_cannot_be_written(refused, home, keep, taught, tmp_path, monkeypatch):
    """Whatever was there is there as it was (``os.replace`` stands for the system: root may write anywhere)."""
    path = keep("mine", taught)
    (tmp_path / "given.npz").write_bytes(taught)

    def deny(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "replace", deny)
    folder = home / "tastes"
    saved = "(Permission denied); set LIVECOMPOSER_HOME to a folder that can be written"
    assert refused("copy", "mine", "new") == f"what is being learnt cannot be saved to {folder / 'new.npz'} {saved}"
    assert refused("import", "given.npz") == f"what is being learnt cannot be saved to {folder / 'given.npz'} {saved}"
    assert "mine.unused-" in refused("import", "given.npz", "mine", "--replace")
    assert refused("rename", "mine", "new") == (
        f"{path} cannot be renamed (Permission denied); make its folder writable"
    )
    assert refused("reset", "mine") == (f"{path} cannot be moved aside, so it stays as it is; make its folder writable")
    assert refused("export", "mine", "out.npz") == "out.npz cannot be written (Permission denied); name another place"
    assert (files(home), path.read_bytes()) == (["mine.npz"], taught)
    assert not (tmp_path / "out.npz").exists()


def test_a_file_that_cannot_be_read(refused, keep, taught, monkeypatch):
    path = keep("mine", taught)

    def deny(*_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.read_bytes", deny)
    assert refused("copy", "mine", "new") == (
        f"{path} cannot be read (Permission denied); mend its rights, or name another"
    )


def test_the_parser_asks_for_names():
    with pytest.raises(SystemExit) as caught:
        main(["tastes", "copy", "mine"])
    assert caught.value.code == 2


# ---- explain --------------------------------------------------------------------------------------------------------
def test_what_is_liked_is_said(run, keep, taught, tmp_path):
    keep("mine", taught)
    code, out, _ = run("explain", "mine", "--plot", "mine.png")
    likes, dislikes = figures(taught)
    told = out.splitlines()
    assert code == 0
    assert told[:2] == [f"mine: 60 ratings ({likes} likes, {dislikes} dislikes)", ""]
    assert told[2].startswith("likes     falling thirds  █")
    assert told[2].endswith(" ratings)")
    assert " ± ." in told[2]
    assert told[-2:] == ["", "Drawn in mine.png."]
    assert (tmp_path / "mine.png").read_bytes().startswith(PNG)


def test_the_picture_has_bars_for_what_is_said_and_no_figures_for_what_is_not_sure(run, keep, taught, monkeypatch):
    """It states what the words do; what is not sure is only named, else its bars would look like the strongest."""
    drawn = []
    monkeypatch.setattr("matplotlib.figure.Figure.savefig", lambda figure, *_, **__: drawn.append(figure))
    keep("mine", taught)
    report = json.loads(run("explain", "mine", "--json")[1])
    run("explain", "mine", "--plot", "mine.png")
    [axes] = drawn[0].axes
    said = [*report["statements"], *report["maybe"]]
    assert said and report["unsure"]
    assert [bar.get_width() for bar in axes.patches] == pytest.approx([one["worth"] for one in said], abs=0.01)
    assert [text.get_text().strip() for text in axes.texts].count("not sure yet") == len(report["unsure"])
    labels = [label.get_text() for label in axes.get_yticklabels()]
    assert all(f"or {other}" in label for label, one in zip(labels, said, strict=False) for other in one["or"])


def test_what_is_liked_for_programs(run, keep, taught):
    keep("mine", taught)
    report = json.loads(run("explain", "mine", "--json")[1])
    assert list(report) == ["name", "ratings", "likes", "dislikes", "pairs", "statements", "maybe", "unsure", "effects"]
    assert (report["name"], report["ratings"]) == ("mine", 60)
    said = report["statements"][0]
    assert (said["says"], said["words"], said["feature"]) == ("likes", "falling thirds", NAMES[FALLING_THIRDS])
    assert said["worth"] > 2 * said["sd"] > 0
    assert said["ratings"] >= 4
    assert {key: said[key] for key in ("feature", "words", "worth", "sd", "ratings")} in report["effects"]
    assert all(isinstance(words, str) for words in report["unsure"])


def test_a_dislike_is_said(run, keep):
    keep("mine", learnt(60, lambda amount, rng: -likes_falling_thirds(amount, rng)))
    said = json.loads(run("explain", "mine", "--json")[1])["statements"][0]
    assert (said["says"], said["words"], said["worth"] < 0) == ("dislikes", "falling thirds", True)


def test_three_ratings_are_no_law(run, keep):
    keep("none", learnt())
    assert run("explain", "none") == (0, "none: no ratings yet. Play, and rate what you hear.\n", "")
    for n in (1, 3, 7):
        data = learnt(n, lambda amount, rng: 1.0)
        keep("mine", data)
        ratings = f"{n} rating{'s' * (n > 1)} ({n} like{'s' * (n > 1)}, 0 dislikes)"
        assert run("explain", "mine") == (
            0,
            f"mine: {ratings}. That is too few to say anything of it: 8 are the least.\n",
            "",
        )
        report = json.loads(run("explain", "mine", "--json")[1])
        assert (report["statements"], report["maybe"], report["unsure"]) == ([], [], [])


def test_who_always_says_yes_is_told_so(run, keep):
    keep("mine", learnt(30, lambda amount, rng: 1.0))
    assert run("explain", "mine")[1].startswith(
        "mine: 30 ratings (30 likes, 0 dislikes). Nothing is sure yet. "
        "All ratings point one way: rate also what you do not like.\n"
        "It usually takes 50 ratings: like and dislike what differs clearly"
    )


def test_of_chance_nothing_is_said():
    taste = Performance(Settings(role="solo", seed=0)).learning.taste
    blank = {name: array.copy() for name, array in taste.state().items()}
    sure = likely = 0
    for seed in range(40):
        taste.load(blank)
        rate(taste, 20, anything, seed)
        drawn = portrait.draw("mine", taste)
        sure += drawn.sure > 0
        likely += len(drawn.stated) > 0
    assert sure <= 2 and likely <= 8


@pytest.mark.parametrize(
    ("plot", "said"),
    [
        ("no/a.png", "plot = 'no/a.png': there is no folder 'no'; make it first"),
        (".", "plot = '.' is a folder; name a file in it"),
    ],
)
def test_a_picture_that_cannot_be(refused, keep, taught, plot, said):
    keep("mine", taught)
    assert refused("explain", "mine", "--plot", plot) == said


def test_a_picture_without_matplotlib(refused, keep, taught, monkeypatch):
    keep("mine", taught)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    assert refused("explain", "mine", "--plot", "a.png") == ("--plot needs matplotlib; pip install livecomposer[plot]")


def test_a_picture_of_too_little(run, keep, tmp_path):
    keep("mine", learnt(3))
    assert run("explain", "mine", "--plot", "a.png")[0] == 0
    assert (tmp_path / "a.png").read_bytes().startswith(PNG)


def effect(worth, sd=0.1, n=10, words="leaps"):
    return Effect(words, words, worth, sd, n)


def test_the_words_and_figures():
    stated = [effect(0.884, 0.09, 13, "falling thirds"), effect(-0.4, 0.1, 21, "leaps"), effect(1.25, 0.2, 1, "rests")]
    unsure = [effect(0.1, words="wide leaps"), effect(0, words="the tonic")]
    drawn = Portrait("mine", 50, 30, 19, 0, stated, unsure, stated, [[], [], []], 3)
    assert portrait.lines(drawn) == [
        "mine: 50 ratings (30 likes, 19 dislikes)",
        "",
        "likes     falling thirds  ███████▏           +.88 ± .18  (13 ratings)",
        "dislikes  leaps           ███▎               -.40 ± .20  (21 ratings)",
        "likes     rests           ██████████        +1.25 ± .40  (1 rating)",
        "",
        "not sure yet about: wide leaps; the tonic",
        "",
        "How much more than a usual note you like one that has it, in ratings (1: a strong like); where it is a",
        "matter of more or less, for a usual difference. The truth lies within ± in about 95 of 100 cases.",
    ]
    some = portrait.lines(drawn._replace(sure=1))
    assert some[2:5] == [
        "likes        falling thirds  ███████▏           +.88 ± .18  (13 ratings)",
        "may dislike  leaps           ███▎               -.40 ± .20  (21 ratings)",
        "may like     rests           ██████████        +1.25 ± .40  (1 rating)",
    ]
    assert some[7:9] == ["", '"may": chance alone would make something look like that with one listener in five.']
    none = portrait.lines(drawn._replace(sure=0))
    assert none[0] == "mine: 50 ratings (30 likes, 19 dislikes). Nothing is sure yet."
    assert none[1:3] == MORE and none[4].startswith("may like     falling thirds  ███████▏ ")
    nothing = portrait.lines(drawn._replace(stated=[], others=[], sure=0))
    assert nothing[0] == "mine: 50 ratings (30 likes, 19 dislikes). Nothing is sure yet."
    assert nothing[1:3] == MORE
    assert nothing[3:] == ["", "not sure yet about: wide leaps; the tonic"]


MORE = [
    "More ratings make it surer: like and dislike what differs clearly (long and short, high and low,",
    "steps and leaps), or answer pairs (b).",
]


def test_pairs_are_told_beside_the_ratings():
    drawn = Portrait("mine", 50, 50, 0, 12, [], [], [], [], 0)
    assert portrait.lines(drawn) == ["mine: 50 ratings (50 likes, 0 dislikes), 12 pairs. Nothing is sure yet.", *MORE]
    only = drawn._replace(ratings=0, likes=0)
    assert portrait.lines(only) == [
        "mine: 12 pairs. Nothing is sure yet.",
        MORE[0].replace("More ratings make it surer", "It usually takes 50 ratings"),
        MORE[1],
    ]
    few = "mine: 3 pairs. That is too few to say anything of it: 8 are the least."
    assert portrait.lines(only._replace(pairs=3)) == [few]


@pytest.mark.parametrize(("worth", "shown"), [(0, ""), (0.02, "▏"), (-0.5, "████"), (2, "█" * 16), (-3, "█" * 16)])
def test_bars(worth, shown):
    assert bar(worth) == shown


def test_statements_ask_for_size_sureness_number_and_more_than_chance():
    effects = [
        effect(0.5), effect(0.19), effect(-0.5, n=3), effect(0.07, 0.01), effect(0.5), effect(-0.9, 0.2), effect(0.3),
    ]  # fmt: skip
    chance = np.array([0.001, 0.001, 0.001, 0.001, 0.2, 0.001, 0.02])
    assert evident(effects, chance) == [0, 5, 6]
    assert evident(effects, chance, portrait.PERHAPS) == [0, 4, 5, 6]
    assert statements(effects, [0, 5, 6], np.zeros((7, 7), dtype=int)) == [5, 0, 6]


def test_the_same_is_said_once():
    """Of two that say the same the surer; what points the other way is said as well."""
    effects, sure = [effect(0.5, 0.1), effect(0.9, 0.3), effect(-0.5, 0.2)], [0, 1, 2]
    alike = np.array([[1, 1, 1], [1, 1, 0], [1, 0, 1]])
    assert statements(effects, sure, alike) == [0, 2]
    assert statements(effects, sure, -alike) == [1, 0]
    assert statements(effects, sure, alike, [1]) == [2]
    assert statements(effects, sure, -alike, [2]) == [1]


def test_what_the_ratings_cannot_tell_apart_is_said_with_it():
    """Those as sure of the same sign as it goes with the statement, the two surest; no statement itself."""
    effects = [effect(0.9, 0.1), effect(0.5, 0.1), effect(-0.4, 0.1), effect(0.3, 0.1), effect(0.35, 0.1)]
    same = np.ones((5, 5), dtype=int)
    same[0, 2] = same[2, 0] = -1
    assert readings(effects, [0, 1, 2, 4, 3], [0], same) == [[1, 2]]
    assert readings(effects, [0, 1, 2, 4, 3], [0, 1], same) == [[2, 4], [4, 3]]
    assert readings(effects, [0, 3], [0], np.eye(5, dtype=int)) == [[]]
    assert readings(effects, [0, 2], [0], -same) == [[]]


def test_other_readings_are_told_in_words():
    stated = [effect(0.884, 0.09, 13, "sixteenths"), effect(-0.4, 0.1, 21, "leaps")]
    others = [[effect(0.5, words="short notes off the beat"), effect(-0.3, words="longer notes")], []]
    drawn = Portrait("mine", 50, 30, 19, 0, stated, [], stated, others, 2)
    assert portrait.lines(drawn)[2:5] == [
        "likes     sixteenths  ███████▏           +.88 ± .18  (13 ratings)",
        "          or short notes off the beat or dislikes longer notes: your ratings cannot tell",
        "dislikes  leaps       ███▎               -.40 ± .20  (21 ratings)",
    ]
    report = portrait.report(drawn._replace(sure=1))
    told = [*report["statements"], *report["maybe"]]
    assert [(one["says"], one["words"]) for one in told] == [("likes", "sixteenths"), ("dislikes", "leaps")]
    assert (len(report["statements"]), len(report["maybe"])) == (1, 1)
    assert [one["or"] for one in told] == [["short notes off the beat", "dislikes longer notes"], []]


def test_doubts_are_leanings_then_the_unheard():
    effects = [
        effect(0.9),
        effect(0.12),
        effect(0.2),
        effect(0.03, 0.01),
        effect(0, n=0),
        effect(0, 0.3, 1),
        effect(0, n=9),
    ]
    seen = np.array([0.2, 0.2, 0.2, 0.2, 0.2, 0.2, 0.2])
    alike = np.zeros((7, 7), dtype=int)
    assert doubts(effects, [0], alike, seen) == [2, 1, 5, 4]
    assert doubts(effects, [0], alike, 0.01 * seen) == [2, 1]
    alike[2, 1] = alike[1, 2] = alike[0, 5] = alike[5, 0] = 1
    assert doubts(effects, [0], alike, seen) == [2, 4]


def test_chances():
    rng = np.random.default_rng(1)
    about = rng.standard_normal((50, 90))
    about[:, 7] = 0.0
    found = chances(about, about[:, 3] + 0.3 * rng.standard_normal(50))
    assert found[3] < 0.001
    assert found[7] == 1.0
    assert (np.delete(found, 3) > 0.05).all()
    np.testing.assert_array_equal(chances(about, np.ones(50)), np.ones(90))


def test_chances_of_answers_are_judged_among_answers():
    """Answers lie far from the ratings in all things: that alone says nothing; what they go with does."""
    rng = np.random.default_rng(1)
    about, pairs = rng.standard_normal((60, 90)), np.arange(60) >= 30
    about[pairs] = 5.0 + 5.0 * about[pairs]
    values = np.where(pairs, np.sign(about[:, 3] - 5.0), -1.0)
    found = chances(about, values, pairs)
    assert found[3] < 0.001
    assert (np.delete(found, 3) > 0.05).all()


def test_chance_is_found_as_often_as_it_says():
    """The least of 90 chances lies below 5 % in about 5 of 100 tastes of nothing."""
    rng = np.random.default_rng(2)
    least = [chances(rng.standard_normal((20, 90)), rng.uniform(-1, 1, 20)).min() for _ in range(100)]
    assert 1 <= sum(p < 0.05 for p in least) <= 11


def test_likeness():
    """Features 0 to 2 and two trends: one of 0 and 1, one that grows with 0, 1, 2."""
    trends = np.array([[1.0, 1.0, 0.0], [1.0, 2.0, 3.0]])
    rng = np.random.default_rng(3)
    about = rng.standard_normal((200, 5))
    about[:, 1] = -about[:, 2]
    found = likeness(about, trends, np.array([0.2, 0.2, 0.2]))
    np.testing.assert_array_equal(found, found.T)
    assert found[1, 2] == -1
    assert found[0, 2] == 0
    assert found[3, :3].tolist() == [1, 1, 0]
    assert found[4, :3].tolist() == [-1, 0, 1]


# ---- the blind test: who plays, pairs and statistics ----------------------------------------------------------------
def test_the_twin_of_who_presses_one_way_is_as_silent_as_they():
    """Of each press and the silence before it chance decides which was which; nothing else is changed."""
    p = Performance(Settings(role="solo", seed=1))
    one, rng = p.learning.taste, np.random.default_rng(3)
    about, silent = rng.standard_normal((2, 24, N_X)).astype(np.float32)
    about[:, -1] = silent[:, -1] = 1.0
    for i in range(24):
        one.rate(i, 1.0, about[i], silent[i])
    other = Performance(Settings(role="solo", seed=1), snapshot=blind.twin(one, p.settings, 5)).learning.taste
    root = np.float32(np.sqrt(SILENT))
    state, swapped = other.state(), []
    for i in range(24):
        swapped.append(bool(np.allclose(state["x"][i], silent[i], atol=1e-5)))
        now = (silent[i], about[i]) if swapped[-1] else (about[i], silent[i])
        np.testing.assert_allclose(state["x"][i], now[0], rtol=1e-5)
        np.testing.assert_allclose(state["silent"][i], now[1] * root, rtol=1e-5)
    assert 4 < sum(swapped) < 20 and (state["y"][:24] == 1.0).all()


@pytest.mark.parametrize("n", [1, 2, 7, 12, 24])
def test_pairs_are_balanced(n):
    pairs = plan_pairs(n, 5)
    assert (len(pairs), plan_pairs(n, 5), len({pair.seed for pair in pairs})) == (n, pairs, n)
    assert plan_pairs(n, 6) != pairs
    for kind, of in zip(KINDS, (n - n // 2, n // 2), strict=True):
        first = [pair.taste_first for pair in pairs if pair.against == kind]
        assert len(first) == of
        assert abs(2 * sum(first) - of) <= of % 2


def test_the_order_tells_nothing():
    """Over many tests each place has each kind and each order about equally often."""
    plans = [plan_pairs(12, seed) for seed in range(200)]
    for place in range(12):
        for share in (
            np.mean([plan[place].against == "prior" for plan in plans]),
            np.mean([plan[place].taste_first for plan in plans]),
        ):
            assert 0.35 < share < 0.65


def test_a_context_in_which_both_play_the_same_is_passed_over():
    def play(who, seed):
        return [(seed, who.encode() if seed >= 12 else b"same")]

    first = differing(Pair("twin", True, 10), play)
    assert first == (Pair("twin", True, 12), [(12, b"taste")], [(12, b"twin")])
    second = differing(Pair("prior", False, 12), play)
    assert second == (Pair("prior", False, 12), [(12, b"prior")], [(12, b"taste")])
    assert differing(Pair("prior", True, 12 - TRIES), play) is None


@pytest.mark.parametrize(
    ("wins", "n", "low", "high"),
    [(0, 0, 0.0, 1.0), (6, 6, 0.6097, 1.0), (0, 6, 0.0, 0.3903), (10, 12, 0.5520, 0.9530), (50, 100, 0.4038, 0.5962)],
)
def test_wilson(wins, n, low, high):
    assert wilson_interval(wins, n) == pytest.approx((low, high), abs=1e-4)


def answers(prior, twin):
    """From "+", "-" and "0" of each kind: won, lost, neither; every other time the taste was second."""
    found = []
    for kind, said in (("prior", prior), ("twin", twin)):
        for i, sign in enumerate(said):
            first = i % 2 == 0
            choice = "neither" if sign == "0" else "a" if (sign == "+") == first else "b"
            found.append(Answer(Pair(kind, first, i), choice))
    return found


def test_results_and_their_words():
    found = results(answers("+++++0", "++++-+"))
    assert found["prior"] == {"won": 5, "lost": 0, "neither": 1, "low": 0.566, "high": 1.0}
    assert found["all"] == {"won": 10, "lost": 1, "neither": 1, "low": 0.623, "high": 0.984}
    assert lines("mine", found) == [
        "How often mine was preferred, and what that says of all such pairs (95 %):",
        "  against what it knew before   5 of  5  57 to 100 %  (neither: 1)",
        "  against shuffled ratings      5 of  6  44 to 97 %",
        "  together                     10 of 11  62 to 98 %   (neither: 1)",
        "This is more than chance; that it is the taste and not just change, more pairs must show.",
    ]


@pytest.mark.parametrize(
    ("prior", "twin", "said"),
    [
        ("++++++", "++++++", "This is more than chance: the taste was heard."),
        ("+++++-", "+++++-", "This is more than chance: the taste was heard."),
        ("++++--", "++++--", "This is not more than chance; try more pairs (--pairs 24), or rate more and test again."),
        ("------", "-----0", "This is more than chance, but the wrong way round: the others were preferred."),
        (
            "000000",
            "000000",
            "You preferred neither each time, which shows nothing of the taste; choose one, or first rate more.",
        ),
    ],
)
def test_the_verdict(prior, twin, said):
    assert verdict(results(answers(prior, twin))) == said


def test_without_a_preference_no_share_is_shown():
    told = lines("mine", results(answers("00", "+0")))
    assert told[1:4] == [
        "  against what it knew before  none preferred         (neither: 2)",
        "  against shuffled ratings      1 of  1  21 to 100 %  (neither: 1)",
        "  together                      1 of  1  21 to 100 %  (neither: 3)",
    ]


def test_what_is_pressed_before_both_were_heard_is_said_not_to_count(monkeypatch):
    class Early:
        there = True
        pressed = [["1"], [], ["2"]]  # noqa: RUF012

        def wait(self, seconds):
            return self.pressed.pop(0)

    class Ear:
        def play(self, phrase):
            pass

    said = []
    monkeypatch.setattr(blind.time, "sleep", lambda seconds: None)
    assert blind.Person(Ear(), Early(), said.append)([], []) == "b"
    assert said[2] == "  What you pressed meanwhile does not count: hear both first."


def test_a_test_is_held_pair_by_pair():
    asked, said = [], []

    def choose(first, second):
        asked.append((first, second))
        return "a"

    pairs = [Pair("prior", True, 1), Pair("twin", False, 2)]
    found = list(hold(pairs, lambda who, seed: [(seed, who.encode())], choose, said.append))
    assert [(answer.pair, answer.won) for answer in found] == [(pairs[0], True), (pairs[1], False)]
    assert asked == [([(1, b"taste")], [(1, b"prior")]), ([(2, b"twin")], [(2, b"taste")])]
    assert said == ["Pair 1 of 2", "Pair 2 of 2"]
    with pytest.raises(TasteError, match="nothing to hear"):
        list(hold(pairs, lambda who, seed: [], choose, said.append))


# ---- the blind test: music and listeners ----------------------------------------------------------------------------
def test_the_phrases(taught):
    """Four bars, the same every time, with every note ended; the twin has the same ratings in another order."""
    taste = tastes.understand(taught, "here").taste
    players = blind.Players(taught, taste, "shipped", 3)
    for who in ("taste", "prior", "twin"):
        sent = players.play(who, 7)
        assert sent == players.play(who, 7) != players.play(who, 8)
        ons = [msg[1] for _, msg in sent if msg[0] & 0xF0 == 0x90 and msg[2]]
        offs = [msg[1] for _, msg in sent if msg[0] & 0xF0 == 0x80]
        assert sorted(ons) == sorted(offs)
        assert len(ons) > 5
        assert sent[0][0] == 0
        assert 6e9 < sent[-1][0] < 16 * 60e9 / 112
    twin = unpack(blind.twin(taste, Settings(role="solo", seed=0), 3))[0]
    mine = unpack(taught)[0]
    np.testing.assert_array_equal(twin["taste.x"], mine["taste.x"])
    assert sorted(twin["taste.y"]) == sorted(mine["taste.y"])
    assert twin["taste.y"].tolist() != mine["taste.y"].tolist()


def test_the_twin_has_the_same_answers_in_another_order():
    p = Performance(Settings(role="solo", seed=0))
    mine, rng = p.learning.taste, np.random.default_rng(1)
    rate(mine, 10, likes_falling_thirds, 0)
    for i in range(12):
        a, b = rng.standard_normal((2, N_X)).astype(np.float32)
        a[-1] = b[-1] = 1.0
        mine.prefer(100 + i, ("a", "b", "neither")[i % 3], a, b)
    twin = unpack(blind.twin(mine, Settings(role="solo", seed=0), 3))[0]
    state = mine.state()
    np.testing.assert_array_equal(twin["taste.x"], state["x"])
    assert sorted(twin["taste.y"][:10]) == sorted(state["y"][:10])
    said, again = np.sign(state["y"][10:22]), np.sign(twin["taste.y"][10:22])
    assert sorted(said) == sorted(again) != again.tolist() != said.tolist()
    found = tastes.understand(p.snapshot(), "here")
    assert found.counts == {"ratings": 10, "likes": int((state["y"][:10] > 0).sum()),
                            "dislikes": int((state["y"][:10] < 0).sum()), "pairs": 12}  # fmt: skip


def test_a_simulated_listener_of_that_taste_prefers_it(run, keep, taught):
    keep("mine", taught)
    code, out, _ = run("test", "mine", "--pairs", 8, "--seed", 1, "--listener", "falling thirds", "--json")
    report = json.loads(out)
    assert code == 0
    assert list(report) == [
        "name", "ratings", "seed", "listener", "pairs", "results", "more_than_chance", "verdict"
    ]  # fmt: skip
    assert (report["name"], report["ratings"], report["seed"], len(report["pairs"])) == ("mine", 60, 1, 8)
    assert set(report["pairs"][0]) == {"against", "seed", "taste", "choice", "won"}
    assert report["more_than_chance"]
    assert report["verdict"].startswith("This is more than chance")
    assert report["results"]["all"]["won"] >= 7


def test_same_seed_same_test(run, keep, taught):
    keep("mine", taught)
    one, same, other = (
        run("test", "mine", "--pairs", 2, "--seed", seed, "--listener", "high notes", "--json")[1] for seed in (1, 1, 2)
    )
    assert one == same != other


def test_a_listener_of_another_taste_does_not(run, keep, taught):
    keep("mine", taught)
    code, out, _ = run("test", "mine", "--pairs", 6, "--seed", 1, "--listener", "full chords")
    assert code == 0
    assert out.startswith("How often mine was preferred, and what that says of all such pairs (95 %):\n")
    assert "more than chance:" not in out


def test_bad_tests(refused, keep, taught):
    keep("mine", taught)
    assert refused("test", "mine", "--pairs", 0) == "pairs = 0 is outside 1 to 200"
    assert refused("test", "mine", "--seed", -2) == "seed = -2 is outside -1 to 2147483647"
    assert refused("test", "mine") == ("a blind test is answered by keys; start it in a terminal (or give --listener)")
    assert refused("test", "mine", "--listener", "high note") == (
        'there is no listener "high note"; did you mean "high notes"?'
    )
    keep("young", learnt(3))
    assert refused("test", "young", "--listener", "high notes") == (
        '"young" remembers 3 ratings, too few for a blind test; rate 8 times or more'
    )
    keep("same", learnt(8, lambda amount, rng: 0.0))
    assert refused("test", "same", "--listener", "high notes") == (
        '"same" cannot be tested: it plays what it would play without these ratings, so there is nothing to hear; '
        "rate more"
    )


# ---- the blind test: a person ---------------------------------------------------------------------------------------
class Keys:
    """A terminal in which these keys are pressed, one a look, after the phrases; None: Ctrl-C."""

    def __init__(self, *keys):
        self.there = True
        self.keys = list(keys)

    def wait(self, seconds):
        if seconds == 0.0:
            return []
        if not self.keys:
            self.there = False
            return []
        key = self.keys.pop(0)
        if key is None:
            raise KeyboardInterrupt
        return [key]

    def raw(self):
        return nullcontext()


class Room:
    """Where phrases are heard."""

    def __init__(self):
        self.heard = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def play(self, phrase):
        self.heard.append(phrase)


@pytest.fixture
def sit(monkeypatch):
    """Sit down with these keys to press: the room."""

    def sit_down(*keys):
        room = Room()
        monkeypatch.setattr(blind, "Keyboard", lambda: Keys(*keys))
        monkeypatch.setattr(blind, "Speaker", lambda: room)
        monkeypatch.setattr(blind, "PAUSE_S", 0.0)
        return room

    return sit_down


def test_a_person_answers(run, keep, taught, sit):
    keep("mine", taught)
    room = sit("x", "1", "r", "2", "up", "0")
    code, out, err = run("test", "mine", "--pairs", 3, "--seed", 2, "--json")
    report = json.loads(out)
    assert (code, report["listener"]) == (0, None)
    assert [pair["choice"] for pair in report["pairs"]] == ["first", "second", "neither"]
    assert [pair["won"] for pair in report["pairs"]] == [
        report["pairs"][0]["taste"] == "first", report["pairs"][1]["taste"] == "second", None,
    ]  # fmt: skip
    assert len(room.heard) == 8
    assert room.heard[2:4] == room.heard[4:6]
    pair = ["  the first ...", "  the second ...", "  Which do you like better? 1, 2, 0: neither, r: again"]
    assert err.splitlines() == [
        "… preparing the test (some seconds)",
        "3 pairs, about 1 minute. Ctrl-C ends it with what you have answered.",
        "Pair 1 of 3", *pair, "Pair 2 of 3", *pair, *pair, "Pair 3 of 3", *pair,
    ]  # fmt: skip


def test_ctrl_c_tells_what_was_answered(run, keep, taught, sit):
    keep("mine", taught)
    sit("0", None)
    code, out, _ = run("test", "mine", "--pairs", 3, "--seed", 2)
    assert code == 130
    assert out.endswith(
        "You preferred neither each time, which shows nothing of the taste; choose one, or first rate more.\n"
    )
    sit(None)
    assert run("test", "mine", "--pairs", 3, "--seed", 2)[:2] == (130, "")


def test_a_terminal_that_goes(run, keep, taught, sit):
    keep("mine", taught)
    sit("1")
    code, out, err = run("test", "mine", "--pairs", 3, "--seed", 2)
    assert (code, out) == (2, "")
    assert err.endswith("livecomposer: the terminal has gone; start the test again in one\n")


def test_without_sound(run, keep, taught, monkeypatch):
    """One sentence, and nothing is left behind."""
    keep("mine", taught)
    stopped = []

    class Mute:
        def __init__(self, memory, options):
            pass

        def start(self):
            pass

        def look(self):
            return ("failed", "no audio device opened (none); connect or switch on a sound card")

        def stop(self):
            stopped.append(1)

    monkeypatch.setattr(blind, "Keyboard", Keys)
    monkeypatch.setattr(blind.crew, "Sound", Mute)
    code, out, err = run("test", "mine")
    assert (code, out, stopped) == (2, "", [1])
    assert err == (
        "… preparing the test (some seconds)\n"
        "livecomposer: a blind test needs sound: no audio device opened (none); connect or switch on a sound card\n"
    )


def test_the_speaker_plays_in_time():
    """On the real sound process, with a device that nobody hears."""
    note = struct.Struct("BBB").pack
    with blind.Speaker({"backend": "dummy"}) as speaker:
        begun = time.perf_counter()
        speaker.play([(0, note(0x91, 60, 80)), (200_000_000, note(0x81, 60, 0))])
        assert time.perf_counter() - begun >= 0.2 + blind.RING_S
        assert speaker._writer.seq == 2
        speaker._sound.said = None
        monkey = ("failed", "the audio device (dummy) has stopped")
        speaker._sound.look = lambda: monkey
        with pytest.raises(PortLost, match="a blind test needs sound: the audio device"):
            speaker.play([(0, note(0x91, 60, 80)), (300_000_000, note(0x81, 60, 0))])
