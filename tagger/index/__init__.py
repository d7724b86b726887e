"""The index on disk: snapshots, staging, rows, the plan of a night, features, verification."""
