import time

import pytest
from hypothesis import given, settings, strategies as st

from atvm_pipeline.core.preflight.spec_pattern import read_spec_pattern

CONFIG = r"""
import { defineConfig } from 'cypress'
// specPattern: 'of a comment'
const slow = /['"`/]specPattern: 'of a regex'/g
export default defineConfig({
  reporter: 'cypress-multi-reporters', /* specPattern: 'of a
  longer comment' */
  e2e: {
    baseUrl: "https://controller.example/a", // with a 'quote
    specPattern: [
      'cypress/e2e/cmc-e2e/redhat9.6.cy.ts', // first
      "cypress/e2e/cmc-e2e/w2k25.cy.ts",
      `cypress/e2e/cmc-e2e/check-xml-files.ts`,
    ],
    setupNodeEvents(on, config) {
      on('task', { log: (x) => `${x} / 2`, ...config.more })
      return config
    },
  },
  component: { specPattern: 'src/**/*.cy.tsx' },
})
"""


def test_the_pattern_inside_e2e_is_read() -> None:
    assert read_spec_pattern(CONFIG) == (
        "cypress/e2e/cmc-e2e/redhat9.6.cy.ts",
        "cypress/e2e/cmc-e2e/w2k25.cy.ts",
        "cypress/e2e/cmc-e2e/check-xml-files.ts",
    )


@pytest.mark.parametrize(
    ("config", "pattern"),
    [
        ("module.exports = { e2e: { specPattern: 'a/**/*.ts' } }", ("a/**/*.ts",)),
        ('{"e2e": {"specPattern": "a"}}', ("a",)),
        ("const e2e = { specPattern: 'a' }\nexport default { e2e }", ("a",)),
        ("{ e2e: Object.assign({}, { specPattern: 'a' }) }", ("a",)),
        ("{ e2e: { ...base, specPattern: 'a' } }", ("a",)),
        ("{ e2e: { specPattern: [] } }", ()),
        ("{ component: { specPattern: 'c' }, e2e: { specPattern: 'a' } }", ("a",)),
        ("{ e2e: { specPattern: 'a' }, x: { e2e: { specPattern: 'a' } } }", ("a",)),
        ("{ e2e: { specPattern: 'a', excludeSpecPattern: 'b' } }", ("a",)),
        ("{ e2e: { specPattern: 'a', env: { specPattern: 'b' } } }", ("a",)),
        ("{ env: { specPattern: 'b' }, specPattern: 'a' }", ("a",)),
        (r"{ e2e: { specPattern: 'it\'s\/a' } }", ("it's/a",)),
        ("const third = width / 3, x = 'c/d'\nexport default { e2e: { specPattern: 'a' } }", ("a",)),
    ],
)
def test_what_is_written_down_is_known(config: str, pattern: tuple[str, ...]) -> None:
    assert read_spec_pattern(config) == pattern


@pytest.mark.parametrize(
    "config",
    [
        "",
        "export default {}",
        "{ e2e: { specPattern: process.env.SPECS } }",
        "{ e2e: { specPattern: `a/${host}.ts` } }",
        "{ e2e: { specPattern: 'a' + b } }",
        "{ e2e: { specPattern: gold ? 'a' : 'b' } }",
        "{ e2e: { specPattern: ['a', ...more] } }",
        "{ e2e: { specPattern: hosts.map((h) => `${h}.cy.ts`) } }",
        "{ e2e: { specPattern: ['a'].concat(b) } }",
        "{ e2e: { specPattern: 'a', ...overrides } }",
        "{ e2e: { specPattern: 'a' }, ...overrides }",
        "{ e2e: { specPattern } }",
        "const specPattern = ['a']; export default { e2e: { specPattern } }",
        "{ e2e: { specPattern: 'a', setupNodeEvents(on, c) { c.specPattern = 'b'; return c } } }",
        "{ e2e: { specPattern: 'a' } }; config['specPattern'] = 'b'",
        "{ e2e: { specPattern: 'a' }, x: { e2e: { specPattern: 'b' } } }",
        "{ component: { specPattern: 'c' } }",
        r"{ e2e: { specPattern: '\u0061' } }",
        "{ e2e: { specPattern: 'a",
        "{ e2e: { specPattern: ['a'",
        "{ e2e: { specPattern:",
        "// { e2e: { specPattern: 'a' } }",
        "{ e2e: { env: { specPattern: 'b' } } }",
        "{ a: " * 200 + "{ e2e: { specPattern: 'a' } }" + " }" * 200,
        "[" + "{ e2e: { specPattern: 'a' } }, " * 200 + "]",
    ],
)
def test_a_value_that_needs_running_the_config_is_unknown(config: str) -> None:
    assert read_spec_pattern(config) is None


@pytest.mark.exhaustive
def test_a_hostile_config_costs_little() -> None:
    began = time.process_time()
    for noise in (
        "'\\" * 100_000,
        "(/[" * 80_000,
        "{" * 200_000,
        "specPattern:" * 20_000,
        "{specPattern:" * 18_000,
        "/*" * 100_000,
    ):
        assert read_spec_pattern("specPattern" + noise) is None
    assert read_spec_pattern("{specPattern: ['a']}" + " " * 300_000) is None

    assert time.process_time() - began < 15


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.sampled_from([*"{}[](),:;'\"`/\\=", "...", "specPattern", "e2e", "a", " ", "${", "//", "\n"]),
        max_size=30,
    )
)
def test_no_config_raises(pieces: list[str]) -> None:
    read_spec_pattern("specPattern" + "".join(pieces))
    read_spec_pattern("{e2e:{specPattern:" + "".join(pieces))
