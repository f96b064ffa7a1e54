"""How well risk tells attackers from people: generated sign-ins, simulated attacks, a report."""
