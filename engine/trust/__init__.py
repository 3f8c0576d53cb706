"""Tokens of machines, sealed secrets, and the certificate authority of the site."""
