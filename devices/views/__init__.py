"""Answers to machines (`api`), and pages for people (`pages`, `enrol`)."""
