"""The files of deploy/, as far as a machine without such a cluster can follow them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from packaging.requirements import Requirement
from ray.autoscaler._private.util import prepare_config, validate_config
from searches import ROOT

import sa2vp
from sa2vp.tuning import provenance
from sa2vp.tuning.provenance import find_commit

DEPLOY = ROOT / "deploy"
OPTIONS = ["--suite", "demo", "--tasks", "digits", "--trials", "1", "--epochs", "1", "--seeds", "1"]


def test_rays_cluster_launcher_accepts_the_cluster() -> None:
    config = yaml.safe_load((DEPLOY / "ray-cluster.yaml").read_text())
    validate_config(prepare_config(config))
    config["head_start_ray_command"] = config.pop("head_start_ray_commands")
    with pytest.raises(jsonschema.ValidationError):  # it does look
        validate_config(config)


JOB = yaml.safe_load((DEPLOY / "rayjob.yaml").read_text())


def pod_templates() -> dict[str, dict[str, Any]]:
    """Give the pods of the job, by their only container's name."""
    cluster = JOB["spec"]["rayClusterSpec"]
    templates = [
        JOB["spec"]["submitterPodTemplate"],
        *(group["template"] for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"])),
    ]
    return {template["spec"]["containers"][0]["name"]: template for template in templates}


PODS = pytest.mark.parametrize("pod", pod_templates().values(), ids=pod_templates().keys())


def test_the_job_of_kuberay_asks_for_a_token_and_for_what_the_search_needs() -> None:
    assert (JOB["apiVersion"], JOB["kind"]) == ("ray.io/v1", "RayJob")
    assert JOB["spec"]["rayClusterSpec"]["authOptions"] == {"mode": "token"}
    words = JOB["spec"]["entrypoint"].split()
    assert words[:2] == ["python", "run_search.py"]
    shown = subprocess.run(
        [sys.executable, "run_search.py", "--help"], cwd=ROOT, capture_output=True, text=True,
        check=True, env=os.environ | {"COLUMNS": "200"},
    ).stdout  # fmt: skip
    assert {word for word in words if word.startswith("--")} <= set(shown.split())
    for name in ("ray-head", "ray-worker"):
        (container,) = pod_templates()[name]["spec"]["containers"]
        assert "/shared" in {mount["mountPath"] for mount in container["volumeMounts"]}


def test_the_job_can_be_made_again_under_another_name() -> None:
    """KubeRay never runs one again that has ended."""
    assert JOB["metadata"] == {"generateName": "sa2vp-"}
    assert "kubectl create -f deploy/rayjob.yaml" in (DEPLOY / "rayjob.yaml").read_text()


@PODS
def test_every_pod_runs_as_a_user_without_rights(pod: dict[str, Any]) -> None:
    user = pod["spec"]["securityContext"]
    assert user["runAsNonRoot"] is True
    assert (user["runAsUser"], user["runAsGroup"], user["fsGroup"]) == (1000, 1000, 1000)
    assert user["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["spec"]["automountServiceAccountToken"] is False
    for container in pod["spec"]["containers"]:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


@PODS
def test_every_pod_has_limits_and_a_place_for_what_it_writes(pod: dict[str, Any]) -> None:
    volumes = {volume["name"]: volume for volume in pod["spec"]["volumes"]}
    for volume in volumes.values():
        assert "persistentVolumeClaim" in volume or "sizeLimit" in volume["emptyDir"]
    for container in pod["spec"]["containers"]:
        limits = container["resources"]["limits"]
        assert {"cpu", "memory"} <= set(limits)
        assert limits == container["resources"]["requests"]
        mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
        assert set(mounts.values()) == set(volumes)
        # All else is read-only; the cache is in the home folder, Ray's files in the other.
        assert {"/home/sa2vp", "/tmp"} <= set(mounts)  # noqa: S108
        if "/dev/shm" in mounts:  # noqa: S108
            shared_memory = volumes[mounts["/dev/shm"]]["emptyDir"]  # noqa: S108
            assert shared_memory["medium"] == "Memory"
            assert gibibytes(shared_memory["sizeLimit"]) < gibibytes(limits["memory"])


def gibibytes(amount: str) -> int:
    assert amount.endswith("Gi")
    return int(amount.removesuffix("Gi"))


def test_images_and_ray_are_of_one_pinned_version() -> None:
    images = {pod["spec"]["containers"][0]["image"] for pod in pod_templates().values()}
    assert images == {f"REGISTRY/sa2vp:{sa2vp.__version__}"}
    assert JOB["spec"]["rayClusterSpec"]["rayVersion"] == pinned()["ray"]
    (base,) = [line for line in instructions() if line[0] == "FROM"]
    assert re.fullmatch(r"python:3\.11\.\d+-slim-\w+", base[1])


def pinned() -> dict[str, str]:
    lines = (DEPLOY / "constraints.txt").read_text().splitlines()
    pins = [line.split("==") for line in lines if not line.startswith("#")]
    assert all(len(pin) == 2 for pin in pins)
    return dict(pins)


def test_the_image_pins_what_the_project_needs() -> None:
    needed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    for requirement in map(Requirement, needed):
        assert pinned()[requirement.name] in requirement.specifier, requirement
    (install,) = [line[1] for line in instructions() if "pip install" in line[1]]
    assert "PIP_CONSTRAINT=deploy/constraints.txt" in install


def instructions() -> list[tuple[str, str]]:
    """Give the Dockerfile's lines as instruction and the rest."""
    lines = (DEPLOY / "Dockerfile").read_text().splitlines()
    words = [line.split(maxsplit=1) for line in lines if line and not line.startswith("#")]
    return [(first, rest) for first, rest in words]


def test_the_image_runs_as_the_user_of_the_pods_and_knows_its_commit() -> None:
    lines = instructions()
    assert lines[-1] == ("USER", "1000:1000")
    assert ("ARG", "SA2VP_COMMIT") in lines
    (environment,) = [rest for name, rest in lines if name == "ENV"]
    assert "SA2VP_COMMIT=${SA2VP_COMMIT}" in environment.split()


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy what .dockerignore lets into the image, of files that git has or would take."""
    folder = tmp_path_factory.mktemp("image") / "sa2vp"
    patterns = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in patterns
    ignored = shutil.ignore_patterns(*(line[3:] for line in patterns if line.startswith("**/")))
    for name in (line[1:] for line in patterns if line.startswith("!")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, folder / name)
    return folder


def in_image(image: Path, *arguments: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], cwd=image, capture_output=True, text=True, check=False,
        env=os.environ | {"PYTHONPATH": str(image), "PYTHONDONTWRITEBYTECODE": "1"} | environment,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_image_holds_what_a_search_needs_and_no_more(image: Path) -> None:
    assert "digits" in in_image(
        image, "run_search.py", *OPTIONS, "--dry-run", "--results", str(image.parent / "results")
    )
    assert not {".git", "tests", "docs", "benchmarks"} & {file.name for file in image.iterdir()}
    files = ["run_search.py", "reproduce_tables.py", "README.md", "LICENSE"]
    assert all((image / file).is_file() for file in files)


def test_a_run_in_an_image_names_the_commit_that_the_image_was_made_of(image: Path) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567-dirty"
    asks = "from sa2vp.tuning.provenance import find_commit; print(find_commit())"
    assert in_image(image, "-c", asks, SA2VP_COMMIT=commit) == f"{commit}\n"


def test_a_checkout_knows_its_commit_better(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance, "_commit_of_checkout", lambda: "0123456-dirty")
    monkeypatch.setenv("SA2VP_COMMIT", "fedcba9")
    assert find_commit() == "0123456-dirty"


@pytest.mark.parametrize(
    "named", ["", "main", "0123456789ABCDEF", "abc", "0123456-dirtier", "0123456\n", "0123456; ls"]
)
def test_what_is_no_commit_is_not_taken_for_one(
    named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provenance, "_commit_of_checkout", lambda: None)
    monkeypatch.setenv("SA2VP_COMMIT", named)
    assert find_commit() is None


def test_only_the_clusters_pods_reach_each_other_and_the_operator_the_dashboard() -> None:
    policy = yaml.safe_load((DEPLOY / "network-policy.yaml").read_text())
    assert (policy["apiVersion"], policy["kind"]) == ("networking.k8s.io/v1", "NetworkPolicy")
    spec = policy["spec"]
    chosen = {"matchLabels": {"app": "sa2vp"}}
    assert spec["podSelector"] == chosen
    for pod in pod_templates().values():
        assert chosen["matchLabels"].items() <= pod["metadata"]["labels"].items()
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    among_pods, operator = spec["ingress"]
    assert among_pods == {"from": [{"podSelector": chosen}]}
    assert [port["port"] for port in operator["ports"]] == [8265]
    (source,) = operator["from"]
    assert source["podSelector"]["matchLabels"] == {
        "app.kubernetes.io/component": "kuberay-operator"
    }
    to_pods, names = spec["egress"]
    assert to_pods == {"to": [{"podSelector": chosen}]}
    assert {port["port"] for port in names["ports"]} == {53}


def test_the_launcher_has_a_key_of_its_own() -> None:
    key = yaml.safe_load((DEPLOY / "ray-cluster.yaml").read_text())["auth"]["ssh_private_key"]
    assert key == "~/.ssh/sa2vp_cluster"
    assert f"-f {key}\n" in (DEPLOY / "ray-cluster.yaml").read_text()  # how to make it
