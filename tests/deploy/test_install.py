from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.deploy.debian import ROOT, SCRIPT, code_list, copy_checkout, own_mirror

SUITES = {"bookworm": "Debian GNU/Linux 12", "trixie": "Debian GNU/Linux 13"}


def test_the_script_is_plain_posix_shell() -> None:
    done = subprocess.run(["dash", "-n", str(SCRIPT)], capture_output=True, text=True, timeout=10)
    assert (done.returncode, done.stderr) == (0, "")


def test_everything_that_is_installed_is_in_the_checkout() -> None:
    assert [name for name in code_list() if not (ROOT / name).exists()] == []


def test_every_app_that_the_settings_name_is_installed() -> None:
    from django.conf import settings

    ours = {app for app in settings.INSTALLED_APPS if (ROOT / app).is_dir()}
    assert ours <= set(code_list())


def test_a_wrong_option_stops_before_anything_is_done() -> None:
    done = subprocess.run(["sh", str(SCRIPT), "--drun"], capture_output=True, text=True, timeout=10)
    assert done.returncode == 1
    assert "unknown option --drun" in done.stderr
    assert done.stdout == ""


def test_help_lists_the_options() -> None:
    done = subprocess.run(["sh", str(SCRIPT), "--help"], capture_output=True, text=True, timeout=10)
    assert done.returncode == 0
    assert all(option in done.stdout for option in ("--dry-run", "--image DIR", "--no-image", "--admin NAME", "--yes"))


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What install.sh puts on a machine of the checkout, and nothing else."""
    root = tmp_path_factory.mktemp("installed")
    copy_checkout(root)
    return root


@pytest.mark.parametrize("words", [["check"], ["makemigrations", "--check"], ["completion", "bash"], ["help"]], ids=str)
def test_what_is_installed_needs_nothing_that_is_not(installed: Path, words: list[str]) -> None:
    environment = {"PATH": os.environ["PATH"], "VETTING_DATA_DIR": str(installed / "data")}
    command = [sys.executable, "manage.py", *words]
    done = subprocess.run(command, cwd=installed, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_the_wrapper_hands_on_a_secret_as_it_stands(tmp_path: Path) -> None:
    """As systemd's EnvironmentFile does: no character of a password is the shell's."""
    if os.geteuid() != 0:
        pytest.skip("setpriv needs root: sudo make test")
    secrets = {"VETTING_BMC_X": "pa$word;x#1 `id` & \"q\" 'r' $(id)", "NTFY_TOKEN": "a=b", "LAST": "no line end"}
    (tmp_path / "secrets.env").write_text("# a word\n\n" + "\n".join("=".join(pair) for pair in secrets.items()))
    (tmp_path / "python").write_text("#!/bin/sh\nshift\n[ \"$1 $2\" = 'vet a b' ] && env -0\n")
    (tmp_path / "python").chmod(0o755)
    text = SCRIPT.read_text().replace('main "$@"', f"conf={tmp_path} app={tmp_path} user=root wrapper")
    text = text.replace("$venv/bin/python", f"{tmp_path}/python")
    made = subprocess.run(["sh", "-c", text, str(SCRIPT)], capture_output=True, text=True, timeout=10)
    assert (made.returncode, made.stderr) == (0, "")
    (tmp_path / "vetting").write_text(made.stdout)
    done = subprocess.run(["sh", str(tmp_path / "vetting"), "vet", "a b"], capture_output=True, text=True, timeout=10)
    handed = dict(entry.partition("=")[::2] for entry in done.stdout.split("\0"))
    assert {name: handed.get(name) for name in secrets} == secrets, done.stderr


@pytest.fixture
def command() -> Iterator[Callable[..., subprocess.CompletedProcess[str]]]:
    """The command of an installation as it is written, for user `nobody` and with the code of this checkout.
    `command(folder, *words)` calls it in this folder."""
    unprivileged = ["setpriv", "--reuid", "nobody", "--regid", "nogroup", "--init-groups"]
    if os.geteuid() != 0 or subprocess.run([*unprivileged, sys.executable, "-c", "import django"]).returncode != 0:
        pytest.skip("needs root, and a Python that user nobody can run: sudo make test")
    with tempfile.TemporaryDirectory(prefix="vetting-command-") as folder:
        root = Path(folder)
        root.chmod(0o755)
        (root / "data").mkdir()
        shutil.chown(root / "data", "nobody")
        (root / "vetting.yaml").touch()
        (root / "secrets.env").write_text(f"VETTING_SECRET_KEY={'x' * 50}\n")
        places = f"conf={root} data={root}/data app={ROOT} user=nobody"
        text = SCRIPT.read_text().replace('main "$@"', f"{places} wrapper").replace("$venv/bin/python", sys.executable)
        made = subprocess.run(["sh", "-c", text, str(SCRIPT)], capture_output=True, text=True, timeout=10)
        (root / "vetting").write_text(made.stdout.replace("--regid nobody", "--regid nogroup"))

        def call(where: Path, *words: str) -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                ["sh", str(root / "vetting"), *words], cwd=where, capture_output=True, text=True, timeout=120
            )

        yield call


def test_the_command_finds_a_file_by_its_relative_path(
    command: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    with tempfile.TemporaryDirectory(prefix="vetting-caller-") as folder:
        Path(folder).chmod(0o755)
        Path(folder, "hosts.yaml").write_text("- name: pve-1\n- {name: \n")
        done = command(Path(folder), "hosts", "import", "hosts.yaml")
    assert "hosts.yaml can't be read: file, line 3" in done.stderr, "it was found, and read as far as its fault"


@pytest.mark.parametrize(
    "words", [["hosts", "import", "it.csv"], ["restore", "it.csv"], ["backup", "new.tar.gz"]], ids=str
)
def test_a_file_that_the_commands_user_may_not_use_is_an_error_that_says_what_to_do(
    command: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path, words: list[str]
) -> None:
    """As in root's home directory."""
    tmp_path.chmod(0o700)
    (tmp_path / "it.csv").write_text("name\n")
    done = command(tmp_path, *words)
    assert done.returncode == 1, done.stderr
    said = done.stdout + done.stderr
    assert "Permission denied: this command runs as user nobody, who may not use that file or its folder" in said
    assert "/data instead: `sudo install -o nobody -m 600 FILE" in said and "Traceback" not in said


@pytest.fixture(scope="module", params=list(SUITES))
def debian(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A minimal Debian of its own, with this checkout in /src; nothing is mounted into it."""
    suite = request.param
    if shutil.which("debootstrap") is None or os.geteuid() != 0:
        pytest.skip("needs debootstrap and root: apt-get install debootstrap && sudo make test-install")
    root = tmp_path_factory.mktemp(suite)
    command = ["debootstrap", "--variant=minbase", suite, str(root), *own_mirror()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900)
    if done.returncode != 0:
        shutil.rmtree(root)
        pytest.skip(f"{' '.join(command)} failed: {(done.stderr + done.stdout)[-300:]}")
    try:
        copy_checkout(root / "src")
        yield suite, root
    finally:
        shutil.rmtree(root)


def _everything(root: Path) -> dict[str, tuple[int, int, int]]:
    """Mode, size and time of change of every file."""
    found = {}
    for directory, names, files in os.walk(root):
        for name in [*names, *files]:
            facts = os.lstat(os.path.join(directory, name))
            found[os.path.join(directory, name)] = (facts.st_mode, facts.st_size, facts.st_mtime_ns)
    return found


@pytest.mark.install
def test_a_dry_run_on_a_fresh_debian_lists_every_step_and_changes_nothing(debian: tuple[str, Path]) -> None:
    suite, root = debian
    before = _everything(root)
    command = ["chroot", str(root), "/src/deploy/install.sh", "--dry-run"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert _everything(root) == before
    lines = done.stdout.splitlines()
    assert SUITES[suite] in lines[0]
    assert lines[1].startswith("==> Packages to install with apt: python3 python3-venv dnsmasq-base iperf3")
    steps = ("useradd --system", "--require-hashes", "vetting.yaml", "secrets.env (root:root, 0600)", "migrate",
             "collectstatic", "admin_user", "live-image/build.py", "enable --now vetting-web.service",
             "vetting-iperf3@5201.service")  # fmt: skip
    places = [done.stdout.find(step) for step in steps]
    assert -1 not in places
    assert places == sorted(places)
