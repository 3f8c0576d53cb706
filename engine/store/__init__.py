"""The SQLite store: schema and records, the one writer with its journal, opening and locking, and errors in words for operators."""
