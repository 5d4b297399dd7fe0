"""Two searches in one place of a real object store, one of them killed."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest
from pyarrow import fs

from sa2vp.options import OptionError
from sa2vp.results import lease as leases
from sa2vp.results.lease import Lease
from sa2vp.results.store import ResultsStore
from sa2vp.tuning.session import hold_results

HOLD = """
import sys, time
from sa2vp.tuning.session import hold_results
from sa2vp.results.store import ResultsStore
lock = hold_results(ResultsStore(sys.argv[1]), "demo")
print("held", flush=True)
time.sleep(600)
"""


def test_in_s3_a_second_search_is_refused_and_a_killed_one_is_followed(
    bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = ResultsStore(bucket)
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, bucket], stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        who = rf"another run_search\.py, on .* \(process {holder.pid}, since .* UTC\)"
        with pytest.raises(OptionError, match=f"^--results: {bucket} is being searched by {who}; "):
            hold_results(store, "demo")
        other_suite = hold_results(store, "hta")
        assert isinstance(other_suite, Lease)
        other_suite.release()
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.communicate()
    # As on another machine, which cannot look for the process.
    monkeypatch.setattr(leases, "_this_machine", lambda: "another")
    monkeypatch.setattr(leases.Lease.__init__, "__defaults__", (2.0,))
    said: list[str] = []
    lease = hold_results(store, "demo", said.append)
    assert isinstance(lease, Lease)
    assert f"process {holder.pid}" in said[0]
    store.write_text("note.json", "{}")
    lease.release()
    filesystem, folder = store.place("lease-demo")
    assert filesystem.get_file_info(fs.FileSelector(folder)) == []
