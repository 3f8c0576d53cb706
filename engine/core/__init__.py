"""What decides: values in, values out. Nothing here opens, waits, or knows what time it is; `step` is the way in."""
