"""JUnit XML reports: bytes in, one entry per spec out."""
