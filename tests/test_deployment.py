"""The deployment's files agree with the service: metrics, settings, and the time it has to stop."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry

from service.app import create_app
from service.settings import Settings, variable

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "deployment.md").read_text()
RULES = yaml.safe_load((ROOT / "deploy" / "alerts.yml").read_text())["groups"][0]["rules"]
DASHBOARD = json.loads((ROOT / "deploy" / "grafana-dashboard.json").read_text())
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
TARGETS = [target for panel in DASHBOARD["panels"] for target in panel["targets"]]
EXPRESSIONS = [*(rule["expr"] for rule in RULES), *(target["expr"] for target in TARGETS)]

_METRIC = re.compile(r"\b((?:maskd|http_server)_\w+)\b")
_LABELS = re.compile(r"\{([^{}]*)\}|by \(([^)]*)\)|\{\{\s*(?:\$labels\.)?(\w+)\s*\}\}")
_PARTS = {"gauge": ("",), "counter": ("_total",), "histogram": ("_bucket", "_count", "_sum")}
_OF_PROMETHEUS = {"instance", "job", "le"}


@pytest.fixture(scope="module")
def registry() -> CollectorRegistry:
    registry: CollectorRegistry = create_app(Settings()).state.services.registry
    return registry


def sample_names(registry: CollectorRegistry) -> Iterator[str]:
    for metric in registry.collect():
        yield from (metric.name + part for part in _PARTS[metric.type])


def label_names(registry: CollectorRegistry) -> set[str]:
    return {label for collector in registry._collector_to_names for label in collector._labelnames}


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_an_expression_names_metrics_and_labels_that_exist(
    expression: str, registry: CollectorRegistry
) -> None:
    metrics = set(_METRIC.findall(re.sub(r"by \([^)]*\)|\{[^}]*\}", "", expression)))
    assert metrics - set(sample_names(registry)) == set()
    assert metrics or expression.startswith("up{")
    words = " ".join(a or b for a, b, _ in _LABELS.findall(expression))
    named = set(re.findall(r"(\w+)(?==|,|$|\s)", re.sub(r'"[^"]*"', "", words.replace("=~", "="))))
    assert named - label_names(registry) - _OF_PROMETHEUS == set()


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_an_expression_closes_what_it_opens(expression: str) -> None:
    open_ones: list[str] = []
    for sign in re.sub(r'"[^"]*"', "", expression):
        if sign in "([{":
            open_ones.append({"(": ")", "[": "]", "{": "}"}[sign])
        elif sign in ")]}":
            assert open_ones.pop() == sign
    assert open_ones == []


def test_a_rule_says_whom_it_wakes_and_why() -> None:
    assert len({rule["alert"] for rule in RULES}) == len(RULES) >= 5
    for rule in RULES:
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert rule["annotations"]["summary"]


def test_the_page_explains_every_metric(registry: CollectorRegistry) -> None:
    rows = re.findall(r"^\| (`(?:maskd|http_server)_.*?) \| (.*?) \|", PAGE, re.MULTILINE)
    told = {
        name: set(re.findall(r"`(\w+)`", labels))
        for names, labels in rows
        for name in re.findall(r"`(\w+)`", names)
    }
    assert told == {
        name: set(collector._labelnames)
        for collector, names in registry._collector_to_names.items()
        for name in names
        if name == collector._name + ("_total" if collector._type == "counter" else "")
    }


def test_the_page_and_compose_name_settings_that_exist() -> None:
    known = {variable(name) for name in Settings.model_fields} | {"MASKD_PUBLISH"}
    text = PAGE + (ROOT / "docker-compose.yml").read_text() + (ROOT / "Dockerfile").read_text()
    assert set(re.findall(r"\bMASKD_[A-Z_]+\b", text)) - known == set()


def test_the_page_states_the_defaults() -> None:
    for row in re.findall(r"^\| .* \| (`MASKD.*) \|", PAGE, re.MULTILINE):
        for name, value, unit in re.findall(r"`MASKD_(\w+)`, (\d+)( MiB)?", row):
            default = getattr(Settings(), name.lower())
            assert default == float(value) * (2**20 if unit else 1)


@pytest.mark.parametrize("name", ["maskd", "maskd-cpu"])
def test_the_grace_is_longer_than_the_drain(name: str) -> None:
    service: dict[str, Any] = COMPOSE["services"][name]
    drain_s = float(service["environment"]["MASKD_DRAIN_S"])
    assert drain_s == Settings().drain_s
    grace_s = float(service["stop_grace_period"].removesuffix("s"))
    assert grace_s >= drain_s + 10
    (kubernetes,) = [
        yaml.safe_load(block)
        for block in re.findall(r"^```yaml\n(spec:.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    ]
    (container,) = kubernetes["spec"]["containers"]
    assert float(container["env"][0]["value"]) == drain_s
    before_s = float(container["lifecycle"]["preStop"]["exec"]["command"][1])
    assert kubernetes["spec"]["terminationGracePeriodSeconds"] >= before_s + drain_s + 5


@pytest.mark.parametrize("name", ["maskd", "maskd-cpu"])
def test_a_kernel_can_be_compiled_for_the_gpu_and_loaded(name: str) -> None:
    install = re.search(r"apt-get install (.*)", (ROOT / "Dockerfile").read_text())
    assert install
    assert {"gcc", "libc6-dev"} <= set(install[1].split())
    assert COMPOSE["services"][name]["read_only"]
    assert "/home/maskd/.triton:exec" in COMPOSE["services"][name]["tmpfs"]


def test_what_compose_mounts_belongs_to_the_service_in_the_image() -> None:
    made = re.search(r"install --directory --owner=maskd (.*)", (ROOT / "Dockerfile").read_text())
    assert made
    folders = {volume.split(":")[1] for volume in COMPOSE["services"]["maskd"]["volumes"]}
    assert folders == set(made[1].split())
