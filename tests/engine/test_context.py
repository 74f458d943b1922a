"""What a model reads of its plan with each request."""

from __future__ import annotations

from aether_jupyter.engine.context import PLAN_LINES, plan_section
from aether_jupyter.model.plan import Plan, parse_plan


def test_no_plan_costs_nothing() -> None:
    assert plan_section(Plan()) == ""


def test_a_plan_is_said_with_its_numbers_and_how_far_it_is() -> None:
    plan = parse_plan(
        "- [x] read\n  - [x] open it\n- [~] mend\n  - [ ] dates (agent 12)\n- [!] write (because: no paper)"
    )
    assert plan_section(plan) == (
        "Your plan as it stands (1 of 3 done):\n"
        "1 [x] read (+1 below)\n"
        "2 [~] mend\n"
        "  2.1 [ ] dates (agent 12)\n"
        "3 [!] write (because: no paper)"
    )


def test_of_a_large_plan_the_part_in_work_is_said() -> None:
    branch = "\n".join(f"  - [ ] part {n}" for n in range(9))
    doing = branch.replace("- [ ] part 4", "- [~] part 4\n    - [~] this very one")
    text = "\n".join(f"- [ ] chapter {n}\n{doing if n == 20 else branch}" for n in range(40))
    lines = plan_section(parse_plan(text)).splitlines()
    assert len(lines) <= PLAN_LINES + 1
    assert "    21.5.1 [~] this very one" in lines
    assert "40 [ ] chapter 39 (+9 below)" in lines
    flat = "\n".join(f"- [{'x' if n < 300 else ' '}] part {n}" for n in range(500))
    lines = plan_section(parse_plan(flat)).splitlines()
    assert lines[0] == "Your plan as it stands (300 of 500 done):"
    assert "301 [ ] part 300" in lines
    assert len(lines) == PLAN_LINES + 2


def test_words_of_a_step_stay_on_one_line_of_bounded_length() -> None:
    section = plan_section(parse_plan(f"- {'long ' * 190}"))
    assert len(section.splitlines()) == 2
    assert len(section) < 300
