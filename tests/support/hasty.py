"""Django's settings for processes of their own: the product's, whose beat comes round ten times as often."""

from config import settings as product

globals().update({name: value for name, value in vars(product).items() if name.isupper()})
for _entry in product.CELERY_BEAT_SCHEDULE.values():
    _entry["schedule"] /= 10
