"""The story of the design (DESIGN §2), played unattended: `make story`.

Each step acts through what people and machines really have - pages in Chromium, the agent, mail,
protocol endpoints - and proves itself with evidence that is printed. A step that is not built yet is
named as such; one that fails ends the run with its reason.
"""
