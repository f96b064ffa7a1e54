"""What other products know of devices: they tell us, or we tell them.

`fleet`: an osquery or Fleet server that calls us by webhook. `mdm`: a table out of whatever manages
the devices, brought by an administrator. `cloudflare`: the other way round, a gateway that asks us
for a score. Each connector belongs to one organisation and reaches its devices only. A device is
found by an identifier that an administrator wrote down for it, never by its name.
"""
