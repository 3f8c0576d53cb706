"""What loaders and installers get: scripts, answers, files."""
