"""Pages for persons: one file each that opens anywhere."""
