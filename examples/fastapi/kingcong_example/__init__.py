"""A backend that resells speech: FastAPI and Celery, with KingCong inside.

Start reading at :mod:`kingcong_example.app`.
"""
