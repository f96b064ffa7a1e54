"""The one refusal of the launcher."""


class Unusable(SystemExit):
    """A service that cannot be started or trusted; its text says why and what to do next."""
