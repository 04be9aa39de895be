"""What customers hear, and what a person has to agree to. Run it with pytest."""

from pathlib import Path

from lichen.testing.worlds import as_sync, project_world

PROJECT = Path(__file__).with_name("lichen.toml")


@as_sync
async def test_an_order_is_found_and_a_small_refund_is_made_at_once() -> None:
    async with project_world(PROJECT) as world:
        talk = await world.talk("customer-7")
        assert (await talk.say("Where is order 1001?")).text == "Order 1001, your tea pot, is on its way."
        assert (await talk.say("Where is order 1003?")).text == "I find no order 1003 of yours."
        assert (await talk.say("I want a refund of 20 EUR for order 1001.")).text.startswith("Done: 20.00 EUR")
        assert "cost less" in (await talk.say("I want a refund of 45 EUR for order 1001.")).text
        assert [call.outcome for call in world.calls("orders.refund")] == ["ok", "denied"]


@as_sync
async def test_a_large_refund_waits_until_an_operator_agrees() -> None:
    async with project_world(PROJECT) as world:
        talk = await world.talk("customer-7")
        assert "approval" in (await talk.say("I want a refund of 80 EUR for order 1002.")).text
        await world.restart()  # a crash in between changes nothing
        await world.approve(by="ops")
        assert (await talk.reply()).text.startswith("Done: 80.00 EUR")


@as_sync
async def test_after_a_day_without_an_answer_no_money_is_paid() -> None:
    async with project_world(PROJECT) as world:
        talk = await world.talk("customer-7")
        await talk.say("I want a refund of 80 EUR for order 1002.")
        await world.clock.advance(24 * 3600)
        assert (await talk.reply()).outcome == "answered"
        assert [call.outcome for call in world.calls("orders.refund")] == ["denied"]
