"""Settings: flags before the environment before the file, and one line for what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from drm.decision import Bounds
from drm.errors import InvalidValueError
from drm.model import Resources
from drm.settings import Settings


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No drm.toml and no DRM_ variable of the machine that runs the tests."""
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(f"DRM_{name.upper()}", raising=False)
    (tmp_path / "wrong.toml").write_text('curency = "EUR"\n')
    (tmp_path / "right.toml").write_text('[[price]]\nprovider = "local"\ntype = "local"\namount = 0.3\ndate = 2026-11-01\n')
    return tmp_path


def test_the_defaults_are_those_of_the_documentation() -> None:
    """Loopback, port 8080, one to four workers, the demo on."""
    settings = Settings.from_command_line([])
    assert (settings.host, settings.port, settings.mock, settings.bounds) == ("127.0.0.1", 8080, True, Bounds(1, 4))
    assert (settings.interval, settings.policy, settings.shape, settings.token) == (1.0, "queue", None, None)


def test_flags_are_read() -> None:
    """Each flag reaches its setting."""
    settings = Settings.from_command_line(
        ["--no-mock", "--workers", "0:9", "--worker-shape", "cpu=2,memory=4GiB", "--trusted-hosts", "a.example, b", "--interval", "0.5"]
    )
    assert (settings.mock, settings.bounds, settings.shape) == (False, Bounds(0, 9), Resources(cpu=2, memory=4 * 2**30))
    assert (settings.further_hosts, settings.interval) == (("a.example", "b"), 0.5)


def test_flags_beat_the_environment_beats_the_file(empty_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three sources, one order."""
    (empty_folder / "drm.toml").write_text('port = 1001\nhost = "localhost"\nworker-shape = "cpu=1,memory=1GiB"\n')
    assert Settings.from_command_line([]).port == 1001
    monkeypatch.setenv("DRM_PORT", "1002")
    assert Settings.from_command_line([]).port == 1002
    settings = Settings.from_command_line(["--port", "1003"])
    assert (settings.port, settings.host, settings.worker_shape) == (1003, "localhost", "cpu=1,memory=1GiB")


def test_another_file_can_be_named(empty_folder: Path) -> None:
    """--config names the file; one that is not there, or no TOML, is refused by name."""
    (empty_folder / "other.toml").write_text("port = 7\n")
    assert Settings.from_command_line(["--config", "other.toml"]).port == 7
    with pytest.raises(InvalidValueError, match="missing.toml"):
        Settings.from_command_line(["--config", "missing.toml"])
    (empty_folder / "broken.toml").write_text("port = = 7\n")
    with pytest.raises(InvalidValueError, match="broken.toml is not TOML"):
        Settings.from_command_line(["--config", "broken.toml"])
    (empty_folder / "misspelt.toml").write_text("prot = 7\n")
    with pytest.raises(InvalidValueError, match="'prot' is no setting"):
        Settings.from_command_line(["--config", "misspelt.toml"])


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--port", "70000"], "--port '70000'.*65535"),
        (["--port", "http"], "--port 'http'.*whole number"),
        (["--workers", "5:2"], "--workers '5:2'.*MIN must not be more than MAX"),
        (["--workers", "many"], "--workers 'many'.*MIN:MAX"),
        (["--interval", "0"], "--interval '0'.*from 0.05"),
        (["--interval", "nan"], "--interval 'nan'.*from 0.05"),
        (["--worker-shape", "cpu=1"], "--worker-shape 'cpu=1'.*memory"),
        (["--worker-shape", "cpu=1,memory=lots"], "memory must be a size"),
        (["--policy", "greedy"], "--policy 'greedy'.*queue"),
        (["--policy", "queue,target_seconds=0"], "--policy 'queue,target_seconds=0'.*0.1 to 86400"),
        (["--budget", "0"], "--budget '0'.*more than 0"),
        (["--budget", "40/week"], "--budget '40/week'.*'week' is none of hour, day, month.*2/hour,40/day,900/month"),
        (["--budget", "40/day,50/day"], "--budget '40/day,50/day'.*two amounts for a day"),
        (["--budget", "lots"], "--budget 'lots'.*more than 0"),
        (["--budget", "nan"], "--budget 'nan'.*finite"),
        (["--worker-price", "-1"], "--worker-price '-1'.*0 or more"),
        (["--prices", "none.toml"], "--prices 'none.toml'.*cannot be read"),
        (["--prices", "wrong.toml"], "--prices 'wrong.toml'.*wrong.toml: 'curency' is no key .*'currency'"),
        (["--prices", "right.toml", "--worker-price", "1"], "--worker-price 1 and --prices right.toml both say"),
        (["--prices", "right.toml", "--simulate", "5"], "--prices right.toml has no use with --simulate"),
        (["--simulate", "0"], "--simulate '0'.*1 to 10000"),
        (["--simulate", "all"], "--simulate 'all'.*1 to 10000"),
        (["--seed", "-1"], "--seed '-1'.*0 or more"),
        (["--speed", "0"], "--speed '0'.*0.01 to 3600"),
        (["--simulate", "10", "--worker-shape", "cpu=1,memory=1GiB"], "--worker-shape.*--simulate"),
        (["--cluster", "somewhere"], "--cluster 'somewhere'.*tcp://host:8786"),
        (["--workers", "0:0"], "--workers '0:0'.*MAX at least 1"),
        (["--cluster", "tcp://h:0"], "--cluster 'tcp://h:0'.*tcp://host:8786"),
        (["--cluster", "http://h:80"], "--cluster 'http://h:80'.*tcp://host:8786"),
        (["--token", ""], "--token .*not empty"),
        (["--cluster", "tcp://h:1", "--worker-shape", "cpu=1,memory=1GiB"], "--worker-shape.*--cluster"),
        (["--host", "0.0.0.0"], "--host '0.0.0.0' is reached from other machines.*--token.*--insecure"),
        (["--log-level", "loud"], "--log-level 'loud'.*debug, info"),
        (["--colour", "red"], "unrecognized.*--colour.*--help"),
        (["--port"], "--port.*expected one argument"),
        (["stray"], "stray"),
    ],
)
def test_what_is_wrong_is_one_line_with_the_value_and_the_rule(arguments: list[str], expected: str) -> None:
    """The line names the flag, the value, the rule."""
    with pytest.raises(InvalidValueError, match=expected) as caught:
        Settings.from_command_line(arguments)
    assert "\n" not in str(caught.value)


def test_a_token_that_no_header_carries_is_refused_without_showing_it() -> None:
    """The message says the rule and does not hold the secret."""
    with pytest.raises(InvalidValueError, match="ASCII") as caught:
        Settings.from_command_line(["--token", "open sesame"])
    assert "sesame" not in str(caught.value)


def test_an_empty_variable_does_not_open_the_door(monkeypatch: pytest.MonkeyPatch) -> None:
    """DRM_TOKEN= is a mistake, not the wish for no token."""
    monkeypatch.setenv("DRM_TOKEN", "")
    with pytest.raises(InvalidValueError, match="--token"):
        Settings.from_command_line(["--host", "0.0.0.0", "--insecure"])


def test_an_address_without_a_scheme_is_a_tcp_address() -> None:
    """As in Dask's own command line."""
    assert Settings.from_command_line(["--cluster", "10.0.0.1:8786"]).cluster == "tcp://10.0.0.1:8786"


def test_an_open_address_needs_a_token_or_the_explicit_word() -> None:
    """Either opens it; the token is not shown by printing the settings."""
    assert Settings.from_command_line(["--host", "0.0.0.0", "--insecure"]).insecure
    settings = Settings.from_command_line(["--host", "::", "--token", "a-long-enough-token"])
    assert settings.token is not None and settings.token.get_secret_value() == "a-long-enough-token"
    assert "a-long-enough-token" not in repr(settings)


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (["--simulate", "3"], "--simulate 3"),
        (["--cluster", "tcp://h:8786"], "--cluster tcp://h:8786"),
        (["--worker-shape", "cpu=1,memory=1GiB"], "--worker-shape cpu=1"),
        (["--worker-price", "2"], "--worker-price 2"),
        (["--prices", "right.toml"], "--prices right.toml"),
        (["--engine", "cloud"], "--engine 'cloud': it must be one of these: local, external"),
    ],
)
def test_what_has_no_use_with_an_external_pool_is_refused(flags: list[str], named: str) -> None:
    """Its workers are somebody else's: nothing of ours says what they are."""
    with pytest.raises(InvalidValueError) as error:
        Settings.from_command_line(["--engine", "external", *flags])
    assert named in str(error.value) and "external" in str(error.value) and "\n" not in str(error.value)


def test_an_external_pool_has_a_history_of_its_own() -> None:
    """Under its own name, and actions are off until they are asked for."""
    settings = Settings.from_command_line(["--engine", "external"])
    assert settings.history_folder is not None and settings.history_folder.name == "external" and not settings.actions


def test_actions_need_a_token_where_others_reach_the_port() -> None:
    """Even where everybody is let in to look."""
    open_to_all = ["--host", "0.0.0.0", "--insecure", "--actions"]
    with pytest.raises(InvalidValueError, match="--actions on --host '0.0.0.0' needs a --token"):
        Settings.from_command_line(open_to_all)
    assert Settings.from_command_line([*open_to_all, "--token", "a-long-enough-token"]).actions
    assert Settings.from_command_line(["--actions"]).actions
