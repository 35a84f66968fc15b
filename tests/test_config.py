"""vetting.yaml: what is wrong is named with its place, what was given and what is allowed."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from vetting import config


def parsed(text: str) -> config.Config:
    return config.parse(yaml.safe_load(text) or {}, "vetting.yaml")


def test_nothing_at_all_is_the_defaults() -> None:
    assert parsed("").dispatcher.max_concurrent == 3


def test_a_bare_off_is_the_word_and_not_false() -> None:
    assert (parsed("pxe: {mode: off}").pxe.mode, parsed("iperf3: {supervise: off}").iperf3.supervise) == ("off", "off")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("dispatcher: {max_concurrent: 0}", "dispatcher.max_concurrent: Input should be greater than or equal to 1"),
        ("dispacher: {}", "dispacher: Extra inputs are not permitted"),
        ("dispacher: {}", "did you mean 'dispatcher'?"),
        ("max_concurent: 2", "did you mean 'dispatcher.max_concurrent'?"),
        (
            "notifications: {targets: [{name: m, kind: ntfy, urll: x}]}",
            "known here: name, kind, url, token_env; did you mean 'url'?",
        ),
        ("notifications: {targets: [{name: m, kind: fax}]}", "kind: Input should be 'apprise', 'discord', "),
        ("notifications: {targets: [{name: m}]}", "notifications.targets.0.kind: Field required"),
        ("notifications: {targets: [{name: m, kind: smtp, port: x}]}", "notifications.targets.0.port: Input should be"),
        ("notifications: {targets: [phone]}", "notifications.targets.0: Input should be a valid dictionary"),
        ("deadlines: {boot_s: soon}", "(given: 'soon')"),
        ("pxe: {mode: dhcp}", "also needs interface, subnet, range_start, range_end"),
        ("notifications: {routes: [{to: [nobody]}]}", "a route names nobody"),
        ("login: {oidc: {issuer: 'https://id.example'}}", "OpenID Connect also needs client_id, roles"),
        (
            "login: {oidc: {issuer: 'http://id.example', client_id: v, roles: [{value: a, role: viewer}]}}",
            "http://id.example must begin with https://",
        ),
        (
            "login: {oidc: {issuer: 'https://i', client_id: v, roles: [{value: a, role: root}]}}",
            "login.oidc.roles.0.role: Input should be 'viewer', 'operator' or 'administrator'",
        ),
        ("login: {hide_local: true}", "hide_local needs oidc"),
        ("notifications: {targets: [{name: m, kind: smtp}]}", "a smtp target also needs host, sender, to"),
    ],
)
def test_a_wrong_value_is_named(text: str, named: str) -> None:
    with pytest.raises(config.ConfigError) as error:
        parsed(text)
    assert named in str(error.value) and str(error.value).startswith("vetting.yaml: ")


def test_a_missing_file_says_which_variable_named_it(tmp_path: Path) -> None:
    with pytest.raises(config.ConfigError, match="VETTING_CONFIG"):
        config.load(tmp_path / "nowhere.yaml")


def test_a_file_is_read_as_strictly_as_a_spec(tmp_path: Path) -> None:
    """Of a key that stood twice the last one counted, and the other was lost in silence."""
    path = tmp_path / "vetting.yaml"
    for text, named in (
        ("web: {port: 8000}\npxe: {mode: off}\nweb: {tls: true}\n", "line 3: web stands here twice (first in line 1)"),
        ("deadlines:\n  boot_s: 900\n  hartbeat_s: 20\n", "line 3: deadlines.hartbeat_s: Extra inputs"),
        ("deadlines:\n  boot_s: soon\n", "line 2: deadlines.boot_s: "),
    ):
        path.write_text(text)
        with pytest.raises(config.ConfigError) as error:
            config.load(path)
        assert f"{path}" in str(error.value) and named in str(error.value)


def test_what_the_example_and_a_bare_off_say_is_read_from_a_file_as_before(tmp_path: Path) -> None:
    path = tmp_path / "vetting.yaml"
    path.write_text("pxe: {mode: off}\niperf3: {supervise: off, ports: [5201, 5202]}\nweb: {tls: yes}\n")
    loaded = config.load(path)
    assert (loaded.pxe.mode, loaded.iperf3.supervise, loaded.web.tls) == ("off", "off", True)
    path.write_text((Path(__file__).resolve().parents[1] / "vetting.example.yaml").read_text())
    assert config.load(path) == config.Config()
