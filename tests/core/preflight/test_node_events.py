"""`setupNodeEvents` may set another `specPattern`: it stays known only if the function certainly does not."""

import pytest

from atvm_pipeline.core.preflight.spec_pattern import read_spec_pattern


def pattern_with(events: str) -> tuple[str, ...] | None:
    return read_spec_pattern(f"export default {{ e2e: {{ specPattern: 'a', {events} }} }}")


@pytest.mark.parametrize(
    "events",
    [
        "setupNodeEvents(on, config) {}",
        "setupNodeEvents() {}",
        "setupNodeEvents(on) { on('task', tasks); return }",
        "setupNodeEvents(on, config) { return config }",
        "setupNodeEvents(on, config,) { return config; }",
        "async setupNodeEvents(on, config) { await seed(); return config }",
        "setupNodeEvents(on: Cypress.PluginEvents, config?: Cypress.PluginConfigOptions) { return null }",
        "setupNodeEvents: (on, config) => { return undefined; }",
        "setupNodeEvents: async (on, config) => { return config }",
        "setupNodeEvents: function (on, config) { return config }",
        "setupNodeEvents: async function (on, config) { return config }",
        "setupNodeEvents(on, config) { on('task', { log: (x) => `${x} / 2`, ...config.more }); return config }",
        "setupNodeEvents(on, config) { on('x', (y) => { return y }); on('z', function (y) { return y }) }",
        "setupNodeEvents(on, config) { on('task', { log(x) { return x } }); if (config.gold) { return config } }",
        "setupNodeEvents(on, config) { config.env.gold = config?.env.set; other.config = 1; return config }",
        "setupNodeEvents(on, config) { require('cypress-terminal-report/src/installLogsPrinter')(on); return config }",
    ],
)
def test_a_function_that_leaves_the_config_as_it_is_changes_nothing(events: str) -> None:
    assert pattern_with(events) == ("a",)


@pytest.mark.parametrize(
    "events",
    [
        "setupNodeEvents",
        "setupNodeEvents: events",
        "setupNodeEvents: require('./events')",
        "setupNodeEvents: wrap((on, config) => { return config })",
        "setupNodeEvents: (on, config) => config",
        "setupNodeEvents: (on, config) => plugin(on, config)",
        "setupNodeEvents: (on, config) => { return config } || other",
        "setupNodeEvents: function named(on, config) { return config }",
        "setupNodeEvents: (on, config)",
        "get setupNodeEvents() { return other }",
        "setupNodeEvents(on, { env }) { return env }",
        "setupNodeEvents(on, ...rest) { change(rest) }",
        "setupNodeEvents(on, config = other) { return config }",
        "setupNodeEvents(on, config) { return require('./plugins')(on, config) }",
        "setupNodeEvents(on, config) { grep(config); return config }",
        "setupNodeEvents(on, config) { return { ...config, ...other } }",
        "setupNodeEvents(on, config) { return Object.assign(config, other) }",
        "setupNodeEvents(on, config) { return config.env.gold ? other : config }",
        "setupNodeEvents(on, config) { return config || other }",
        "setupNodeEvents(on, config) { config[key] = 'b'; return config }",
        "setupNodeEvents(on, config) { const c = config; c[key] = 'b'; return config }",
        "setupNodeEvents(on, config) { config = other; return config }",
        "setupNodeEvents(on, config) { log(`${change(config)}`); return config }",
        "setupNodeEvents(on, config) { change(arguments); return config }",
        "setupNodeEvents(on, config) { eval(text); return config }",
        "setupNodeEvents(on, config) { if (gold) { return other } return config }",
        "setupNodeEvents(on, config) { for (const x of y) { return x } }",
        "async setupNodeEvents(on, config) { for await (const x of y) { return x } }",
        "setupNodeEvents(on, config) { try { return other } catch (e) { return config } }",
        "setupNodeEvents(on) { return other }",
        "setupNodeEvents(on, config) { config.specPattern = 'b'; return config }",
        "setupNodeEvents(on, config) { config['specPattern'] = 'b'; return config }",
        "setupNodeEvents: 1",
        "setupNodeEvents:",
    ],
)
def test_a_function_that_may_change_or_replace_the_config_makes_it_unknown(events: str) -> None:
    assert pattern_with(events) is None
