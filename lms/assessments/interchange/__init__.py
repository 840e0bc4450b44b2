"""Items from and to the files of other systems. One module a format; what they share is in `drafts`.

A reader takes bytes and never raises for what they hold: every item of a file becomes a draft or a problem that names its
place and its reason. Nothing here writes; the bank imports what a person has seen and not excluded.
"""
