"""What people hold: browsers that they sign in with, and machines that are enrolled by a key.

A recognised browser says "seen before", never "trusted". A device is trusted as far as its tier:
`score` (pure) says how that comes about, `posture` reads what devices sign, `flows` does the rest.
The tier at any instant is a comparison with `Device.tier_ends_at`. It knows people by id alone, and
no session but by what a request carries.
"""
