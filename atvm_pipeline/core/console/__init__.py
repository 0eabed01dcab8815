"""Cypress console output: bytes of a runner's log in, facts with their byte offsets out.

How it works. `scanner.Scanner` receives the log in blocks of any size. One compiled pattern searches the block for
lines that may matter (`line_kinds.CANDIDATE`, anchored on the line feed); no Python code runs for the other lines. A
candidate line is decoded and its colours are removed (`lines`), its kind is determined (`line_kinds`), and one handler
per kind (`handlers`) updates the `ScanContext` (`scan_context`): the open child, the open spec, and the element that
spans several lines (`multiline`: a wrapped name, a header or results box, a failure block; `final_table`: the final
table). While such an element is open, every line is read. The context emits facts (`core/facts.py`).
`scanner_state.ScannerState` holds everything that is remembered between two blocks. It is part of the snapshot, so a
restarted watcher continues in the middle of a line.

Guarantees, each covered by a test:

- The same bytes produce the same facts, however they are cut into blocks.
- Linear time. Quantifiers before a search are possessive, and a pattern has at most one open `.*`: a greedy
  quantifier takes quadratic time on a line of colour codes.
- Bounded memory. Every name, box and table has a limit (docs/bounds.md).
- No input raises an exception.

Distrust. A test can print anything, including lines in Cypress's own form. Therefore a line counts only where Cypress
would print it: a results box within an open spec, a final table whose first row names one of the first specs that ran.
A line that does not fit becomes `LineUnplaced`, and the verdict evaluates it. Two runs may write to one log,
another process may tear a line, and a runner may put a prefix before each line: `line_forms` and `form_learning` learn
the prefix from a run header (its title and three rows of its box), never from a single line. A line with Cypress's
words that cannot be read is reported as `WordsUnread`, so that the verdict reports no result as missing that may be in
such a line.

The scanner does not decide whether a run passed. `core/verdict` does, from these facts and from the reports.
"""
