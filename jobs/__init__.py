"""What a person or cron starts: thin commands over `tagger`."""
