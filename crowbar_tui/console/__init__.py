"""The full-screen console. A module of this list imports only modules above it.

    styled, glyphs, formats, table lines of text, and their parts
    snapshot   what a source delivers: the world, events and answers to commands
    source     reads the world from an engine in this process, or from a store and the socket of another process; all I/O, in threads
    past       a source that shows the past
    preferences the user's set-up from a file; `keymap`: his keys; `manner`: both, and what this console may do
    screen     what a session knows of screens: lines, keys, and what commands on them act on
    session    what one person at a console sees: world, rows, marks, the stack of screens, notes; keys and snapshots change it
    page       the kinds of pages; `needle`: filters; `kept`: what a page keeps until the next start
    overlays   menus and questions; `palette`: everything by name
    pages/     one file per screen: session -> lines
    keys       the meaning of the keys; `actions`: commands to nodes; `look_back`: the keys of a look back
    search     what the palette finds; `copying`: clipboard and files (`clipboard`, `sheet`)
    screens    the screens in the order of their digits, and a session with these screens and keys
    frame      title, body, next and keys -> all lines of the terminal
    pointer    what clicks and the wheel do
    app        the rim: a Textual app with one widget, `LinesWidget`, that repaints the changed lines; `aside`: ctrl+z and the pager
    mouse      the terminal's side of the mouse

All modules turn plain data into lines, so the tests need no terminal. Not `app`, `aside`, `lines_widget`, `mouse`, `source`, and those of
files (`files`, `kept_file`, `logs`, `pager`, `preferences`).
"""
