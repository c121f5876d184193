"""A policy text's rules by themselves, each with its own words."""

from __future__ import annotations

from tutti.gates import DEFAULT_POLICY, Rule, parse_policies, rules_of

AWKWARD = """// first; a comment with a "semicolon
@id("no; way")
forbid (principal, action, resource) when { context.asker == "a\\"b; c" };
permit (principal, action == Tutti::Action::"advise", resource); // the rest; of the line
"""


def test_each_rule_has_its_own_words():
    first, second = rules_of(AWKWARD)
    assert (first.id, first.effect, second.id, second.effect) == ("no; way", "forbid", "policy 2", "permit")
    assert first.text.endswith('when { context.asker == "a\\"b; c" };')
    assert second.text == 'permit (principal, action == Tutti::Action::"advise", resource);'
    assert [rule.id for rule in rules_of(DEFAULT_POLICY)] == ["advice", "action"]


def test_a_rule_by_itself_is_the_same_rule_however_many_there_are():
    text = "\n".join(f'@id("rule {n}") permit (principal, action == Tutti::Action::"act", resource == Tutti::Skill::"skill{n}");' for n in range(25))
    rules = rules_of(text)
    assert [rule.id for rule in rules] == [f"rule {n}" for n in range(25)]
    for rule in rules:
        parse_policies(rule.text)
        assert rules_of(rule.text) == [Rule(rule.id, "permit", rule.text)]
        assert f'"skill{rule.id.removeprefix("rule ")}"' in rule.text
