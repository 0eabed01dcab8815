"""JUnit XML reports: bytes of one report file in, one entry per spec out.

How it works. `report.parse_report` reads a file in blocks. `xml_text` decodes each block to UTF-8, from a closed list
of encodings, and Python's expat parses it. `elements.Document` receives the start tags, end tags and texts, finds the
spec of each test case, and adds its numbers to the running totals (`totals`). The result is a `Report` with one
`ReportedSpec` per spec, or a `Refusal`. Nearly every report is well-formed and read once. Only a damaged file is read
again, with forbidden characters removed, document by document, each as far as possible; the problem is part of the
result. Whether a half-written file may still grow is decided by the caller (`final`).

Reporters differ. mocha-junit-reporter omits pending tests, counts a failed hook as a failure but not as a test, and
names the spec file only in root suites; plain Mocha names it in all other suites. `totals` and `elements` contain these
rules. If declared numbers and test cases disagree, the larger number of failures counts.

Guarantees:

- A report is untrusted input: no document type declaration and no entity is resolved, no document can choose a codec,
  and no file raises an exception.
- Size, tag length, nesting, elements, specs and documents are bounded (docs/bounds.md).
- An incomplete report can show failures, but never proves that a test passed.

This package does not decide to which spec of the run a report belongs. `core/verdict/report_matching.py` does.
"""
