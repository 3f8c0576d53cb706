"""The full-screen console.

    source   where the world comes from: an engine in this process, or a store and the socket of one elsewhere; all I/O, in threads
    desk     the console's state: world, rows, marks, pages, notes; changed by keys and snapshots, without a terminal
    pages/   one file per screen: state -> lines
    frame    title, body, next and keys -> all lines of the terminal
    app      the rim: a Textual app with one widget, `Sheet`, that repaints what changed

Everything but `app`, `sheet` and `source` is plain data in, lines out, so it is tested without a terminal.
"""
