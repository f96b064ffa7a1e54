"""A posture agent: enrols this machine with Sallyport, and reports how it looks.

Runs as an ordinary user. Needs `cryptography` and the standard library. What it cannot read it
reports as missing, never as passed; and it sends no secret, no file name and no process list.
"""
