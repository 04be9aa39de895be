"""Policies about asking a model: which one, what was used of models, caps, and a person's approval."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import pytest

from lichen.core.ports.policy import MODEL_METERS, Asking, AtMost, Check, Grant, ModelMeter, Verdict
from lichen.core.words.errors import Invalid
from lichen.core.words.ids import RunId, SessionId
from tests.gate.shop import COUNTED, SCOPE, SUPPORT, Shop, policies

SCOPE_OF_MODELS = 'permit(principal, action == Action::"model.invoke", resource)'
NOTHING: Mapping[ModelMeter, int] = dict.fromkeys(MODEL_METERS, 0)


def asking(
    model: str = "openai:gpt-5", *, tags: tuple[str, ...] = (), used: Mapping[ModelMeter, int] = NOTHING
) -> Check:
    """The question whether the agent may ask a model, when so much was used."""
    counted: Mapping[ModelMeter, int] = {**NOTHING, **used}
    return Check(
        SCOPE,
        SUPPORT,
        "model.invoke",
        model,
        run=RunId("run-1"),
        session=SessionId("ses-1"),
        digest=b"digest",
        requesters=("customer_anna",),
        asking=Asking(lambda: counted, tags),
    )


def decided(cedar: str, *checks: Check) -> list[str]:
    shop = Shop(cedar)
    return [shop.gate.decide(check).outcome for check in checks]


@pytest.mark.req("GOA-28.1")
def test_a_policy_chooses_models_by_name_provider_and_tag() -> None:
    by_name = f'{SCOPE_OF_MODELS} when {{ resource == Model::"openai:gpt-5" }};'
    assert decided(by_name, asking(), asking("openai:gpt-5-mini")) == ["allow", "deny"]
    by_provider = f'{SCOPE_OF_MODELS} when {{ context.model.provider == "ollama" && context.model.name like "qwen*" }};'
    assert decided(by_provider, asking("ollama:qwen3:8b"), asking("ollama:llama3"), asking("openai:qwen")) == [
        "allow",
        "deny",
        "deny",
    ]
    by_tag = f'{SCOPE_OF_MODELS} unless {{ context.model.tags.contains("large") }};'
    assert decided(by_tag, asking(), asking(tags=("eu", "large"))) == ["allow", "deny"]


@pytest.mark.req("GOA-28.2")
@pytest.mark.parametrize("meter", MODEL_METERS)
def test_a_policy_reads_what_run_session_and_day_used_anew_for_each_request(meter: ModelMeter) -> None:
    text = f"{SCOPE_OF_MODELS} when {{ context.meters.{meter} < 500 }};"
    assert decided(text, asking(used={meter: 499}), asking(used={meter: 500}), asking()) == ["allow", "deny", "allow"]


@pytest.mark.req("GOA-28.2")
def test_what_was_used_is_counted_only_where_a_policy_reads_it() -> None:
    asked: list[str] = []

    def used() -> Mapping[ModelMeter, int]:
        asked.append("used")
        return NOTHING

    check = msgspec.structs.replace(asking(), asking=Asking(used))
    shop = Shop(f"{SCOPE_OF_MODELS};")
    assert [shop.gate.decide(check).outcome for _ in range(3)] == ["allow"] * 3
    assert asked == []
    shop.gate.replace(SCOPE, policies(f"{SCOPE_OF_MODELS} when {{ context.meters.day_tokens < 9 }};"))
    assert [shop.gate.decide(check).outcome for _ in range(3)] == ["allow"] * 3
    assert asked == ["used"] * 3


@pytest.mark.req("GOA-28.3")
def test_of_several_permits_the_lowest_cap_on_each_meter_counts() -> None:
    shop = Shop(
        f'@limit("run_tokens <= 900; day_micro_usd <= 70") {SCOPE_OF_MODELS};\n@limit("run_tokens <= 500") '
        f"{SCOPE_OF_MODELS};"
    )
    verdict = shop.gate.decide(asking(used={"run_tokens": 9_999}))
    assert verdict.outcome == "allow", "whether it fits is known once it is known how long it is"
    assert verdict.caps == (AtMost("day_micro_usd", 70), AtMost("run_tokens", 500))


@pytest.mark.req("GOA-28.4")
def test_a_model_waits_for_the_approval_of_another_person_of_the_role() -> None:
    shop = Shop(f'@approval("finance") @limit("run_tokens <= 900") {SCOPE_OF_MODELS};')

    def ask(*grants: Grant) -> Verdict:
        return shop.gate.decide(msgspec.structs.replace(asking(), grants=grants))

    held = ask()
    assert held.outcome == "hold"
    assert held.approval is not None
    assert held.approval.role == "finance"
    assert ask(Grant("finance", "customer_anna", b"digest")).outcome == "hold", "who asked does not approve"
    assert ask(Grant("finance", "operator_tom", b"other")).outcome == "hold", "that was another model"
    granted = ask(Grant("finance", "operator_tom", b"digest"))
    assert (granted.outcome, granted.caps) == ("allow", (AtMost("run_tokens", 900),))
    assert ask().outcome == "hold", "and is not remembered for others"


@pytest.mark.req("GOA-28.5")
@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f'@limit("refunds <= 3") {SCOPE_OF_MODELS};', "counted by the meter refunds"),
        (f'@confirm("Really?") {SCOPE_OF_MODELS};', "no other conditions than approval and limits"),
        (f'@redact("email") {SCOPE_OF_MODELS};', "no other conditions than approval and limits"),
        ('@limit("run_tokens <= 3") permit(principal, action == Action::"payments.refund", resource);', "run_tokens"),
        (f"{SCOPE_OF_MODELS} when {{ context.meters.refunds < 3 }};", "refunds"),
        (
            'permit(principal, action == Action::"run.start", resource) when { context.meters.run_tokens < 3 };',
            "meters",
        ),
    ],
)
def test_a_condition_that_means_nothing_for_a_model_stops_the_load(text: str, said: str) -> None:
    with pytest.raises(Invalid) as raised:
        policies(text, meters=COUNTED)
    assert said in raised.value.message


@pytest.mark.req("GOA-28.5")
def test_no_declared_meter_takes_the_name_of_one_of_models() -> None:
    with pytest.raises(Invalid, match="the name of what is counted") as raised:
        policies("", meters='[[meter]]\nname = "run_tokens"\ntools = ["payments.refund"]\n')
    assert raised.value.code == "meters_invalid"
