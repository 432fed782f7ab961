"""Every table, for migrations: importing this module makes `Base.metadata` whole."""

from __future__ import annotations

from actionkit.campaigns import models as campaigns
from actionkit.db import Base
from actionkit.delivery import models as delivery
from actionkit.editing import models as editing
from actionkit.exports import models as exports
from actionkit.imports import models as imports
from actionkit.letters import models as letters
from actionkit.officials import models as officials
from actionkit.replies import models as replies
from actionkit.review import models as review
from actionkit.screening import models as screening
from actionkit.signing import models as signing
from actionkit.staff import models as staff
from actionkit.upkeep import models as upkeep

FEATURES = (
    *(delivery, staff, campaigns, letters, screening, signing, replies, review),
    *(officials, exports, imports, editing, upkeep),
)
TABLES = Base.metadata.tables
