"""What can be seen of a search while it runs and afterwards, read as the tools that show it do."""

from __future__ import annotations

import json
import shutil
import socket
import struct
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from prometheus_client.parser import text_string_to_metric_families
from searches import ROOT
from tensorboardX.proto.event_pb2 import Event

from sa2vp.results.store import ResultsStore
from sa2vp.tuning.planning import make_plan
from sa2vp.tuning.record import RunRecord
from sa2vp.tuning.study_file import KeepStudies

DISCOVERY = Path("/tmp/ray/prom_metrics_service_discovery.json")  # noqa: S108 - where Ray puts it
RUNS = ["demo-digits-final-seed1", "demo-digits-search-0000", "demo-digits-search-0001"]
SEARCH = ["--suite", "demo", "--tasks", "digits", "--trials", "2", "--epochs", "2", "--seeds", "1"]
DEADLINE_SECONDS = 240


@dataclass
class Seen:
    """What was seen while a search ran.

    Attributes:
        results: of the search.
        samples: values by metric, then by run or status.
        actors: as Ray's dashboard names them.
        logs: that it lists.
        jobs: what they run.
        queries: by expression, how many series Prometheus found; None where it is not installed.
    """

    results: Path
    samples: dict[str, dict[str, float]] = field(default_factory=dict)
    actors: set[str] = field(default_factory=set)
    logs: set[str] = field(default_factory=set)
    jobs: set[str] = field(default_factory=set)
    queries: dict[str, int] | None = None


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """Run a search and look at it all the while."""
    folder = tmp_path_factory.mktemp("watched")
    found = Seen(folder / "results")
    token = subprocess.run(
        [sys.executable, "-m", "ray.scripts.scripts", "get-auth-token", "--generate"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.split()[-1]  # fmt: skip
    command = [sys.executable, "run_search.py", *SEARCH, "--results", str(found.results)]
    with (
        Prometheus(folder) as prometheus,
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as search,
    ):
        assert search.stdout is not None
        head = "".join(iter(search.stdout.readline, "  its token: ray get-auth-token\n"))
        dashboard = head.split("Dashboard: http://")[1].strip()
        deadline = time.monotonic() + DEADLINE_SECONDS
        while search.poll() is None:
            assert time.monotonic() < deadline
            look(found, dashboard, token)
            found.queries = prometheus.queries(found.queries)
            time.sleep(1)
        output = search.communicate()[0]
    assert search.returncode == 0, output
    return found


def look(found: Seen, dashboard: str, token: str) -> None:
    """Scrape the exported metrics, and ask the dashboard what it asks for its pages."""
    for name, labels, value in scrape():
        found.samples.setdefault(name, {})[labels] = value
    for path in ("/api/v0/actors?detail=1", "/api/v0/nodes", "/api/jobs/"):
        answer = ask(f"http://{dashboard}{path}", token)
        if path == "/api/jobs/":
            found.jobs |= {job["entrypoint"] for job in answer or []}
            continue
        rows = answer["data"]["result"]["result"] if answer else []
        for row in rows:
            if "repr_name" in row:
                found.actors.add(row["repr_name"])
            else:
                logs = ask(f"http://{dashboard}/api/v0/logs?node_id={row['node_id']}", token)
                by_kind = logs["data"]["result"] if logs else {}
                found.logs |= {name for names in by_kind.values() for name in names}


def ask(url: str, token: str) -> Any:
    """Ask for JSON; None where nobody answers."""
    headers = {"Authorization": f"Bearer {token}"}
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as page:  # noqa: S310
            return json.load(page)
    except OSError:
        return None


def scrape() -> Iterator[tuple[str, str, float]]:
    """Read what this project exports from all targets that Ray announces."""
    if not DISCOVERY.exists():
        return
    for target in json.loads(DISCOVERY.read_text())[0]["targets"]:
        try:
            with urllib.request.urlopen(f"http://{target}/metrics", timeout=5) as page:
                text = page.read().decode()
        except OSError:  # not up yet, or of a cluster that has ended
            continue
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name.startswith("ray_sa2vp_"):
                    labels = sample.labels
                    key = labels.get("run_id") or f"{labels['phase']} {labels['status']}"
                    yield sample.name, key, sample.value


class Prometheus:
    """A real one, where it is installed, set up as docs/watching.md says.

    Args:
        folder: of its database.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._server: subprocess.Popen[bytes] | None = None
        with socket.socket() as one:
            one.bind(("127.0.0.1", 0))
            self._place = f"127.0.0.1:{one.getsockname()[1]}"

    def __enter__(self) -> Prometheus:
        program = shutil.which("prometheus")
        if program is not None:
            config = self._folder / "prometheus.yml"
            written = (ROOT / "docs" / "watching.md").read_text().split("```yaml\n")[1]
            lines = [line.removeprefix("  ") for line in written.split("```")[0].splitlines()]
            config.write_text("global: {scrape_interval: 1s}\n" + "\n".join(lines))
            self._server = subprocess.Popen(
                [
                    program, f"--config.file={config}", f"--web.listen-address={self._place}",
                    f"--storage.tsdb.path={self._folder / 'tsdb'}", "--log.level=error",
                ]
            )  # fmt: skip
        return self

    def __exit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.terminate()
            self._server.wait()

    def queries(self, found: dict[str, int] | None) -> dict[str, int] | None:
        """Ask what Grafana's dashboard asks; give the most series found so far, by expression."""
        if self._server is None:
            return None
        most = dict(found or {})
        for expression in grafana_expressions():
            chosen = expression.replace("$suite", "demo").replace("$task", ".*")
            query = urllib.parse.urlencode({"query": chosen})
            url = f"http://{self._place}/api/v1/query?{query}"
            try:
                with urllib.request.urlopen(url, timeout=5) as answer:
                    series = json.load(answer)["data"]["result"]
            except urllib.error.HTTPError:
                raise  # the expression is no good
            except OSError:  # not up yet
                series = []
            most[expression] = max(most.get(expression, 0), len(series))
        return most


def grafana_expressions() -> list[str]:
    dashboard = json.loads((ROOT / "deploy" / "grafana-dashboard.json").read_text())
    return [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]


def test_every_run_exports_its_epochs(seen: Seen) -> None:
    assert set(seen.samples["ray_sa2vp_epoch"]) <= set(RUNS)
    assert RUNS[1] in seen.samples["ray_sa2vp_epoch"]
    assert all(1 <= epoch <= 2 for epoch in seen.samples["ray_sa2vp_epoch"].values())
    assert all(0 <= top1 <= 100 for top1 in seen.samples["ray_sa2vp_val_top1"].values())
    assert "search running" in seen.samples["ray_sa2vp_runs"]


def test_the_dashboard_of_grafana_asks_for_what_is_exported(seen: Seen) -> None:
    asked = " ".join(grafana_expressions())
    assert {word.strip("(") for word in asked.replace("{", " ").split() if "ray_" in word} == {
        *seen.samples
    }


def test_prometheus_finds_series_for_every_panel_of_grafana(seen: Seen) -> None:
    if seen.queries is None:
        pytest.skip("prometheus is not installed")
    assert all(seen.queries.values()), seen.queries


def test_ray_shows_jobs_actors_and_logs_by_names_that_a_person_knows(seen: Seen) -> None:
    assert any("run_search.py --suite demo --tasks digits" in job for job in seen.jobs)
    assert f"SA2VP, {RUNS[1]} and later runs" in seen.actors
    assert {f"sa2vp-{run_id}.log" for run_id in RUNS[1:]} <= seen.logs


def test_tensorboard_has_the_accuracy_of_every_epoch(seen: Seen) -> None:
    (file,) = seen.results.glob(f"tune/*/{RUNS[1]}/events.out.tfevents.*")
    values = {
        (event.step, value.tag): value.simple_value
        for event in events_of(file)
        for value in event.summary.value
    }
    assert {step for step, tag in values if tag == "ray/tune/val_top1"} == {1, 2}


def events_of(file: Path) -> Iterator[Event]:
    """Read records of a length, its checksum, an event and its checksum."""
    content = file.read_bytes()
    start = 0
    while start < len(content):
        (length,) = struct.unpack_from("<Q", content, start)
        yield Event.FromString(content[start + 12 : start + 12 + length])
        start += 16 + length


def study_of(results: Path) -> optuna.Study:
    storage = JournalStorage(JournalFileBackend(str(results / "optuna-demo.log")))
    return optuna.load_study(study_name="demo/digits", storage=storage)


def test_optuna_opens_the_study(seen: Seen) -> None:
    trials = study_of(seen.results).trials
    assert sorted(trial.user_attrs["run_id"] for trial in trials) == RUNS[1:]
    assert all(set(trial.intermediate_values) <= {1, 2} for trial in trials)


def test_a_damaged_study_is_made_anew_from_the_results(seen: Seen, tmp_path: Path) -> None:
    results = tmp_path / "results"
    shutil.copytree(seen.results, results)
    journal = results / "optuna-demo.log"
    journal.write_bytes(journal.read_bytes()[:-40] + b"{broken\n{}\n")
    plan = make_plan(suite="demo", tasks="digits", results=str(results), epochs=2)
    store = ResultsStore(str(results))
    KeepStudies(plan, RunRecord(store, "demo"), store)
    trials = study_of(results).trials
    assert sorted(trial.user_attrs["run_id"] for trial in trials) == RUNS[1:]
