"""What a client may ask of the authorization endpoint, and how it says so.

parameters.py: the parameters, parsed once. pushed_requests.py, request_objects.py (and, encrypted,
encrypted_requests.py): other ways to bring them. response_types.py, claims_request.py,
authorization_details.py, resources.py: what single parameters may say.
"""
