"""Reports that are not well-formed XML are read as far as is safe, and the problem is always reported."""

from itertools import product

import pytest
from hypothesis import given, settings, strategies as st

from atvm_pipeline.core.facts import Counts
from atvm_pipeline.core.junit import elements, report as reports, xml_text
from atvm_pipeline.core.junit.report import Refusal, Report, ReportedSpec, parse_report

SPEC = "cypress/e2e/redhat9.6.cy.ts"
HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
ROOT = f'<testsuite name="Root Suite" timestamp="2026-11-23T10:00:00" file="{SPEC}" tests="0"></testsuite>\n'
RED = Counts(tests=2, passing=1, failing=1)


def suite(message: str = "boom", text: str = "Error: boom", *, title: str = "t") -> str:
    return (
        '<testsuite name="redhat9.6" tests="2" failures="1">\n<testcase name="fine" classname="c"/>\n'
        f'<testcase name="{title}" classname="c">\n<failure message="{message}"><![CDATA[{text}]]></failure>\n'
        "</testcase>\n</testsuite>\n"
    )


def report(message: str = "boom", text: str = "Error: boom", *, title: str = "t") -> str:
    return f"<testsuites>\n{ROOT}{suite(message, text, title=title)}</testsuites>\n"


def read(data: bytes, *, final: bool = True) -> Report:
    found = parse_report(data, final=final)
    assert isinstance(found, Report), found
    return found


def only(data: bytes) -> ReportedSpec:
    (spec,) = read(data).specs
    return spec


FORBIDDEN = ("\x1b[31m", "\0", "\x01", "\x0b", "\x1f", "\uffff", "\ufffe", "&#x1B;", "&#27;", "&#0;", "&#x0;")
FORBIDDEN += (
    "&#xFFFE;",
    "&#65535;",
    "&#xD800;",
    "&#x110000;",
    "&#99999999999999999999;",
    "&#x0000000000001B;",
)


@pytest.mark.parametrize("text", FORBIDDEN, ids=ascii)
@pytest.mark.parametrize("place", ["message", "text", "title"])
def test_what_xml_forbids_is_left_out_and_the_rest_is_read(text: str, place: str) -> None:
    data = (HEAD + report(**{place: f"a{text}b"})).encode()
    found = read(data, final=False)

    assert found.specs[0].counts == RED
    assert not found.incomplete
    assert found.specs[0].failed[0].title == (
        "t" if place != "title" else f"a{text}b".replace(text, clean(text))
    )
    inside_cdata = place == "text" and text.startswith("&")
    assert inside_cdata or found.problem.startswith(
        f"line {6 if place == 'title' else 7}: not well-formed XML"
    )


def clean(text: str) -> str:
    return "[31m" if text.startswith("\x1b[") else ""


@pytest.mark.parametrize("raw", [b"\xed\xa0\x80", b"\xed\xbf\xbf", b"\xff", b"\xc3", b"\xe9"], ids=ascii)
def test_bytes_that_are_not_utf_8_are_replaced(raw: bytes) -> None:
    data = (HEAD + report("a|b")).encode().replace(b"|", raw)

    assert only(data).counts == RED
    assert read(data).problem == "line 7: not well-formed XML (invalid token)"


@pytest.mark.parametrize(
    "text", ["&nbsp;", "&unknown;", "a & b", "&", "&;", "&#;", "&#x;", "&#xg;", "&&amp;&"]
)
def test_an_entity_that_is_not_declared_stays_text(text: str) -> None:
    data = (HEAD + report(text)).encode()

    assert only(data).counts == RED
    assert not read(data).incomplete
    assert only(data).failed[0].error == text.replace("&amp;", "&")


@pytest.mark.parametrize(
    "name",
    [
        "ISO-8859-1",
        "iso8859-1",
        "latin1",
        "LATIN-1",
        "l1",
        "windows-1252",
        "Windows1252",
        "cp1252",
        "ISO-8859-15",
    ],
)
def test_a_declared_encoding_of_the_closed_list_is_honoured(name: str) -> None:
    data = (HEAD.replace("UTF-8", name) + report("\xe9", title="caf\xe9")).encode("latin-1")
    found = read(data, final=False)

    assert found.problem == ""
    assert found.specs[0].failed[0].title == "caf\xe9"
    assert found.specs[0].counts == RED


def test_a_declaration_may_use_other_quotes_and_spaces() -> None:
    declaration = "<?xml version='1.0' standalone='no'\n encoding = 'windows-1252' ?>"
    data = (declaration + report("\x80")).encode("latin-1")

    assert only(data).failed[0].error == "€"


@pytest.mark.parametrize(
    "name", ["utf-7", "rot13", "zlib", "idna", "x" * 200, "utf-16", "cp037", "../latin1"]
)
def test_no_other_encoding_is_looked_up(name: str) -> None:
    data = (HEAD.replace("UTF-8", name) + report("é")).encode()

    assert only(data).failed[0].error == "é"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("text", ["é", "\x1b[31m", "😀" * 3])
def test_utf_16_is_read(encoding: str, text: str) -> None:
    data = (HEAD.replace("UTF-8", "UTF-16") + report(text)).encode(encoding)

    assert only(data).counts == RED
    assert only(data).failed[0].error == text.replace("\x1b", "")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-15"])
def test_a_large_report_is_cleaned_in_blocks_that_cut_no_character(
    encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(xml_text, "FEED_BYTES", 10)
    letters = "\xe9\xe9" if encoding == "iso-8859-15" else "é😀€"
    texts = f"{letters}&#27;{letters}&lt;&nope;{letters}\x1b{letters}"
    data = (HEAD.replace("UTF-8", encoding) + report(texts) + report(texts)).encode(encoding)

    for spec in read(data).specs:
        assert spec.failed[0].error == f"{letters}{letters}<&nope;{letters}{letters}"
        assert spec.counts == RED


def test_a_byte_order_mark_counts_more_than_a_declaration() -> None:
    data = ("\ufeff" + HEAD.replace("UTF-8", "ISO-8859-1") + report("é")).encode()

    assert only(data).failed[0].error == "é"


def test_failures_that_are_declared_and_not_shown_leave_no_spec_proved() -> None:
    green = (
        suite()
        .replace(' failures="1"', "")
        .replace('<failure message="boom"><![CDATA[Error: boom]]></failure>', "")
    )
    other = ROOT.replace("redhat9.6", "ubuntu24.04")
    data = f'<testsuites failures="2">{ROOT}{suite()}{other}{green}</testsuites>'
    found = read(data.encode())

    assert [spec.counts.failing for spec in found.specs] == [1, 0]
    assert [spec.incomplete for spec in found.specs] == [True, True]
    assert found.problem == "<testsuites> declares 2 failing, its suites 1"


def test_a_byte_order_mark_or_blank_lines_in_front_change_nothing() -> None:
    assert not read(("\ufeff" + HEAD + report()).encode()).problem
    found = read(("\n \n" + HEAD + report()).encode())

    assert found.specs[0].counts == RED
    assert not found.incomplete
    assert found.problem == "line 3: not well-formed XML (XML or text declaration not at start of entity)"


def test_every_complete_document_of_a_file_is_read() -> None:
    data = HEAD + report() + HEAD + report().replace("redhat9.6.cy", "ubuntu24.04.cy") + "<!-- --> " + ROOT
    found = read(data.encode(), final=False)

    assert [(spec.spec.rpartition("/")[2], spec.counts.failing) for spec in found.specs] == [
        ("redhat9.6.cy.ts", 1),
        ("ubuntu24.04.cy.ts", 1),
        ("redhat9.6.cy.ts", 0),
    ]
    assert not found.incomplete
    assert found.problem == "line 11: not well-formed XML (junk after document element)"


def test_a_document_that_was_cut_before_the_next_one_started_shows_its_failures() -> None:
    for second in (HEAD + report(), report()):
        data = HEAD + report().partition("</testcase>\n</testsuite>")[0] + second
        found = read(data.encode(), final=False)

        assert [spec.counts.failing for spec in found.specs] == [1, 1]
        assert [spec.incomplete for spec in found.specs] == [True, False]
        assert found.incomplete


@pytest.mark.parametrize("before", [True, False])
def test_text_around_a_document_may_hide_something(before: bool) -> None:
    data = "npm WARN\n" + report() if before else report() + "</testcase>\nmore text"
    found = read(data.encode(), final=False)

    assert found.specs[0].counts == RED
    assert found.incomplete
    assert found.specs[0].incomplete


def test_a_cut_report_shows_what_failed_before_the_cut_and_nothing_else() -> None:
    whole = HEAD + report()
    tag = whole.index("<failure")
    shown = whole.index(">", tag)
    for end in range(whole.index(ROOT) + len(ROOT), len(whole) - 2):
        assert isinstance(parse_report(whole[:end].encode()), Refusal)
        found = read(whole[:end].encode())

        assert found.incomplete
        assert found.unfinished
        assert found.problem.startswith("line ")
        assert found.specs[0].counts.failing == (end > shown), whole[:end]


def test_what_a_cut_report_declares_was_not_seen() -> None:
    data = (
        f'<testsuites failures="9">{ROOT}<testsuite tests="9" failures="9" skipped="9"><testcase name="a"/>'
    )

    assert only(data.encode()).counts == Counts(tests=1, passing=1)


def test_a_suite_that_ended_before_the_cut_is_believed() -> None:
    data = f'<testsuites>{ROOT}<testsuite tests="1" failures="1"></testsuite><testsuite tests="5">'

    assert only(data.encode()).counts == Counts(tests=1, failing=1)


@pytest.mark.parametrize(
    "damage", ["<a b='1' b='2'/>", "</b>", "<x y='<'/>", "]]>", "<1/>", "<testsuites>"], ids=str
)
def test_damage_ends_a_document_and_what_failed_before_it_counts(damage: str) -> None:
    data = (HEAD + report().replace("</testsuites>", f"{damage}</testsuites>")).encode()
    found = read(data, final=False)

    assert found.incomplete
    assert found.specs[0].counts.failing == 1
    assert found.problem.startswith("line 10: not well-formed XML (")


@pytest.mark.parametrize(
    "doctype",
    [
        "<!DOCTYPE testsuites>",
        '<!DOCTYPE testsuites SYSTEM "file:///etc/passwd">',
        "<!DOCTYPE t PUBLIC '-//x' 'http://127.0.0.1:1/x.dtd' []>",
        '<!DOCTYPE t [<!ENTITY boom "x]>y"><!-- ]> " --><?p ]> ?><!ATTLIST failure message CDATA "no">]>',
    ],
)
def test_a_document_type_is_skipped_and_what_failed_counts(doctype: str) -> None:
    found = read(f"{HEAD}{doctype}\n{report('&boom;')}".encode())

    assert found.specs[0].counts.failing == 1
    assert found.specs[0].failed[0].error == "&boom;"
    assert found.incomplete
    assert found.problem == "line 2: it has a document type declaration, which is never read"


def test_entities_do_not_grow() -> None:
    levels = "".join(f"<!ENTITY e{n} '{f'&e{n - 1};' * 10}'>" for n in range(1, 30))
    data = f'<!DOCTYPE t [<!ENTITY e0 "lol">{levels}]>{report("&e29;", "&e29;", title="&e29;")}'

    assert only(data.encode()).failed[0].title == "&e29;"


def test_a_document_type_of_any_length_is_not_skipped() -> None:
    data = f"<!DOCTYPE t [{'<!ENTITY a b>' * 10_000}]>{report()}".encode()

    assert isinstance(parse_report(data), Refusal)
    assert not parse_report(data).retry  # type: ignore[union-attr]
    assert parse_report(b"<!DOCTYPE t [").retry  # type: ignore[union-attr]


def test_a_hole_of_zero_bytes_is_not_yet_and_never_complete() -> None:
    data = (HEAD + report()).encode().replace(b'<testcase name="fine" classname="c"/>\n', b"\0" * 37)

    assert parse_report(data).retry  # type: ignore[union-attr]
    assert read(data).specs[0].counts.failing == 1
    assert read(data).problem == "line 5: zero bytes where text should be"
    assert read(data).incomplete


@pytest.mark.parametrize("end", ["<", "<?xml", "<!-", "<!-- more", "<!DOCTYPE x [", "<testsu"])
def test_the_start_of_one_more_document_is_not_yet(end: str) -> None:
    data = (HEAD + report() + end).encode()

    assert parse_report(data).retry  # type: ignore[union-attr]
    assert read(data).specs[0].counts == RED


def test_a_declaration_or_a_comment_that_is_damaged_hides_nothing() -> None:
    for front in (
        "<?xml " + "x" * 600 + "?>",
        '<?xml version="?"?>',
        "<!-- -- -->",
        "<!-- <testsuites> -->\x01",
    ):
        assert only((front + report()).encode()).counts == RED


def test_documents_and_what_stands_between_them_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(read((report() * 150).encode()).specs) == reports.DOCUMENTS_MAX
    assert read((report() * 150).encode()).incomplete
    monkeypatch.setattr(reports, "SKIPPED_MAX", 3)

    assert len(read((report() + "junk" + "<!---->" * 3 + report()).encode()).specs) == 1
    assert read((report() + "junk" + "<!---->" * 3 + report()).encode()).incomplete


def test_more_than_the_limits_allow_is_cut_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(elements, "REPORT_SPECS_MAX", 2)
    found = read(f"<testsuites>{(ROOT + suite()) * 3}</testsuites>".encode())

    assert [spec.counts.failing for spec in found.specs] == [1, 1]
    assert found.problem.endswith("more than 2 specs")
    assert found.incomplete


# --- any damage ---


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_damaged_byte_is_read_over_or_reported(data: st.DataObject) -> None:
    """No single damaged byte turns a failing report into an intact, green one."""
    whole = (HEAD + report()).encode()
    at = data.draw(st.integers(0, len(whole) - 1))
    byte = data.draw(st.integers(0, 255))
    found = parse_report(whole[:at] + bytes([byte]) + whole[at + 1 :], final=True)

    red = isinstance(found, Report) and any(spec.counts.failing for spec in found.specs)
    assert red or isinstance(found, Refusal) or (found.incomplete and found.problem)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.sampled_from([HEAD, report(), ROOT, "<!-- x -->", "\x1b", "&x;", "junk", "\n"]), max_size=6),
    st.data(),
)
def test_every_start_of_a_file_shows_no_more_than_the_file(pieces: list[str], data: st.DataObject) -> None:
    whole = "".join(pieces).encode()
    end = data.draw(st.integers(0, len(whole)))
    seen = [failing_in(parse_report(part, final=True)) for part in (whole[:end], whole)]

    assert seen[0] <= seen[1]


def failing_in(found: Report | Refusal) -> int:
    return sum(spec.counts.failing for spec in found.specs) if isinstance(found, Report) else 0


def test_no_combination_of_kinds_raises() -> None:
    kinds = [
        "\x1b",
        "&#0;",
        "&a;",
        "<!DOCTYPE x>",
        "<?xml version='1.0'?>",
        "</testsuites>",
        "<testsuites>",
        "\0" * 9,
    ]
    for one, other in product(kinds, repeat=2):
        for place in ("message", "text", "title"):
            found = parse_report((one + report(**{place: other}) + one).encode(), final=True)
            assert isinstance(found, Report | Refusal)
