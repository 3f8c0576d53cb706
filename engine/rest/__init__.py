"""The HTTP API for operators.

`table` has the routes and their types, `gate` and `logins` decide who may call, `reads` answers and `orders` hands orders to the engine.
"""
