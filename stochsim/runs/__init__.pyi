from .store import Row as Row
from .store import Store as Store
from .workers import Message as Message
from .workers import WorkerCrash as WorkerCrash
from .workers import Workers as Workers
