"""What every app may stand on: clock, errors, assurance, ids, limits, http.

No models and no business words. `assurance` and `errors` import no Django, since policy uses them.
"""
