"""Where Optuna keeps its trials: a SQLite file in the run's folder, or a database server by its
address.
"""

from pathlib import Path
from typing import Any

import optuna
import sqlalchemy
from sqlalchemy.engine import make_url
from sqlalchemy.pool import NullPool

from stochsim.settings import SettingError, StochsimError

FILE = "optuna.sqlite"


def checked_address(address: str) -> str:
    """The address as it may be shown, its password hidden; raises SettingError for text that is no
    address.
    """
    try:
        return make_url(address).render_as_string(hide_password=True)
    except sqlalchemy.exc.ArgumentError:
        rule = "should be the address of a database: postgresql://USER@HOST/NAME, sqlite:///FILE"
        raise SettingError.of("storage", address, rule) from None


def open_storage(address: str | None, folder: Path) -> Any:
    """Optuna's storage at this address, or in the run's folder; raises StochsimError where it
    cannot be opened.
    """
    chosen = address or f"sqlite:///{folder / FILE}"
    shown = checked_address(chosen) if address else str(folder / FILE)
    try:
        # no pool: every connection is closed when it has done its work
        return optuna.storages.RDBStorage(chosen, engine_kwargs={"poolclass": NullPool})
    except ImportError as error:  # the driver of that kind of database
        raise StochsimError(
            f"storage {shown}: its driver is not installed ({error.name or 'see the address'})"
        ) from None
    except sqlalchemy.exc.NoSuchModuleError:
        raise SettingError.of("storage", shown, "no such kind of database") from None
    except (sqlalchemy.exc.SQLAlchemyError, RuntimeError) as error:
        raise StochsimError(f"storage {shown}: cannot be opened ({_first_line(error)})") from None


def _first_line(error: Exception) -> str:
    """The first line of the database's words, which name no password."""
    text = str(getattr(error, "orig", None) or error)
    return text.strip().splitlines()[0] if text.strip() else type(error).__name__
