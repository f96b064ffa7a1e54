"""The statements of the machine endpoints, beside the models that own their tables.

They run on Django's own connection, prepared (`core.prepared`), since an ORM update and select
cost ten times the driver's time. database.py runs them, parts.py is what they share, and each
other module holds those on one kind of row. tests/idp/test_storage.py checks the columns.
"""
