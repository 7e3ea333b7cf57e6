"""The agent's parts, without a network: what is kept and when it is tried again, what a container may have, and what a driver says."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from drm.agent.cgroup import ContainerGroup, Limits
from drm.agent.gpus import GpuReading, Gpus
from drm.agent.host import Host, Reading
from drm.agent.options import read
from drm.agent.reporter import BUFFERED, PAST_AT_ONCE, Reporter
from drm.agent.wire import Answer, Wire
from drm.errors import InvalidValueError

TAKEN = Answer(200)
AWAY = Answer(0, "connection refused")
URL = ["--url", "http://pool:8080"]


class Server:
    """Answers as it is told to, and keeps what it was sent."""

    def __init__(self) -> None:
        self.answer = TAKEN
        self.got: list[Mapping[str, Any]] = []

    def send(self, body: Mapping[str, Any]) -> Answer:
        self.got.append(body)
        return self.answer


class Told:
    """An agent whose time is a number, one reading every 5 s."""

    def __init__(self, buffered: int = BUFFERED, chance: float = 1.0) -> None:
        self.server = Server()
        self.reporter = Reporter(self.server, "i", {"rack": "b7"}, lambda at: at + 1000.0, lambda: chance, buffered)
        self.now = 0.0

    def tell(self, times: int = 1) -> None:
        for _ in range(times):
            self.now += 5.0
            self.reporter.tell(Reading(self.now, {"cpu": 4.0}, {"cpu": self.now / 1000}))


def test_a_report_says_what_there_is() -> None:
    """With the identity of the process, counted, by the host's own time."""
    agent = Told()
    agent.tell(2)
    first, second = agent.server.got
    assert first == {
        "instance": "i",
        "sequence": 1,
        "time": 1005.0,
        "capacity": {"cpu": 4.0},
        "used": {"cpu": 0.005},
        "labels": {"rack": "b7"},
    }
    assert (second["sequence"], "past" in second, agent.reporter.waiting) == (2, False, 0)


def test_what_nobody_takes_is_kept_and_sent_later() -> None:
    """In parts, the oldest first, each sample once, with the time at which it was measured."""
    agent = Told()
    agent.server.answer = AWAY
    agent.tell(1200)
    assert agent.reporter.waiting == 1200
    agent.server.answer = TAKEN
    agent.server.got.clear()
    agent.tell(20)
    assert agent.reporter.waiting == 0
    past = [one["time"] for body in agent.server.got for one in body.get("past", ())]
    present = [body["time"] for body in agent.server.got]
    assert past == sorted(past) and max(len(body.get("past", ())) for body in agent.server.got) == PAST_AT_ONCE
    assert sorted(past + present) == [1000.0 + 5.0 * number for number in range(1, 1221)]


def test_the_buffer_is_bounded(caplog: pytest.LogCaptureFixture) -> None:
    """The oldest go, and how many that were is told."""
    caplog.set_level(logging.INFO)
    agent = Told(buffered=10)
    agent.server.answer = AWAY
    agent.tell(30)
    assert agent.reporter.waiting == 10
    agent.server.answer = TAKEN
    agent.tell(20)
    assert "lost" in caplog.messages[-1] and agent.reporter.waiting == 0


@pytest.mark.parametrize(
    ("answer", "most"), [(AWAY, 70.0), (Answer(503, "full"), 70.0), (Answer(409, "another"), 70.0), (Answer(401, "wrong"), 310.0)]
)
def test_waits_grow_to_a_limit(answer: Answer, most: float) -> None:
    """A minute where the server is away, five where it refuses the token; chance takes up to half of each off."""
    for chance in (0.0, 1.0):
        agent = Told(chance=chance)
        agent.server.answer = answer
        tries = []
        for _ in range(600):
            before = len(agent.server.got)
            agent.tell()
            if len(agent.server.got) > before:
                tries.append(agent.now)
        waits = [later - earlier for earlier, later in pairwise(tries)]
        assert waits == sorted(waits) and waits[-1] <= most and waits[-1] >= (most - 10) / (2 - chance) - 5


def test_a_server_that_says_when_is_heard() -> None:
    """Retry-After counts where it is longer."""
    agent = Told()
    agent.server.answer = Answer(429, "too many", 40.0)
    agent.tell(8)
    assert len(agent.server.got) == 1
    agent.tell()
    assert len(agent.server.got) == 2


def test_a_failure_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    """Not at each try; another one is news, and so is that it is over."""
    caplog.set_level(logging.INFO)
    agent = Told()
    for answer in (TAKEN, Answer(401, "that is not the token"), AWAY, TAKEN):
        agent.server.answer = answer
        agent.tell(200)
    said = [record.levelname for record in caplog.records]
    assert said == ["INFO", "WARNING", "WARNING", "INFO"]
    assert "that is not the token" in caplog.messages[1] and "kept samples" in caplog.messages[3]


def test_samples_that_would_be_refused_for_ever_do_not_block() -> None:
    """What the server calls wrong is dropped; what it cannot take now is kept."""
    agent = Told()
    agent.server.answer = AWAY
    agent.tell(3)
    agent.server.answer = Answer(400, "used.cpu: nonsense")
    agent.tell(12)
    assert agent.reporter.waiting < 12
    agent.server.answer = TAKEN
    agent.tell(14)
    assert agent.reporter.waiting == 0


def test_goodbye_is_said_where_somebody_listens() -> None:
    """To a server that takes reports, and to no other."""
    agent = Told()
    said: list[Mapping[str, Any]] = []

    def send(body: Mapping[str, Any]) -> Answer:
        said.append(body)
        return TAKEN

    agent.server.answer = AWAY
    agent.tell()
    agent.reporter.goodbye(send)
    assert said == []
    agent.server.answer = TAKEN
    agent.tell(2)
    agent.reporter.goodbye(send)
    assert said == [{"instance": "i", "leaving": True}]


def _files(root: Path, **texts: str) -> Path:
    for name, text in texts.items():
        path = root / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    return root


SECOND = {"cgroup_dot_controllers": "cpu memory"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Where the files of control groups stand."""
    return tmp_path


def test_a_machine_has_no_limits(root: Path) -> None:
    """At its root there are no such files; nor where nothing can be read."""
    for folder in (_files(root, **SECOND), root / "nothing"):
        group = ContainerGroup(folder)
        assert group.limits() == Limits() and group.cpu_seconds() is None and group.memory_used() is None


def test_the_limits_of_a_container(root: Path) -> None:
    """Of the second version of control groups: the quota, the limit, and what is used without files that can be let go."""
    texts = {"cpu_dot_max": "150000 100000", "memory_dot_max": "1000", "memory_dot_current": "700"}
    stat = {"memory_dot_stat": "anon 1\ninactive_file 200", "cpu_dot_stat": "usage_usec 2500000\nuser_usec 1"}
    group = ContainerGroup(_files(root, **SECOND, **texts, **stat))
    assert group.limits() == Limits(1.5, 1000.0)
    assert (group.cpu_seconds(), group.memory_used()) == (2.5, 500.0)
    _files(root, cpu_dot_max="max 100000", memory_dot_max="max")
    assert group.limits() == Limits()


def test_the_limits_of_an_older_container(root: Path) -> None:
    """Of the first version, in which no limit is a number too."""
    (root / "cpu").mkdir()
    (root / "memory").mkdir()
    (root / "cpuacct").mkdir()
    (root / "cpu/cpu.cfs_quota_us").write_text("50000\n")
    (root / "cpu/cpu.cfs_period_us").write_text("100000\n")
    (root / "memory/memory.limit_in_bytes").write_text("4096\n")
    (root / "memory/memory.usage_in_bytes").write_text("4000\n")
    (root / "memory/memory.stat").write_text("cache 1\ntotal_inactive_file 1000\n")
    (root / "cpuacct/cpuacct.usage").write_text("3000000000\n")
    group = ContainerGroup(root)
    assert group.limits() == Limits(0.5, 4096.0) and (group.cpu_seconds(), group.memory_used()) == (3.0, 3000.0)
    (root / "cpu/cpu.cfs_quota_us").write_text("-1\n")
    (root / "memory/memory.limit_in_bytes").write_text("9223372036854771712\n")
    assert group.limits() == Limits()


def test_a_limited_host_tells_of_its_container(root: Path) -> None:
    """What it may have, and what it takes of that, rather than what the machine does."""
    texts = {"cpu_dot_max": "50000 100000", "memory_dot_max": "1000", "memory_dot_current": "700", "cpu_dot_stat": "usage_usec 0"}
    host = Host(ContainerGroup(_files(root, **SECOND, **texts)), Gpus(Driver(0)))
    assert "cpu" not in host.read(0.0).used
    _files(root, cpu_dot_stat="usage_usec 1000000")
    reading = host.read(4.0)
    assert reading.capacity == {"cpu": 0.5, "memory": 1000.0} and reading.used == {"cpu": 0.25, "memory": 700.0}


def test_a_whole_host_tells_of_the_machine() -> None:
    """In cores and bytes, never more than it has."""
    host = Host(ContainerGroup(Path("/nonexistent")), Gpus(Driver(0)))
    host.read(0.0)
    reading = host.read(1e6)
    assert set(reading.used) == {"cpu", "memory"} == set(reading.capacity)
    assert 0 <= reading.used["cpu"] <= reading.capacity["cpu"] and 1e6 < reading.used["memory"] <= reading.capacity["memory"]


class Driver:
    """What pynvml is to the agent."""

    class NVMLError(Exception):
        """The driver refuses."""

    def __init__(self, devices: int, *, installed: bool = True, measures: bool = True) -> None:
        self.devices, self.installed, self.measures, self.asked = devices, installed, measures, 0

    def nvmlInit(self) -> None:
        self.asked += 1
        if not self.installed:
            raise self.NVMLError

    def nvmlDeviceGetCount(self) -> int:
        return self.devices

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        return index

    def nvmlDeviceGetMemoryInfo(self, device: int) -> Any:
        if not self.installed:
            raise self.NVMLError
        return SimpleNamespace(total=16e9, used=4e9 * (device + 1))

    def nvmlDeviceGetUtilizationRates(self, device: int) -> Any:
        if not self.measures:
            raise self.NVMLError
        return SimpleNamespace(gpu=25 + 50 * device)


def test_gpus_are_added_up() -> None:
    """Devices and bytes of all; what the driver does not measure is not made up."""
    assert Gpus(Driver(2)).read(0.0) == GpuReading(2, 32e9, 1.0, 12e9)
    assert Gpus(Driver(2, measures=False)).read(0.0) == GpuReading(2, 32e9, None, 12e9)
    assert Gpus(Driver(0)).read(0.0) is None


def test_a_driver_is_asked_once_a_minute() -> None:
    """Where there is none; one that comes later, or goes and comes back, is found."""
    driver = Driver(1, installed=False)
    gpus = Gpus(driver)
    assert [gpus.read(float(second)) for second in range(60)] == [None] * 60 and driver.asked == 1
    driver.installed = True
    assert gpus.read(60.0) == GpuReading(1, 16e9, 0.25, 4e9)
    driver.installed = False
    assert gpus.read(65.0) is None and gpus.read(66.0) is None and driver.asked == 2
    driver.installed = True
    assert gpus.read(125.0) is not None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "--url"),
        (["--url", "http://pool", "--interval", "0"], "--interval must be a number of seconds from 1 to 15, got '0'"),
        ([*URL, "--interval", "soon"], "got 'soon'"),
        ([*URL, "--interval", "nan"], "got 'nan'"),
        ([*URL, "--label", "rack"], "--label must be NAME=VALUE, as in rack=b7, got 'rack'"),
        ([*URL, "--id", ""], "--id must be 1 to 256"),
        ([*URL, "--id", "a\nb"], "--id must be 1 to 256"),
        ([*URL, "--token", "a b"], "(hidden)"),
        ([*URL, "--token", "x", "--token-file", "y"], "leave out one"),
        ([*URL, "--token-file", "/nonexistent/token"], "no such file"),
        ([*URL, "--tokn", "x"], "--tokn"),
    ],
)
def test_what_is_wrong_is_named(arguments: list[str], said: str) -> None:
    """In one sentence; a token never stands in it."""
    with pytest.raises(InvalidValueError) as error:
        read(arguments, {"DRM_TOKEN": "secret-token"})
    assert said in str(error.value) and "secret-token" not in str(error.value) and "a b" not in str(error.value)


def test_no_token_is_an_error_that_says_how(tmp_path: Path) -> None:
    """From a file, a flag or the variable."""
    with pytest.raises(InvalidValueError, match="--token-file FILE, or set the variable DRM_TOKEN"):
        read(URL, {})
    (tmp_path / "token").write_text("from-a-file\n")
    assert read([*URL, "--token-file", str(tmp_path / "token")], {"DRM_TOKEN": "other"}).token == "from-a-file"
    given = read([*URL, "--label", "rack=b7", "--label", "zone=", "--id", "n1"], {"DRM_TOKEN": "variable"})
    assert (given.token, given.worker_id, given.labels, given.interval_seconds) == ("variable", "n1", {"rack": "b7", "zone": ""}, 5.0)


@pytest.mark.parametrize("url", ["pool:8080", "ftp://pool", "http://", "http://pool:99999", "http://u:p@pool", "http://pool?x=1"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    """With how one looks; a password in it is not repeated."""
    with pytest.raises(InvalidValueError, match="--url"):
        Wire(url, "a", "t")
