"""Pure functions over snapshots, history and the ledger; no I/O, no clock."""
