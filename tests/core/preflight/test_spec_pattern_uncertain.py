"""Only a certain `specPattern` may refuse a start: any construct with two outcomes makes it unknown, at any depth."""

import time

import pytest
from hypothesis import given, settings, strategies as st

from atvm_pipeline.core.preflight.js_objects import USES_MAX
from atvm_pipeline.core.preflight.js_tokens import read_script
from atvm_pipeline.core.preflight.spec_pattern import CONFIG_CHARS_MAX, PATTERNS_MAX, read_spec_pattern

A = "e2e: { specPattern: 'a' }"
"""Replaces <A> in the configs below."""


@pytest.mark.parametrize(
    ("config", "pattern"),
    [
        ("export default defineConfig({ e2e: { specPattern: 'a' } })", "a"),
        (
            "import { defineConfig } from 'cypress'\nexport default defineConfig({ e2e: { specPattern: 'a' } })",
            "a",
        ),
        ("const { defineConfig } = require('cypress')\nmodule.exports = defineConfig({ <A>, })", "a"),
        ("'use strict'\nmodule.exports = { <A> };", "a"),
        ("const host = 'x'\nmodule.exports = { <A> }\nconsole.log(host)", "a"),
        ("if (host) { log() }\nmodule.exports = { <A> }", "a"),
        ("const config: Cypress.ConfigOptions = { <A> }\nexport default config", "a"),
        ("const config = { <A> } as const;\nmodule.exports = config;", "a"),
        ("export const config = { <A> }\nexport default config", "a"),
        ("export default { <A> } satisfies Cypress.ConfigOptions", "a"),
        ("export default ({ <A> } as Cypress.ConfigOptions)", "a"),
        ("export default { e2e: ({ specPattern: ('a') as const }) }", "a"),
        ("{ e2e: { specPattern: 'a' + \"b\" + `c` } }", "abc"),
        ("{ e2e: { specPattern: ('a' + 'b') } }", "ab"),
        ("{ e2e: { specPattern: ['a' + 'b'] as string[], } }", "ab"),
        ("{ e2e: { specPattern: ['a',] satisfies string[] } }", "a"),
        ("{ e2e: { 'specPattern': 'a', 'base': { x: [1, { y: 2 }] } } }", "a"),
        ("{ e2e: { specPattern: 'b', specPattern: 'a' } }", "a"),
        ("{ e2e: { specPattern: 'b' }, e2e: { specPattern: 'a' } }", "a"),
        ("{ specPattern: 'b', e2e: { specPattern: 'a' } }", "a"),
        ("{ e2e: { baseUrl: 'x' }, specPattern: 'a' }", "a"),
        ("{ ...base, [key]: 1, get x() { return 1 }, e2e: { ...base, specPattern: 'a' } }", "a"),
        (
            "{ component: { specPattern: c ? 'b' : 'c' }, env: { specPattern }, e2e: { specPattern: 'a' } }",
            "a",
        ),
        ("export default Object.assign(base, { <A> })", "a"),
        ("{ x: { module: 'commonjs' }, y: z.module, <A> }", "a"),
        ("export default { t: 6 / 2, u: a[0] / 2, v: ['x'] / 2, w: /e2e: '/, <A> }", "a"),
        ("export default { url: `https://${env.HOST || '}'}/${x({ y: 1 })}$`, <A> }", "a"),
        ("export default { t: (60 * 1000) / 2, <A> }", "a"),
        ("export default { async f() {}, *g() {}, async: 1, get: 2, set() {}, 3: 4, h, <A> }", "a"),
    ],
)
def test_what_no_run_of_the_config_could_change_is_known(config: str, pattern: str) -> None:
    assert read_spec_pattern(config.replace("<A>", A)) == (pattern,)


@pytest.mark.parametrize(
    "config",
    [
        # The value is uncertain
        "{ e2e: { specPattern: gold && 'a' } }",
        "{ e2e: { specPattern: 'a' || 'b' } }",
        "{ e2e: { specPattern: 'a' ?? 'b' } }",
        "{ e2e: { specPattern: ['a', gold ? 'b' : 'c'] } }",
        "{ e2e: { specPattern: ['a', , 'b'] } }",
        "{ e2e: { specPattern: ['a', ['b']] } }",
        "{ e2e: { specPattern: ['a'] as string[] || b } }",
        "{ e2e: { specPattern: ['a'] as string[][0] } }",
        "{ e2e: { specPattern: 'a' as any in b } }",
        "{ e2e: { specPattern: 'a' as any instanceof b } }",
        "{ e2e: { specPattern: 'a' - 'b' } }",
        "{ e2e: { specPattern: 'a' + } }",
        "{ e2e: { specPattern: } }",
        "{ e2e: { specPattern: ['a'][0] } }",
        "{ e2e: { specPattern: ('a', 'b') } }",
        "{ e2e: { specPattern: 'a'.concat('b') } }",
        "{ e2e: { specPattern: `a/${'b'}` } }",
        "{ e2e: { specPattern: process.env.SPECS || 'a' } }",
        "{ e2e: { specPattern: glob('a') } }",
        "{ e2e: { specPattern: require('./specs').e2e } }",
        "{ e2e: { get specPattern() { return 'a' } } }",
        "{ e2e: { specPattern() { return 'a' } } }",
        "{ e2e: { ['specPattern']: 'a' } }",
        "{ e2e: { specPattern: 'a', [key]: 'b' } }",
        "{ e2e: { specPattern: 'a', ['spec' + 'Pattern']: 'b' } }",
        r"{ e2e: { specPattern: 'a', 'spec\u0050attern': 'b' } }",
        r"{ e2e: { specPattern: 'a', spec\u0050attern: 'b' } }",
        "{ e2e: { specPattern: 'a', specPattern } }",
        "{ e2e: { specPattern: 'a', specPattern: b } }",
        "{ e2e: { specPattern: [" + "'a'," * (PATTERNS_MAX + 1) + "] } }",
        # The enclosing object is uncertain
        "{ e2e: gold ? { specPattern: 'a' } : other }",
        "{ e2e: gold && { specPattern: 'a' } }",
        "{ e2e: { specPattern: 'a' } || other }",
        "{ e2e: merge({ specPattern: 'a' }, other) }",
        "{ e2e: Object.assign({ specPattern: 'a' }, other) }",
        "{ e2e: Object.assign({ specPattern: 'a' }, ...others) }",
        "{ e2e: Object.assign({ specPattern: 'a' }, { ...other }) }",
        "{ e2e: Object.assign({ specPattern: 'a' }, {,}) }",
        "{ e2e: Object.assign({ specPattern: 'a' }).x }",
        "{ e2e: Object.freeze({ specPattern: 'a' }) }",
        "{ e2e: { specPattern: 'a' }.x }",
        "{ e2e: ({ specPattern: 'a' }, other) }",
        "{ e2e() { return { specPattern: 'a' } } }",
        "{ get e2e() { return { specPattern: 'a' } } }",
        "{ e2e: (() => ({ specPattern: 'a' }))() }",
        "{ e2e: { specPattern: 'a' }, [key]: other }",
        "{ e2e: { specPattern: 'a' }, e2e: other }",
        "{ e2e: { specPattern: 'a' }, get e2e() { return other } }",
        "{ e2e: { x y, specPattern: 'a' } }",
        "{ e2e: { 'x', specPattern: 'a' } }",
        "{ e2e: { + , specPattern: 'a' } }",
        "{ ...base, specPattern: 'a' }",
        "{ e2e: { ...base }, specPattern: 'a' }",
        "{ e2e: base, specPattern: 'a' }",
        "{ e2e: ['a'], specPattern: 'a' }",
        "{ e2e: " + "Object.assign(" * 13 + "{ specPattern: 'a' }" + ")" * 13 + " }",
        # The export is uncertain
        "export default gold ? { <A> } : other",
        "export default merge(base, { <A> })",
        "export default { <A> }.x",
        "export default { <A> }\n  [0]",
        "export default defineConfig({ <A> }, other)",
        "export default defineConfig(() => ({ <A> }))",
        "export default function () { if (gold) return { <A> }; return other }",
        "export default (gold) => { switch (gold) { case 1: return { <A> } } }",
        "export default build(); const unused = { <A> }",
        "import { merge as defineConfig } from 'lodash'\nexport default defineConfig({ <A> })",
        "import { defineConfig } from './ours'\nexport default defineConfig({ <A> })",
        "import { merge as defineConfig } from 'cypress'\nexport default defineConfig({ <A> })",
        "const { x: defineConfig } = require('cypress')\nmodule.exports = defineConfig({ <A> })",
        "function defineConfig(x) { return {} }\nexport default defineConfig({ <A> })",
        "const defineConfig = make, { x } = require('cypress')\nmodule.exports = defineConfig({ <A> })",
        "import { defineConfig } from\nexport default defineConfig({ <A> })",
        "export default { <A> }; module.exports = other",
        "export default { <A> }; export default other",
        "if (gold) { module.exports = { <A> } }",
        "if (gold) module.exports = { <A> }",
        "if (gold) x(); else module.exports = { <A> }",
        "gold ? x : module.exports = { <A> }",
        "module.exports = { <A> }; module.exports.e2e = other",
        "module.exports = { <A> }; Object.assign(module.exports, other)",
        "exports = module.exports = { <A> }",
        "module.exports += { <A> }",
        "module.paths; x.exports = { <A> }",
        # A name may have another value by then
        "let config = { <A> }\nexport default config",
        "var config = { <A> }\nexport default config",
        "const config = { <A> }\nconfig.e2e = other\nexport default config",
        "const config = { <A> }\nconfig[key] = other\nexport default config",
        "const config = { <A> }\npatch(config)\nexport default config",
        "const config = { <A> }\nconst log = `${patch(config)}`\nexport default config",
        "const config = gold ? { <A> } : other\nexport default config",
        "const config = new Config({ <A> })\nexport default config",
        "const config: { x: 1 } = { <A> }\nexport default config",
        "const config; const other = { <A> }; export default config",
        "const x = 1, config = { <A> }\nexport default config",
        "function f() { const config = { <A> } }\nexport default config",
        "const a = b, c = { <A> }; const b = c; export default a",
        "const a = { <A> }, b = { e2e: a }; const c = b; const d = c; const e = d; export default e",
        "export default imported; const x = { <A> }",
        "let specs = 'a'; specs = 'b'; export default { e2e: { specPattern: specs } }",
        "let specs = 'a'; specs += 'b'; export default { e2e: { specPattern: specs } }",
        "const e2e = { specPattern: 'a' }; e2e.specPattern = 'b'; export default { e2e }",
        # The script is ambiguous or malformed
        "export default { t: (a) / 2, <A>, x: 4 / 2 }",
        "export default { t: {} / 2, <A>, x: 4 / 2 }",
        "export default { t: a++ / 2, <A>, x: 4 / 2 }",
        "export default { t: a-- / 2, <A>, x: 4 / 2 }",
        "export default { t: `${`x`}`, <A> }",
        "export default { t: `${a / b}`, <A> }",
        "export default { t: `${'x}`, <A> }",
        "export default { t: `${x', <A> }",
        "export default { t: `x, <A> }",
        "export default { <A>, t: `x\\",
        "export default { t: `${specPattern = 'b'}`, <A> }",
        "export default { <A> ) }",
        "export default { <A> }) ",
        "export default { <A> ",
        "export default { /* <A> } ",
        "export default { x: '<A> } ",
        "// export default\rexport default { ...{ <A> }, ...other }",
    ],
)
def test_what_a_run_of_the_config_may_change_is_not_known(config: str) -> None:
    assert read_spec_pattern(config.replace("<A>", A)) is None


def config_that_imports(count: int) -> str:
    names = "defineConfig, " * count
    return f"import {{{names}}} from 'cypress'\nexport default defineConfig({{ {A} }})"


def test_only_so_many_imports_of_define_config_are_read() -> None:
    assert read_spec_pattern(config_that_imports(USES_MAX)) == ("a",)
    assert read_spec_pattern(config_that_imports(USES_MAX + 1)) is None


def test_many_imports_of_define_config_cost_little() -> None:
    began = time.process_time()

    assert read_spec_pattern(config_that_imports(15_000)) is None
    assert time.process_time() - began < 5


def test_a_config_that_is_too_long_or_too_deep_is_not_read() -> None:
    assert read_spec_pattern(f"{{ {A} }}" + " " * CONFIG_CHARS_MAX) is None
    assert read_script("[" * 101 + "]" * 101) is None


VALUES_CERTAIN = ("({})", "{} as const", "{} as string", "/* b */ {} // c\n")
VALUES_OPEN = (
    "gold ? {} : 'b'",
    "gold ? 'b' : {}",
    "gold && {}",
    "{} || 'b'",
    "{} ?? 'b'",
    "pick({})",
    "[...{}]",
    "{}.concat(more)",
    "await {}",
    "`${{{}}}`",
    "{} + suffix",
    "process.env.SPECS ?? {}",
    "(() => {})()",
    "(function () {{ if (gold) return 'b'; return {} }})()",
    "{}, [key]: 'b'",
    "{}, ...more",
    "{}, specPattern: more",
)
OBJECTS_CERTAIN = (
    "({})",
    "{} as Cypress.ConfigOptions",
    "{} satisfies Options",
    "Object.assign({{}}, {})",
    "Object.assign({{ x: 1 }}, {}, {{ y: 2 }})",
    "/* x */ {}",
)
OBJECTS_OPEN = (
    "gold ? {} : other",
    "gold && {}",
    "{} || other",
    "other ?? {}",
    "merge({})",
    "merge({}, other)",
    "_.merge({{}}, base, {})",
    "Object.assign({}, other)",
    "Object.assign({{}}, {}, more())",
    "{{ ...{} }}",
    "{{ ...{}, ...other }}",
    "{{ ...(gold ? {} : other) }}",
    "(() => {})()",
    "(() => {{ if (gold) return other; return {} }})()",
    "(() => {{ switch (gold) {{ case 1: return {}; default: return other }} }})()",
    "(() => {{ let c = other; c = {}; return c }})()",
    "[{}, other][gold]",
    "await {}",
    "new Config({})",
    "({}).e2e",
    "JSON.parse(JSON.stringify({}))",
)
EXPORTS = (
    "export default {}",
    "export default defineConfig({})",
    "module.exports = {}",
    "module.exports = defineConfig({});",
    "const config = {}\nexport default config",
    "const config: Cypress.ConfigOptions = {};\nmodule.exports = config",
)


def wrapped(text: str, wrappers: list[str]) -> str:
    for wrapper in wrappers:
        text = wrapper.format(text)
    return text


def layers(certain: tuple[str, ...], open_: tuple[str, ...]) -> st.SearchStrategy[list[tuple[str, bool]]]:
    each = st.one_of(
        st.sampled_from([(one, True) for one in certain]), st.sampled_from([(one, False) for one in open_])
    )
    return st.lists(each, max_size=3)


@settings(max_examples=600, deadline=None)
@given(
    st.sampled_from(["'a'", "['a']", "`a`", "['a',]"]),
    layers(VALUES_CERTAIN, VALUES_OPEN),
    layers(OBJECTS_CERTAIN, OBJECTS_OPEN),
    layers(OBJECTS_CERTAIN, OBJECTS_OPEN),
    st.sampled_from(EXPORTS),
)
def test_a_pattern_behind_any_construct_is_known_only_if_all_are_certain(
    literal: str,
    value: list[tuple[str, bool]],
    suite: list[tuple[str, bool]],
    config: list[tuple[str, bool]],
    export: str,
) -> None:
    text = wrapped(literal, [one for one, _ in value])
    text = wrapped("{ baseUrl: 'x', specPattern: " + text + " }", [one for one, _ in suite])
    text = wrapped("{ video: false, e2e: " + text + " }", [one for one, _ in config])
    found = read_spec_pattern(export.format(text))

    if all(certain for _, certain in (*value, *suite, *config)):
        assert found == ("a",), export.format(text)
    else:
        assert found is None, export.format(text)
