"""Installing without a checkout: the wheel with all libraries, and with those of a tagging machine.

Libraries are those that the tests run with: nothing is downloaded.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import distribution, version
from pathlib import Path

import pytest
from conftest import clean_environment
from packaging.requirements import Requirement
from packaging.version import Version

from tagger import __version__
from tagger.datasets.sample import Sample
from tagger.models.starter import STARTER

ROOT = Path(__file__).parents[1]
PACKAGES = ("jobs", "schemas", "tagger")
NOT_WANTED = {"openvino-telemetry"}
"""OpenVINO names it, does without it, and it would report to its makers."""

_COMMANDS = """
import json, sys
from jobs.cli import run

for command in json.loads(sys.argv[1]):
    code = run(command)
    print("did", command[0], code, flush=True)
    print("did", command[0], file=sys.stderr, flush=True)
print({"tensorflow", "keras", "cleanlab", "matplotlib"} & set(sys.modules))
"""


def run(python: Path, *arguments: object, cwd: Path) -> "subprocess.CompletedProcess[str]":
    environment = clean_environment()
    environment.pop("PYTHONPATH", None)
    command = [str(python), *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=300, env=environment, cwd=cwd
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy: a build leaves files behind."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in PACKAGES:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    # Where setuptools is too old, pip fetches one.
    here = ["--no-build-isolation"] if Version(version("setuptools")) >= Version("77") else []
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", *here, "-w", str(out), "."]
    built = subprocess.run(command, capture_output=True, text=True, cwd=source)
    assert built.returncode == 0, built.stderr
    (path,) = out.glob("*.whl")
    return path


def environment(folder: Path, wheel: Path) -> tuple[Path, Path]:
    """Return Python and site-packages of a new environment with nothing but the wheel."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    python = folder / "bin" / "python"
    command = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-index"]
    subprocess.run([*command, "--no-deps", "--quiet", str(wheel)], check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    return python, site


@pytest.fixture(scope="module")
def whole(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Python with the wheel and all libraries."""
    python, site = environment(tmp_path_factory.mktemp("whole"), wheel)
    libraries = str(distribution("numpy").locate_file(""))
    (site / "libraries.pth").write_text(libraries)
    return python


@pytest.fixture(scope="module")
def tagging(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Python with the wheel and what requirements-tag.txt names."""
    python, site = environment(tmp_path_factory.mktemp("tagging"), wheel)
    for requirement in listed():
        library = distribution(requirement.name)
        for top in {Path(str(file)).parts[0] for file in library.files or ()}:
            if top not in ("..", "__pycache__") and not (site / top).exists():
                (site / top).symlink_to(Path(str(library.locate_file(top))))
    return python


def listed() -> list[Requirement]:
    lines = (ROOT / "requirements-tag.txt").read_text().splitlines()
    return [Requirement(line) for line in lines if not line.startswith("#")]


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_wheel_holds_the_three_packages_whole_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    held = {name for name in names if ".dist-info/" not in name}
    files = {path for name in PACKAGES for path in (ROOT / name).rglob("*") if path.is_file()}
    assert held == {
        str(path.relative_to(ROOT)) for path in files if "__pycache__" not in path.parts
    }
    assert "tagger/py.typed" in held
    assert {f"tagger/starter/{path.relative_to(STARTER)}" for path in STARTER.rglob("*.*")} <= held


def test_the_wheel_works_in_an_environment_of_its_own(
    whole: Path, sample: Sample, tmp_path: Path
) -> None:
    said = run(whole.parent / "tagger", "--version", cwd=tmp_path)
    assert (said.returncode, said.stdout) == (0, f"tagger {__version__}\n")
    where = run(whole, "-c", "import tagger; print(tagger.__file__)", cwd=tmp_path)
    assert where.stdout.startswith(str(whole.parents[1])), where.stderr
    command = [whole.parent / "tagger", "tag", sample.catalog, "--index", "index", "--json"]
    tagged = run(*command, "--max-error-rate", 1, cwd=tmp_path)
    assert tagged.returncode == 0, tagged.stderr
    assert json.loads(tagged.stdout)["scored"] > 20
    assert (tmp_path / "index" / "current").is_dir()


def test_a_tagging_machine_has_the_versions_that_are_tested_and_lacks_none() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    tested = {plain(name): pin for name, pin in (line.split("==") for line in lines)}
    pins = {plain(one.name): str(one.specifier) for one in listed()}
    assert pins == {name: f"=={tested[name]}" for name in pins}
    needed = {
        plain(one.name)
        for name in pins
        for one in map(Requirement, distribution(name).requires or ())
        if one.marker is None or one.marker.evaluate({"extra": ""})
    }
    assert needed - set(pins) == NOT_WANTED
    ours = {plain(Requirement(one).name) for one in project_requires()}
    assert ours - set(pins) == {"tensorflow", "keras", "matplotlib", "cleanlab", "nncf"}


def project_requires() -> list[str]:
    import tomllib

    dependencies: list[str] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "dependencies"
    ]
    return dependencies


def test_a_tagging_machine_tags_and_looks_without_tensorflow(
    tagging: Path, bundle_path: Path, sample: Sample, tmp_path: Path
) -> None:
    picture = str(min(Path(sample.catalog).rglob("*.jpg")))
    commands = [
        ["--help"],
        ["tag", str(sample.catalog), "--index", "index", "--features", "--max-error-rate", "1"],
        ["verify", "index"],
        ["runs", "index"],
        ["similar", "index", picture, "--sheet", "sheet.png"],
        ["predict", str(STARTER), picture, "--overlay", "overlay"],
        ["models", str(bundle_path.parent)],
        ["evaluate", str(bundle_path), str(sample.labelled)],
        ["train", str(sample.labelled), "--models", "m", "--groups", "color,garment", "--check"],
    ]
    ended = run(tagging, "-c", _COMMANDS, json.dumps(commands), cwd=tmp_path)
    did = re.findall(r"^did (\S+) (\d)$", ended.stdout, re.MULTILINE)
    assert did == [(command[0], "0") for command in commands], ended.stderr
    assert ended.stdout.splitlines()[-1] == "set()"
    (snapshot,) = os.listdir(tmp_path / "index" / "snapshots")
    assert run(tagging.parent / "tagger", "rollback", "index", snapshot, cwd=tmp_path).stdout
    code = f"import tagger; print(*tagger.load().predict([{picture!r}])['status'])"
    assert run(tagging, "-c", code, cwd=tmp_path).stdout == "ok\n"


def test_a_tagging_machine_says_in_one_line_what_it_cannot(
    tagging: Path, bundle_path: Path, sample: Sample, tmp_path: Path
) -> None:
    labelled, model = str(sample.labelled), str(bundle_path)
    picture = str(min(Path(sample.catalog).rglob("*.jpg")))
    commands = [
        ["train", labelled, "--models", "models", "--groups", "color,garment"],
        ["retrain", labelled, "--from", model, "--models", "models"],
        ["demo", "--out", "demo"],
        ["evaluate", model, labelled, "--audit", "audit"],
        ["predict", model, picture, "--backend", "keras"],
    ]
    ended = run(tagging, "-c", _COMMANDS, json.dumps(commands), cwd=tmp_path)
    did = re.findall(r"^did (\S+) (\d)$", ended.stdout, re.MULTILINE)
    assert did == [(command[0], "2") for command in commands], ended.stderr
    said = [line for line in ended.stderr.splitlines() if not line.startswith("did ")]
    assert len(said) == len(commands), ended.stderr
    for line in said:
        assert re.match(r"tagger: this needs \w+, which is not installed: .*--no-deps", line)
    tag = ["tag", sample.catalog, "--model", model, "--index", "index", "--backend", "keras"]
    refused = run(tagging.parent / "tagger", *tag, cwd=tmp_path)
    assert refused.returncode == 2
    assert "Traceback" not in refused.stderr
    assert "keras, which is not installed" in refused.stderr
    assert not os.path.exists(tmp_path / "index" / "current")
    code = f"import tagger; tagger.load({model!r}, backend='keras')"
    raised = run(tagging, "-c", code, cwd=tmp_path).stderr.splitlines()[-1]
    assert raised.startswith("tagger.errors.InputError: this needs keras")
