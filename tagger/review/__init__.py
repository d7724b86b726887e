"""Looking at a night and correcting it, in a browser on this machine."""
