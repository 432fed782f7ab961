"""What a WSGI server loads: `wsgi:app`; what Celery loads: `wsgi:celery`."""

from actionkit import create_app
from config import Config

app = create_app(Config.from_env())
celery = app.extensions["celery"]
