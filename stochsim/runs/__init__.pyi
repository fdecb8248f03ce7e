from .store import Row as Row, Store as Store
from .workers import Message as Message, WorkerCrash as WorkerCrash, Workers as Workers
