"""Settings: where each value may come from, and one sentence for every value that cannot be."""

import dataclasses

import pytest

from livecomposer import settings as module
from livecomposer.errors import SettingsError
from livecomposer.settings import PROJECT_FILE, USER_FILE, Settings, check, collect, flag_of, parse, user_dir


@pytest.fixture
def folders(tmp_path):
    user, project = tmp_path / "user", tmp_path / "project"
    user.mkdir()
    project.mkdir()
    return user, project


def refused(words, call, *arguments):
    with pytest.raises(SettingsError) as error:
        call(*arguments)
    text = str(error.value)
    assert words in text
    assert "\n" not in text
    return text


def test_built_in():
    assert collect({}, {}, *map(module.Path, ("nowhere", "neither"))) == Settings()


def test_flag_before_environment_before_project_before_user(folders):
    """Each source takes one more away from the sources before it; the rest shines through."""
    user, project = folders
    names = ("tempo", "low", "seed", "role", "agent_channel")
    (user / USER_FILE).write_text('tempo = 61\nlow = 31\nseed = 1\nrole = "solo"\n', encoding="utf-8")
    (project / PROJECT_FILE).write_text("tempo = 62.5\nlow = 32\nseed = 2\n", encoding="utf-8")
    environ = {"LIVECOMPOSER_TEMPO": "63", "LIVECOMPOSER_LOW": "33", "OTHER": "x"}
    found = collect({"tempo": 64.0}, environ, user, project)
    assert [getattr(found, name) for name in names] == [64.0, 33, 2, "solo", 2]


def test_keys_may_be_written_with_dash_or_underscore_and_by_flag(folders):
    user, project = folders
    (user / USER_FILE).write_text('budget-ms = 4\ncount_in = false\nin = "keystep"\n', encoding="utf-8")
    found = collect({}, {"LIVECOMPOSER_OUT": "synth", "LIVECOMPOSER_TRADE_BARS": "4"}, user, project)
    assert (found.budget_ms, found.count_in, found.midi_in) == (4, False, "keystep")
    assert (found.midi_out, found.trade_bars) == ("synth", 4)


def test_every_setting_has_its_variable(folders):
    samples = {bool: "yes", int: None, float: None, str: None}
    for field in dataclasses.fields(Settings):
        value = getattr(Settings(), field.name)
        text = "yes" if samples[type(value)] else str(value)
        found = collect({}, {f"LIVECOMPOSER_{flag_of(field.name).replace('-', '_').upper()}": text}, *folders)
        assert getattr(found, field.name) == (True if type(value) is bool else value)


@pytest.mark.parametrize(
    ("text", "value"), [("1", True), ("Yes", True), ("on", True), ("0", False), ("No", False), ("", False)]
)
def test_yes_and_no(text, value):
    assert parse("click", text) is value


BAD = [
    ("role", "sing", "role = 'sing' is not one of harmonize, duet, answer, solo"),
    ("role", "sol", "did you mean 'solo'?"),
    ("role", 3, "role = 3 is not a text"),
    ("key", "H major", 'key "H major" must begin with a note A to G'),
    ("key", "C ionic", 'there is no scale "ionic"'),
    ("key", 5, "key = 5 is not a text"),
    ("tempo", 29.9, "tempo = 29.9 is outside 30 to 300"),
    ("tempo", float("nan"), "tempo = nan is outside 30 to 300"),
    ("tempo", float("inf"), "outside 30 to 300"),
    ("tempo", "fast", "tempo = 'fast' is not a number"),
    ("tempo", True, "tempo = True is not a number"),
    ("low", 116, "low = 116 is outside 0 to 115"),
    ("low", 40.5, "low = 40.5 is not a whole number"),
    ("low", True, "low = True is not a whole number"),
    ("player_channel", 0, "player-channel = 0 is outside 1 to 16"),
    ("agent_channel", 17, "agent-channel = 17 is outside 1 to 16"),
    ("click", 1, "click = 1 is not true or false"),
    ("clock", "maybe", "clock = 'maybe' is not one of auto, external, internal"),
    ("api", "asio", "api = 'asio' is not one of automatic, jack, alsa, coremidi, winmm"),
    ("adventure", -0.1, "adventure = -0.1 is outside 0 to 1"),
    ("budget_ms", 0.1, "budget-ms = 0.1 is outside 0.2 to 100"),
    ("seed", 2**31, "is outside -1 to"),
    ("midi_in", None, "in = None is not a text"),
]


@pytest.mark.parametrize(("name", "value", "words"), BAD)
def test_a_bad_value_is_one_sentence(name, value, words):
    refused(words, lambda: Settings(**{name: value}))
    refused(words, check, name, value)


def test_a_register_of_less_than_an_octave_is_refused():
    refused("low = 60 and high = 71 leave less than an octave for the agent", lambda: Settings(low=60, high=71))
    assert Settings(low=60, high=72).high == 72


def test_changes_are_checked_again():
    assert Settings().with_(tempo=90.0).tempo == 90.0
    refused("tempo = 9.0 is outside", lambda: Settings().with_(tempo=9.0))
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().tempo = 90.0


@pytest.mark.parametrize(
    ("variable", "text", "words"),
    [
        ("TEMPO", "fast", "environment variable LIVECOMPOSER_TEMPO: tempo = 'fast' is not a number"),
        ("TEMPO", "", "is not a number"),
        ("LOW", "4.5", "environment variable LIVECOMPOSER_LOW: low = '4.5' is not a whole number"),
        ("CLICK", "perhaps", "environment variable LIVECOMPOSER_CLICK: click = 'perhaps' is not yes or no"),
        ("ROLE", "sing", "environment variable LIVECOMPOSER_ROLE: role = 'sing' is not one of"),
        ("KEY", "H", 'environment variable LIVECOMPOSER_KEY: key "H" must begin'),
        ("BUDGET_MS", "0", "environment variable LIVECOMPOSER_BUDGET_MS: budget-ms = 0.0 is outside"),
    ],
)
def test_a_bad_variable_is_named(folders, variable, text, words):
    refused(words, collect, {}, {f"LIVECOMPOSER_{variable}": text}, *folders)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("temp = 90", "unknown setting 'temp'; did you mean 'tempo'?"),
        ("[music]\ntempo = 90", "unknown setting 'music'"),
        ("tempo = 9", "tempo = 9 is outside 30 to 300"),
        ('tempo = "90"', "tempo = '90' is not a number"),
        ("tempo = ", "is not valid TOML"),
        ("click = 1", "click = 1 is not true or false"),
        ('key = "H major"', 'key "H major" must begin with a note'),
        ("tempo = 90\ntempo = 91", "is not valid TOML"),
        (b"tempo = \xff", "cannot be read"),
    ],
)
@pytest.mark.parametrize("which", [0, 1])
def test_a_bad_file_is_named(folders, which, text, words):
    path = folders[which] / (USER_FILE, PROJECT_FILE)[which]
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    assert refused(words, collect, {}, {}, *folders).startswith(str(path))


def test_a_folder_in_place_of_a_file_is_named(folders):
    (folders[0] / USER_FILE).mkdir()
    refused("cannot be read", collect, {}, {}, *folders)


def test_a_bad_flag_is_named(folders):
    refused("tempo = 9.0 is outside 30 to 300", collect, {"tempo": 9.0}, {}, *folders)


def test_where_things_live():
    assert user_dir({"LIVECOMPOSER_HOME": "/somewhere"}) == module.Path("/somewhere")
    assert user_dir({}).name == "livecomposer"
    assert user_dir({"LIVECOMPOSER_HOME": ""}).name == "livecomposer"


def test_every_setting_says_what_it_is_for():
    for field in dataclasses.fields(Settings):
        assert field.metadata["help"]
        check(field.name, field.default)
    flags = [flag_of(field.name) for field in dataclasses.fields(Settings)]
    assert len(set(flags)) == len(flags)


def test_a_variable_that_is_no_setting_is_named_with_the_nearest():
    environ = {f"LIVECOMPOSER_{name}": "1" for name in ("TEMPO", "TEMPOO", "HOME", "VENV", "COMMAND", "XYZZY")}
    assert module.strange_variables(environ) == [
        "environment variable LIVECOMPOSER_TEMPOO is no setting and is not used; did you mean 'LIVECOMPOSER_TEMPO'?",
        "environment variable LIVECOMPOSER_XYZZY is no setting and is not used",
    ]
