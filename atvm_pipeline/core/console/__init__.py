"""Cypress console output: bytes of a runner's log in, facts with their byte offsets out.

How it works.  `scanner.Scanner` receives the log in blocks of any size.  One compiled pattern searches the whole block
for lines that may matter (`line_kinds.CANDIDATE`, anchored on the line feed); all other lines cost no Python code.  A
candidate line is decoded and its colours are removed (`lines`), its kind is determined (`line_kinds`), and one handler
per kind (`handlers`) updates the `ScanContext` (`scan_context`): the open child, the open spec, and the element that is being read
across several lines (`multiline`: a wrapped name, a box, a table, a failure block).  The context emits facts
(`core/facts.py`).  `scanner_state.ScannerState` is everything remembered between two blocks; it is part of the snapshot, so a restarted
watcher continues in the middle of a line.

Guarantees, each covered by a test:

- How the log is cut into blocks changes nothing: the same bytes give the same facts.
- Linear time.  Quantifiers in front of a search are possessive, and a pattern has at most one open `.*`; a greedy
  quantifier over a line of colour codes takes quadratic time.
- Bounded memory.  Every name, box and table has a limit (docs/bounds.md).
- No exception for any input.

What it distrusts.  A test can print anything, also lines that look like Cypress's own.  Therefore a line only counts
where Cypress would print it: a results box within an open spec, a table after `(Run Finished)`.  A line that fits
nowhere becomes `LineUnplaced`, and the verdict decides what it means.  Two runs may write into one log, a line may be
torn by another process, and a runner may put a prefix before each line: `line_forms` and `form_learning` learn the prefix from a
complete run header, never from a single line.  A line that looks like Cypress's and cannot be read is reported as
`WordsUnread`, so that nothing is called missing that may be in such a line.

What is not decided here: whether a run passed.  `core/verdict` does that, from these facts and from the reports.
"""
