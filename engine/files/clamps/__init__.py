"""The barclamps of a site: how they are read from folders, archives and git, checked, imported and removed."""
