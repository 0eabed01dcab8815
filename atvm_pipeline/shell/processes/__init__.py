"""The process table: who lives, what each process is, how a tree is stopped."""
