"""What people hold. For now: browsers that are recognised by a long-lived cookie.

A recognised device says "seen before", never "trusted". Public: `flows.recognise`.
"""
