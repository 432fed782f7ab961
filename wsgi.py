"""What a WSGI server loads: `wsgi:app`; what Celery loads: `wsgi:celery`."""

import sys

from actionkit import create_app, logs
from config import Config, SettingError

try:
    config = Config.from_env()
    config.refuse_unsafe()
except SettingError as fault:
    sys.exit(f"actionkit: {fault}")

logs.to_stderr()
app = create_app(config)
celery = app.extensions["celery"]
