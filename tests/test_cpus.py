import os
import subprocess
import sys
from pathlib import Path

import pytest

from tagger import cpus


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no affinity")
def test_a_process_that_may_use_one_processor_counts_one() -> None:
    code = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); from tagger.cpus "
        "import usable_cpus"
    )
    ended = subprocess.run(
        [sys.executable, "-c", f"{code}; print(usable_cpus())"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert ended.stdout.strip() == "1"


@pytest.mark.parametrize(
    ("content", "limit"),
    [("50000 100000\n", 1), ("max 100000\n", 10**6), ("", 10**6), ("150000 100000\n", 2)],
)
def test_a_container_s_quota_bounds_it(
    content: str, limit: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cpu.max").write_text(content)
    monkeypatch.setattr(cpus, "_QUOTA", tmp_path / "cpu.max")
    allowed = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    assert cpus.usable_cpus() == min(allowed, limit)
